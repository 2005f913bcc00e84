"""Signing in: with stored credentials if possible, otherwise by asking the user; and signing out."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import pytest
from tests.pryv.people import APP_ID, PERMISSIONS, Interface, Person
from tests.pryv.wire import Reply, Wire, error_reply, reply, service_info_reply

from pryv import (
    AccessRefusedError,
    AccessTimeoutError,
    Connection,
    ForbiddenError,
    InvalidAccessTokenError,
    InvalidParametersError,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
    ServerError,
)
from pryv.auth import AuthorizationData, CredentialStore, FileStore, MemoryStore, sign_in, sign_out
from pryv.auth._permissions import covers
from pryv.auth._profiles import Profile

Permissions = list[dict[str, Any]]
BROADER: Permissions = [{"streamId": "diary", "defaultName": "Diary", "level": "manage"}]


class Login:
    """Signs in like a program, with a user who accepts each request, and counts the requests."""

    def __init__(self, url: str, person: Person, store: CredentialStore) -> None:
        self.url = url
        self.person = person
        self.store = store
        self.asked = 0
        self.members: dict[str, Any] = {}

    def __call__(
        self, permissions: Permissions = PERMISSIONS, app_id: str = APP_ID, profile: str = "default"
    ) -> Connection:
        def accept(key: str) -> None:
            self.asked += 1
            self.person.accept(key, permissions, **self.members)

        ui = Interface(accept)
        return sign_in(self.url, app_id, permissions, store=self.store, profile=profile, ui=ui, timeout=20)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "credentials")


@pytest.fixture
def login(platform_url: str, person: Person, store: FileStore) -> Login:
    return Login(platform_url, person, store)


def never(*_: Any) -> Any:
    pytest.fail("a person was asked")


def files(store: FileStore) -> dict[str, Any]:
    return {file.name: json.loads(file.read_text()) for file in Path(str(store)).iterdir()}


# ---- signing in


def test_stored_credentials_are_used_the_second_time(login: Login) -> None:
    with login() as first:
        assert first.username() == login.person.username
    with login() as second:
        assert (second.token, login.asked) == (first.token, 1)
        assert second.service.info().name
        assert list(second.iter_events({"streams": ["diary"]})) == []


def test_only_the_owner_can_read_stored_credentials(login: Login, store: FileStore) -> None:
    with login() as connection:
        assert files(store) == {
            "default.json": {
                "apiEndpoint": connection.api_endpoint,
                "username": login.person.username,
                "serviceInfoUrl": login.url,
                "appId": APP_ID,
            }
        }
    (file,) = Path(str(store)).iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_only_additional_permissions_are_requested_again(login: Login, store: FileStore) -> None:
    with login(), login(BROADER) as broader, login(PERMISSIONS) as again:
        assert login.asked == 2
        assert broader.token == again.token
    assert [data["apiEndpoint"] for data in files(store).values()] == [broader.api_endpoint]
    assert "others" not in files(store)["default.json"]


def test_a_stream_below_is_covered(login: Login) -> None:
    with login() as connection:
        login.person.connection.api_one("streams.create", {"id": "dreams", "name": "Dreams", "parentId": "diary"})
        with login([{"streamId": "dreams", "level": "read"}]) as again:
            assert (again.token, login.asked) == (connection.token, 1)


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_an_access_that_ended_leads_to_a_new_sign_in(login: Login, store: FileStore, end: str) -> None:
    login.members = {"expireAfter": 0} if end == "expired" else {}
    with login() as first:
        if end == "revoked":
            first.revoke()
    login.members = {}
    with login() as second:
        assert second.token != first.token
        assert second.username() == login.person.username
    with login() as third:
        assert (third.token, login.asked) == (second.token, 2)
    assert str(first.token) not in json.dumps(files(store))


def test_each_app_has_its_own_credentials(login: Login) -> None:
    """Each has its own permissions: if one replaced those of the other, both would ask at each start."""
    with login() as one, login(BROADER, "pryv-other-tests") as other:
        assert one.token != other.token
    with login() as one_again, login(BROADER, "pryv-other-tests") as other_again:
        assert (one_again.token, other_again.token) == (one.token, other.token)
    assert login.asked == 2


def test_each_profile_has_its_own_credentials(login: Login, store: FileStore) -> None:
    with login() as one, login(profile="work") as other:
        assert one.token != other.token
    with login(profile="work") as again:
        assert (again.token, login.asked) == (other.token, 2)
    assert set(files(store)) == {"default.json", "work.json"}


@pytest.mark.parametrize("name", ["", " ", "a/b", "a b", "é", "x" * 65, "a\n"])
def test_names_of_profiles_are_checked(name: str) -> None:
    for call in (
        lambda: sign_in("http://h/", APP_ID, PERMISSIONS, profile=name, ui=never),
        lambda: sign_out("http://h/", profile=name),
    ):
        with pytest.raises(ValueError, match="profile"):
            call()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"service_info_url": "no url"}, ValueError),
        ({"service_info_url": None}, TypeError),
        ({"app_id": ""}, ValueError),
        ({"app_id": 5}, TypeError),
        ({"permissions": []}, ValueError),
        ({"permissions": [*PERMISSIONS, {"streamid": "x", "level": "read"}]}, ValueError),
        ({"permissions": [{"streamId": "x"}]}, ValueError),
        ({"permissions": "diary:read"}, TypeError),
        ({"permissions": PERMISSIONS[0]}, TypeError),
        ({"permissions": ["diary"]}, TypeError),
        ({"permissions": None}, TypeError),
        ({"profile": 5}, TypeError),
        ({"timeout": 0}, ValueError),
        ({"ui": "terminal"}, TypeError),
    ],
)
def test_bad_arguments(wire: Wire, arguments: dict[str, Any], error: type[Exception]) -> None:
    good = {"service_info_url": wire.url, "app_id": APP_ID, "permissions": PERMISSIONS, "store": MemoryStore()}
    with pytest.raises(error):
        sign_in(**{**good, "ui": never, **arguments})
    assert wire.requests == []


def test_a_refusal_and_a_timeout_keep_the_stored_credentials(login: Login, platform_url: str, store: FileStore) -> None:
    with login():
        before = files(store)
    for at_signin, timeout, error in (
        (login.person.refuse, 20.0, AccessRefusedError),
        (lambda key: None, 0.2, AccessTimeoutError),
    ):
        with pytest.raises(error):
            sign_in(platform_url, APP_ID, BROADER, store=store, ui=Interface(at_signin), timeout=timeout)
    assert files(store) == before


# ---- the store


class Failing(MemoryStore):
    """A store that can be read, and fails after `saved` writes."""

    def __init__(self, saves: int) -> None:
        super().__init__()
        self.saves = saves

    def save(self, name: str, data: AuthorizationData) -> None:
        if not self.saves:
            raise OSError("the disk is full")
        self.saves -= 1
        super().save(name, data)


class Own:
    """A custom store: it has the methods of the protocol, and no others."""

    def __init__(self, store: CredentialStore) -> None:
        self.store = store

    def get(self, name: str) -> AuthorizationData | None:
        return self.store.get(name)

    def save(self, name: str, data: AuthorizationData) -> None:
        self.store.save(name, data)

    def delete(self, name: str) -> None:
        self.store.delete(name)


def test_a_store_that_cannot_be_written_is_an_error_before_the_user_is_asked(platform_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    stores: list[CredentialStore] = [FileStore(tmp_path / "file" / "x"), Own(Failing(0)), Own(FileStore("/proc/x"))]
    for store in stores:
        with pytest.raises(OSError):  # noqa: PT011  (the system's own)
            sign_in(platform_url, APP_ID, PERMISSIONS, store=store, ui=never)


def test_a_custom_store(login: Login) -> None:
    memory = MemoryStore()
    login.store = Own(memory)
    with login() as first, login() as second:
        assert (first.token, login.asked) == (second.token, 1)
    sign_out(login.url, store=login.store)
    assert vars(memory) == {"_kept": {}}


def test_no_connection_is_returned_before_its_credentials_are_stored(login: Login) -> None:
    login.store = Own(Failing(1))  # the check passes
    with pytest.raises(OSError, match="full"):
        login()


@pytest.mark.parametrize(
    "damaged",
    [
        {"others": 5},
        {"others": "x"},
        {"others": ["x"]},
        {"others": [{}]},
        {"others": [{"apiEndpoint": "x"}]},
        {"others": [{"apiEndpoint": 5}]},
        {"others": {"a": 1}},
        {"oauth": 5},
        {"oauth": {}},
        {"oauth": {"authorizationServer": "x", "clientId": 5, "scope": "x"}},
    ],
    ids=str,
)
def test_a_damaged_profile_is_refused(store: FileStore, damaged: Any) -> None:
    store.save("default", cast("AuthorizationData", {"apiEndpoint": "https://token@host/", **damaged}))
    for call in (
        lambda: sign_in("http://127.0.0.1:9/", APP_ID, PERMISSIONS, store=store, ui=never),
        lambda: sign_out("http://127.0.0.1:9/", store=store),
    ):
        with pytest.raises(PryvError, match=r"profile default in .* is damaged") as failed:
            call()
        assert "token@" not in str(failed.value)


def test_credentials_from_before_profiles_belong_to_the_default_one(login: Login, store: FileStore) -> None:
    token = ""

    def keep(key: str) -> None:
        nonlocal token
        token = login.person.accept(key)

    with sign_in(login.url, APP_ID, PERMISSIONS, store=MemoryStore(), ui=Interface(keep)) as connection:
        old = AuthorizationData(apiEndpoint=connection.api_endpoint, username="x")
    store.save("command-line", old)
    with login() as again:
        assert (again.token, login.asked) == (token, 0)
    with login(profile="work") as other:
        assert (other.token != token, login.asked) == (True, 1)
    sign_out(login.url, store=store)
    assert set(files(store)) == {"work.json"}
    with pytest.raises(InvalidAccessTokenError):
        connection.access_info(force_refresh=True)


def test_credentials_that_name_no_platform_are_not_sent_to_another(wire: Wire, store: FileStore) -> None:
    store.save("default", AuthorizationData(apiEndpoint="https://canary@alice.pryv.me/"))
    wire.always = service_info_reply(wire)
    wire.replies.extend([service_info_reply(wire), error_reply(400, "x")])
    with pytest.raises(InvalidParametersError):  # that of the access request
        sign_in(wire.url, APP_ID, PERMISSIONS, store=store, ui=Interface())
    assert [request.method for request in wire.requests] == ["GET", "POST"]
    assert "canary" not in str(wire.requests)
    sign_out(wire.url, store=store)
    assert set(files(store)) == {"default.json"}


def test_a_profile_has_the_credentials_of_an_app_once() -> None:
    one, two, three = (AuthorizationData(apiEndpoint=f"https://token@host/{name}/") for name in "abc")
    kept = Profile(MemoryStore())
    for new in (one, two, one, two):  # as two processes that are given the same access
        kept.keep(new)
    assert kept.credentials() == [one, two]
    kept.keep(three, replaced=[one])
    assert kept.credentials() == [three, two]
    kept.use(two)
    assert kept.credentials() == [two, three]
    kept.keep(one, replaced=[two, three])
    assert kept.credentials() == [one]
    kept.forget(two)
    kept.forget(one)
    assert kept.credentials() == []


# ---- a platform that is not as usual


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (error_reply(503, "api-unavailable"), ServerError),
        (error_reply(500, "unexpected-error"), ServerError),
        (reply("<html>sign in to the network</html>"), PryvProtocolError),
        (reply("<html>forbidden</html>", 403), PryvProtocolError),
        (reply("<html>not found</html>", 404), PryvProtocolError),
        (reply("<html>who are you</html>", 401), PryvProtocolError),
        (Reply(b"", "close"), PryvConnectionError),
    ],
)
def test_a_server_error_does_not_start_a_new_sign_in(
    wire: Wire, store: FileStore, answer: Reply, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    data = AuthorizationData(apiEndpoint=wire.api_endpoint, serviceInfoUrl=wire.url, appId=APP_ID)
    store.save("default", data)
    wire.always = answer
    for call in (
        lambda: sign_in(wire.url, APP_ID, PERMISSIONS, store=store, ui=never),
        lambda: sign_out(wire.url, store=store),
    ):
        with pytest.raises(error) as failed:
            call()
        shown = traceback.TracebackException.from_exception(failed.value, capture_locals=True)
        frames = [repr(frame.locals) for frame in shown.stack if frame.filename != __file__]
        assert wire.token not in "\n".join([*shown.format_exception_only(), *frames])
    assert store.get("default") == data


def test_an_unreachable_platform_does_not_start_a_new_sign_in(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    url = "http://127.0.0.1:9/"
    data = AuthorizationData(apiEndpoint=f"{url.replace('//', '//canary@')}user/", serviceInfoUrl=url, appId=APP_ID)
    store.save("default", data)
    with pytest.raises(PryvConnectionError):
        sign_in(url, APP_ID, PERMISSIONS, store=store, ui=never)
    with pytest.raises(PryvConnectionError):
        sign_out(url, store=store)
    assert store.get("default") == data


# ---- permissions


def of(*items: str) -> Permissions:
    return [dict(zip(("streamId", "level"), item.split(":"), strict=True)) for item in items]


NO_SELF_REVOKE: dict[str, Any] = {"feature": "selfRevoke", "setting": "forbidden"}
TREE = [{"id": "a", "children": [{"id": "b", "children": [{"id": "c", "children": []}]}]}, {"id": "d"}]


@pytest.mark.parametrize(
    ("granted", "asked", "expected"),
    [
        (of("a:read"), of("a:read"), True),
        (of("a:read"), of("a:contribute"), False),
        (of("a:contribute"), of("a:read"), True),
        (of("a:contribute"), of("a:create-only"), True),
        (of("a:create-only"), of("a:read"), False),
        (of("a:read"), of("a:create-only"), False),
        (of("a:manage"), of("a:read", "a:contribute", "a:manage", "a:create-only"), True),
        (of("a:read"), of("a:read", "d:read"), False),
        (of("a:read", "d:manage"), of("d:contribute", "a:read"), True),
        (of("a:read"), of("b:read"), True),
        (of("a:read"), of("c:read"), True),
        (of("a:read"), of("c:manage"), False),
        (of("b:manage"), of("a:read"), False),
        (of("a:manage", "b:none"), of("c:read"), False),
        (of("a:manage", "b:none"), of("a:read"), True),
        (of("a:manage", "b:read"), of("c:manage"), False),
        (of("*:read"), of("a:read", "c:read", "unknown:read"), True),
        (of("*:read"), of("*:read"), True),
        (of("*:read"), of("*:manage"), False),
        (of("*:read", "b:none"), of("c:read"), False),
        (of("*:manage"), [{"streamId": ":_audit:accesses", "level": "read"}], False),
        (of("a:read"), of("*:read"), False),
        (of("a:read"), of("a:none"), True),
        (of("a:read"), of("unknown:none"), True),
        (of("a:new-level"), of("a:new-level"), True),
        (of("a:new-level"), of("a:read"), False),
        ([], of("a:read"), False),
        ([*of("a:read"), NO_SELF_REVOKE], [*of("a:read"), NO_SELF_REVOKE], True),
        (of("a:read"), [*of("a:read"), NO_SELF_REVOKE], False),
        (of("a:read"), [{"streamId": "a", "level": "read", "defaultName": "A"}], True),
        ([None, "a", {"level": "read"}, {"streamId": "a"}, {"streamId": 5, "level": "read"}], of("a:read"), False),
        (None, of("a:read"), False),
    ],
)
def test_permissions_that_cover_others(
    wire: Wire, connection: Connection, granted: Any, asked: Sequence[dict[str, Any]], expected: bool
) -> None:
    wire.replies.append(reply({"type": "app", "permissions": granted}))
    wire.always = reply({"results": [{"streams": TREE}]})
    assert covers(connection, asked) is expected


def test_a_personal_access_covers_all(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"type": "personal"})
    assert covers(connection, of("a:manage"))
    assert len(wire.requests) == 1


def test_streams_are_read_only_if_they_are_needed(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"type": "app", "permissions": of("a:read")})
    assert covers(connection, of("a:read"))
    assert len(wire.requests) == 1


# ---- signing out


def test_signing_out_revokes_and_forgets(login: Login, store: FileStore) -> None:
    with login() as connection, login(BROADER, "pryv-other-tests") as other, login(profile="work") as work:
        assert sign_out(login.url, store=store) is None  # type: ignore[func-returns-value]
        for ended in (connection, other):
            with pytest.raises(InvalidAccessTokenError):
                ended.access_info(force_refresh=True)
        assert work.access_info(force_refresh=True)
    assert set(files(store)) == {"work.json"}
    sign_out(login.url, store=store)  # and again: nothing to do


def test_signing_out_of_an_access_that_was_revoked_forgets_it(login: Login, store: FileStore) -> None:
    with login() as connection:
        connection.revoke()
    sign_out(login.url, store=store)
    assert files(store) == {}


def test_signing_out_leaves_other_platforms(login: Login, store: FileStore) -> None:
    with login() as connection:
        sign_out("http://127.0.0.1:9/", store=store)
        assert connection.access_info(force_refresh=True)
        elsewhere = AuthorizationData(apiEndpoint="https://canary@elsewhere/", serviceInfoUrl="https://elsewhere/")
        before = store.get("default")
        assert before
        store.save("default", {**elsewhere, "others": [before]})
        sign_out(login.url, store=store)
    assert store.get("default") == elsewhere


def test_an_access_that_may_not_revoke_itself_is_forgotten(login: Login, store: FileStore) -> None:
    with login([*PERMISSIONS, NO_SELF_REVOKE]) as connection:
        with pytest.raises(ForbiddenError):
            sign_out(login.url, store=store)
        assert connection.access_info(force_refresh=True)
    assert files(store) == {}


def test_signing_out_keeps_what_was_stored_meanwhile(login: Login) -> None:
    """Another process may have signed in again while this one revoked the access."""
    memory = MemoryStore()
    login.store = memory
    with login():
        new = AuthorizationData(apiEndpoint="https://new@host/", serviceInfoUrl=login.url, appId=APP_ID)

        class Meanwhile(Own):
            reads = 0

            def get(self, name: str) -> AuthorizationData | None:
                self.reads += 1
                if self.reads == 2:
                    memory.save(name, new)
                return super().get(name)

        sign_out(login.url, store=Meanwhile(memory))
    assert memory.get("default") == new


# ---- two processes


KEEPING = """
import sys
from pryv.auth import FileStore
from pryv.auth._profiles import Profile

kept = Profile(FileStore(sys.argv[1]))
print(flush=True)
sys.stdin.readline()
for number in range(20):
    data = {"apiEndpoint": f"https://token@host{sys.argv[2]}/{number}/"}
    kept.keep(data)
    if number % 2:
        kept.forget(data)
"""


def test_processes_that_share_a_profile_lose_nothing_of_each_other(store: FileStore) -> None:
    commands = [[sys.executable, "-c", KEEPING, str(store), str(number)] for number in range(3)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for command in commands
    ]
    for process in processes:
        assert process.stdout
        process.stdout.readline()
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    expected = {f"https://token@host{number}/{item}/" for number in range(3) for item in range(0, 20, 2)}
    assert {data["apiEndpoint"] for data in Profile(store).credentials()} == expected
    assert set(files(store)) == {"default.json"}


PROGRAM = """
import sys
from pryv.auth import AuthStates, FileStore, sign_in

class Shown:
    def on_state_change(self, state):
        if state.status == AuthStates.NEED_SIGNIN:
            print(state["key"], flush=True)

url, directory, app_id = sys.argv[1:]
permissions = [{"streamId": "diary", "level": "read"}]
with sign_in(url, app_id, permissions, store=FileStore(directory), ui=Shown(), timeout=60) as connection:
    print(connection.username(), connection.token, flush=True)
"""


@contextlib.contextmanager
def output_of(command: list[str]) -> Iterator[IO[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout


@pytest.mark.parametrize("stored", ["nothing", "a revoked access"])
def test_two_processes_that_sign_in_at_once(login: Login, store: FileStore, stored: str) -> None:
    if stored != "nothing":
        with login() as revoked:
            revoked.revoke()
    command = [sys.executable, "-c", PROGRAM, login.url, str(store), APP_ID]
    with contextlib.ExitStack() as running:
        outputs = [running.enter_context(output_of(command)) for _ in range(2)]
        keys = [output.readline().strip() for output in outputs]
        answering = [threading.Thread(target=login.person.accept, args=[key]) for key in keys]
        for thread in answering:
            thread.start()
        said = [output.readline().split() for output in outputs]
        for thread in answering:
            thread.join()
    assert [name for name, _ in said] == [login.person.username] * 2
    login.asked = 0
    with login() as connection:
        assert connection.token in [token for _, token in said]
    assert login.asked == 0
    assert set(files(store)) == {"default.json"}
