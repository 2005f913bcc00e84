"""Which account and scope an anchor belongs to, however the account is reached."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.accounts import Account
from tests.monitor.subject import Subject, Traffic

from pryv import Connection, PryvConnectionError, PryvError, ServerError, UnknownResourceError
from pryv_monitor import Anchor, AnchorMismatchError, FileAnchorStore, Monitor, SQLiteMirror, _pass
from pryv_sandbox import Sandbox

SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}

Keep = Callable[[], dict[str, Any]]


@pytest.fixture(params=["anchor", "mirror"])
def keep(request: pytest.FixtureRequest, tmp_path: Path) -> Keep:
    """Opens the same file again, as what a monitor takes."""
    if request.param == "mirror":
        return lambda: {"mirror": SQLiteMirror(tmp_path / "kept")}
    return lambda: {"anchor_store": FileAnchorStore(tmp_path / "kept")}


def anchor_of(keep: Keep) -> Anchor:
    (store,) = keep().values()
    anchor = store.load()
    assert isinstance(anchor, Anchor)
    return anchor


def with_access(subject: Subject, stream: str = "*", level: str = "read", **members: str) -> str:
    """The endpoint of another access to the account."""
    permissions = [{"streamId": stream, "level": level}]
    access = {"name": f"Access to {stream}", "permissions": permissions, **members}
    token = subject.connection.api_one("accesses.create", access, "access")["token"]
    return subject.connection.api_endpoint.replace(str(subject.connection.token), token)


def requests_of(monitor: Callable[[Connection], Monitor], endpoint: str) -> list[str]:
    """The last parts of the paths that one pass asks for."""
    with requests.Session() as session, Connection(endpoint, session=session) as connection:
        traffic = Traffic(session)
        monitor(connection).sync()
        return [re.sub(r"\?.*", "", str(answer.url)).rpartition("/")[2] for answer in traffic.answers]


def test_the_identity_is_asked_for_once(subject: Subject, keep: Keep) -> None:
    endpoint = subject.connection.api_endpoint

    def monitor(connection: Connection) -> Monitor:
        return Monitor(connection, SCOPE, **keep())

    assert sorted(requests_of(monitor, endpoint)) == ["access-info", "events", "events", "info", "streams"]
    assert requests_of(monitor, endpoint) == [""], "one batch"


def test_an_anchor_holds_neither_token_nor_name(subject: Subject, tmp_path: Path) -> None:
    store = FileAnchorStore(tmp_path / "anchor")
    Monitor(subject.connection, SCOPE, anchor_store=store).sync()
    text = store.path.read_text()
    assert str(subject.connection.token) not in text
    assert subject.connection.username() not in text
    assert anchor_of(lambda: {"anchor_store": store}).identity is not None


def test_an_account_is_the_same_under_another_name(subject: Subject, keep: Keep) -> None:
    subject.add(2)
    old = subject.connection.username()
    assert Monitor(subject.connection, SCOPE, **keep()).sync().events == 2
    subject.connection.post("account/change-username", {"newUsername": f"{old}-new"})
    endpoint = subject.connection.api_endpoint.replace(f"/{old}/", f"/{old}-new/")
    subject.add(1)
    with Connection(endpoint) as connection:
        assert connection.username() == f"{old}-new"
        assert Monitor(connection, SCOPE, **keep()).sync().events == 1
    assert len(requests_of(lambda connection: Monitor(connection, SCOPE, **keep()), endpoint)) == 1


def test_an_account_is_the_same_on_another_host(sandbox: Sandbox, subject: Subject, keep: Keep) -> None:
    assert Monitor(subject.connection, SCOPE, **keep()).sync().streams_changed
    endpoint = subject.connection.api_endpoint.replace("@127.0.0.1:", "@localhost:")
    subject.add(1)
    with Connection(endpoint) as connection:
        assert connection.endpoint != subject.connection.endpoint
        report = Monitor(connection, SCOPE, **keep()).sync()
        assert (report.events, report.streams_changed) == (1, False)


@pytest.mark.parametrize("serial", ["", ":7"])
def test_an_access_that_is_updated_is_the_same(serial: str, sandbox: Sandbox, subject: Subject, keep: Keep) -> None:
    """The platform's other methods add the serial number of an access to its id."""
    endpoint = with_access(subject, "pulse")
    with Connection(endpoint) as connection:
        Monitor(connection, **keep()).sync()
        info: Any = connection.access_info()
    subject.connection.update_access(info["id"], {"name": "Another name"})
    sandbox.faults.status(200, path="/access-info", body={**info, "id": info["id"] + serial})
    with Connection(endpoint.replace("@127.0.0.1:", "@localhost:")) as connection:
        assert not Monitor(connection, **keep()).sync().streams_changed


def test_another_scope_is_refused_by_name_without_a_request(sandbox: Sandbox, subject: Subject, keep: Keep) -> None:
    Monitor(subject.connection, SCOPE, **keep()).sync()
    monitor = Monitor(subject.connection, {"streams": ["pulse"]}, **keep())
    with sandbox.faults.refuse():
        for use in (monitor.sync, monitor.adopt):
            with pytest.raises(AnchorMismatchError, match="another scope"):
                use()
    assert Monitor(subject.connection, SCOPE, **keep()).sync().events == 0


@pytest.mark.parametrize("more", [{}, {"modifiedSince": 0}])
def test_a_scope_that_the_platform_refused_can_be_corrected(more: dict[str, Any], subject: Subject, keep: Keep) -> None:
    subject.add(2)
    with pytest.raises(UnknownResourceError):
        Monitor(subject.connection, {"streams": ["pusle"], **more}, **keep()).sync()
    assert anchor_of(keep) is not None
    assert Monitor(subject.connection, {"streams": ["pulse"], **more}, **keep()).sync().events == 2
    assert Monitor(subject.connection, {"streams": ["pulse"], **more}, **keep()).sync().events == 0


def test_a_scope_of_which_a_part_was_read_stays(subject: Subject, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pass, "WINDOW", 1)
    subject.add(300)
    monitor = Monitor(subject.connection, SCOPE, **keep())
    commits: list[Anchor] = []
    monitor.on("commit", lambda anchor: commits.append(anchor) if len(commits) < 2 else sys.exit())
    with pytest.raises(SystemExit):
        monitor.sync()
    with pytest.raises(AnchorMismatchError, match="another scope"):
        Monitor(subject.connection, {"streams": ["pulse"]}, **keep()).sync()


def test_another_account_is_refused_by_name(subject: Subject, new_account: Callable[[], Account], keep: Keep) -> None:
    Monitor(subject.connection, SCOPE, **keep()).sync()
    before = anchor_of(keep)
    monitor = Monitor(Subject(new_account()[2]).connection, SCOPE, **keep())
    for use in (monitor.sync, monitor.adopt):
        with pytest.raises(AnchorMismatchError, match="belongs to another account"):
            use()
    assert anchor_of(keep) == before


def test_another_access_is_refused_by_name_and_can_be_adopted(subject: Subject, keep: Keep) -> None:
    inside, outside = subject.add(1, streamIds=["pulse"]) + subject.add(1, streamIds=["notes"])
    Monitor(subject.connection, **keep()).sync()
    deletions: list[Any] = []
    with Connection(with_access(subject, "pulse")) as connection:
        monitor = Monitor(connection, **keep()).on("eventDelete", lambda deletion: deletions.append(deletion["id"]))
        with pytest.raises(AnchorMismatchError, match="another access to this account"):
            monitor.sync()
        assert monitor.adopt() is monitor
        report = monitor.sync()
        assert report.anchor.generation > 1, "the new access may see other things"
        again = Monitor(connection, **keep())
        assert again.adopt().sync().anchor.generation == report.anchor.generation, "there was nothing to adopt"
    kept = keep().get("mirror")
    if kept is not None:
        assert [event["id"] for event in kept.events()] == [inside["id"]]
        assert outside["id"] in deletions
    with pytest.raises(AnchorMismatchError, match="another access to this account"):
        Monitor(subject.connection, **keep()).sync()


def test_adopting_keeps_the_deletions_since_the_last_pass(sandbox: Sandbox, subject: Subject, keep: Keep) -> None:
    (gone,) = subject.add(1)
    Monitor(subject.connection, SCOPE, **keep()).sync()
    sandbox.faults.skew = 60
    subject.delete(gone)
    sandbox.faults.skew = 120
    seen: list[str] = []
    with Connection(with_access(subject)) as connection:
        monitor = Monitor(connection, SCOPE, **keep())
        monitor.on("eventDelete", lambda deletion: seen.append(deletion["id"])).adopt().sync()
    assert seen == [gone["id"]]


def test_a_renamed_account_with_another_access_is_adopted_by_force(subject: Subject, keep: Keep) -> None:
    old = subject.connection.username()
    Monitor(subject.connection, SCOPE, **keep()).sync()
    subject.connection.post("account/change-username", {"newUsername": f"{old}-new"})
    with Connection(with_access(subject).replace(f"/{old}/", f"/{old}-new/")) as connection:
        monitor = Monitor(connection, SCOPE, **keep())
        with pytest.raises(AnchorMismatchError, match="another account"):
            monitor.adopt()
        monitor.adopt(force=True).sync()
        assert Monitor(connection, SCOPE, **keep()).sync().events == 0


def test_adopting_without_another_access_changes_nothing(subject: Subject, keep: Keep) -> None:
    monitor = Monitor(subject.connection, SCOPE, **keep())
    assert monitor.adopt().sync().streams_changed
    with monitor, pytest.raises(RuntimeError, match="started"):
        monitor.adopt()


@pytest.mark.parametrize("path", ["access-info", "service/info"])
def test_a_platform_that_does_not_say_whose_account_it_is(
    path: str, sandbox: Sandbox, subject: Subject, keep: Keep
) -> None:
    def connection(host: str = "127.0.0.1") -> Connection:
        return Connection(subject.connection.api_endpoint.replace("@127.0.0.1:", f"@{host}:"), retry=None)

    subject.add(1)
    sandbox.faults.status(404, times=2, path=f"/{path}", body=b"<html>no such page</html>")
    for events in (1, 0):
        assert Monitor(connection(), SCOPE, **keep()).sync().events == events
    assert anchor_of(keep).identity is None
    with pytest.raises(AnchorMismatchError, match="does not say to which account it belongs"):
        Monitor(connection("localhost"), SCOPE, **keep()).sync()
    Monitor(connection(), SCOPE, **keep()).sync()  # the platform says it now
    assert not Monitor(connection("localhost"), SCOPE, **keep()).sync().streams_changed


@pytest.mark.parametrize("adopts", [True, False])
def test_an_anchor_under_which_nothing_was_read_is_replaced(
    adopts: bool, sandbox: Sandbox, subject: Subject, keep: Keep
) -> None:
    """The platform fails in the first pass, and the token is replaced before the second one."""
    subject.add(1)
    sandbox.faults.status(503, path="/access-info")
    sandbox.faults.status(503, path="/events")
    with Connection(with_access(subject), retry=None) as connection, pytest.raises(ServerError):
        Monitor(connection, SCOPE, **keep()).sync()
    assert anchor_of(keep).identity is None
    with Connection(with_access(subject, name="another")) as connection:
        monitor = Monitor(connection, SCOPE, **keep())
        assert (monitor.adopt() if adopts else monitor).sync().events == 1
    assert anchor_of(keep).identity is not None


def test_a_platform_that_cannot_be_asked_changes_nothing(sandbox: Sandbox, subject: Subject, keep: Keep) -> None:
    Monitor(subject.connection, SCOPE, **keep()).sync()
    before = anchor_of(keep)
    endpoint = subject.connection.api_endpoint.replace("@127.0.0.1:", "@localhost:")
    with Connection(endpoint, retry=None) as connection:
        monitor = Monitor(connection, SCOPE, **keep())
        sandbox.faults.cut(after_bytes=5, path="/access-info")
        with pytest.raises(PryvError):
            monitor.sync()
        sandbox.faults.cut(after_bytes=None, path="/service/info")
        with pytest.raises(PryvConnectionError):
            monitor.sync()
        assert anchor_of(keep) == before
        assert monitor.sync().events == 0


def test_identities_can_be_written_and_read(subject: Subject) -> None:
    anchor = Monitor(subject.connection, SCOPE).sync().anchor
    assert Anchor.loads(anchor.dumps()) == anchor
    assert json.loads(json.loads(anchor.dumps())["anchor"])["identity"]["access"]


def test_a_refreshed_oauth_session_is_the_same_access(subject: Subject, keep: Keep) -> None:
    def session(client: str, device: str) -> Connection:
        return Connection(with_access(subject, name=f"oauth:{client}", type="app", deviceName=device))

    subject.add(2)
    with session("study", "1") as first, session("study", "2") as second, session("other", "3") as other:
        assert first.access_info()["id"] != second.access_info()["id"]
        assert Monitor(first, SCOPE, **keep()).sync().events == 2
        subject.add(1)
        assert Monitor(second, SCOPE, **keep()).sync().events == 1
        with pytest.raises(AnchorMismatchError, match="another access"):
            Monitor(other, SCOPE, **keep()).sync()


def test_sessions_of_one_client_at_two_users_differ(
    subject: Subject, new_account: Callable[[], Account], keep: Keep
) -> None:
    with Connection(with_access(subject, name="oauth:study", type="app")) as first:
        Monitor(first, SCOPE, **keep()).sync()
    _, _, owner = new_account()
    access: Any = {"name": "oauth:study", "type": "app", "permissions": [{"streamId": "*", "level": "read"}]}
    token = owner.accesses.create(access)["token"]
    other = Connection(owner.api_endpoint.replace(str(owner.token), token))
    with other, pytest.raises(AnchorMismatchError, match="another account"):
        Monitor(other, SCOPE, **keep()).sync()
