"""OAuth sessions that programs keep: through crashes, full disks and wrong clocks, with one refresh at a time."""

from __future__ import annotations

import errno
import json
import os
import pickle
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.forks import in_child
from tests.open_files import needs_list, open_files
from tests.pryv.authorization_server import AuthorizationServer
from tests.pryv.keyrings import FileKeyring
from tests.pryv.wire import FAST
from tests.waiting import wait_for

from pryv import (
    OAuthError,
    OAuthLoginRequiredError,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
)
from pryv.oauth import (
    DPoPKey,
    FileTokenStore,
    KeyringTokenStore,
    MemoryTokenStore,
    OAuthClient,
    OAuthTokens,
    TokenStore,
)

PROGRAM = Path(__file__).parent / "programs" / "oauth_session.py"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.tokens"


@pytest.fixture
def store(path: Path) -> FileTokenStore:
    return FileTokenStore(path)


def client_of(server: AuthorizationServer, store: TokenStore, **options: Any) -> OAuthClient:
    options = {"scope": "cmc:study-A", "timeout": 2, "retry": FAST, **options}
    return OAuthClient(server.url, server.client_id, store=store, **options)


def log_in(server: AuthorizationServer, store: TokenStore, **options: Any) -> OAuthTokens:
    client = client_of(server, store, **options)
    request = client.authorization_request()
    client.handle_callback(server.consent(request.url), request).close()
    tokens = store.load()
    assert tokens is not None
    return tokens


def run(server: AuthorizationServer, path: Path, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), server.url, str(path), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def output(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=60)[0]


def refresh_requests(server: AuthorizationServer) -> int:
    return sum(form["grant_type"] == "refresh_token" for form in server.forms)


# ---- one refresh for all


def test_threads_and_processes_share_one_refresh(
    server: AuthorizationServer, store: FileTokenStore, path: Path
) -> None:
    log_in(server, store)
    server.skew = 4000
    client = client_of(server, store)
    processes = [run(server, path, "connect") for _ in range(5)]

    def connect(number: int) -> str:
        chosen = client if number % 2 else client_of(server, FileTokenStore(path))
        with chosen.connection() as connection:
            connection.access_info()
            return str(connection.token)

    with ThreadPoolExecutor(20) as pool:
        tokens = set(pool.map(connect, range(20)))
    assert [output(process) for process in processes] == ["done\n"] * 5
    assert len(tokens) == 1
    assert refresh_requests(server) == 1


def test_two_processes_rotate_a_hundred_times(server: AuthorizationServer, store: FileTokenStore, path: Path) -> None:
    log_in(server, store)
    processes = [run(server, path, "refresh", 50) for _ in range(2)]
    assert [output(process) for process in processes] == ["done\n"] * 2
    assert refresh_requests(server) == 100
    assert not server.consent_has_ended


def test_a_request_waits_while_another_thread_refreshes(server: AuthorizationServer) -> None:
    store = MemoryTokenStore()
    log_in(server, store)
    with client_of(server, store).connection() as connection:
        server.sessions.clear()
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda _: connection.access_info(force_refresh=True), range(10)))
    assert refresh_requests(server) == 1


def test_a_lock_is_awaited_for_a_limited_time(store: FileTokenStore, path: Path) -> None:
    with store.lock(1), pytest.raises(OAuthError, match="locked") as caught, FileTokenStore(path).lock(0.05):
        pass
    assert caught.value.retryable
    memory = MemoryTokenStore()
    with memory.lock(1), pytest.raises(OAuthError, match="locked"), memory.lock(0.05):
        pass


@needs_list
def test_the_file_of_a_lock_is_closed(store: FileTokenStore, path: Path) -> None:
    file = f"{path}.lock"
    with store.lock(1):
        with pytest.raises(OAuthError), store.lock(0):
            pass
        assert file in open_files()
    assert file not in open_files()


def test_a_forked_process_keeps_no_lock(store: FileTokenStore) -> None:
    ended, end = os.pipe()
    with store.lock(1):
        child = os.fork()
        if not child:
            os.read(ended, 1)
            os._exit(0)
    try:
        with store.lock(1):
            pass
    finally:
        os.write(end, b".")
        os.waitpid(child, 0)


def test_a_forked_process_that_leaves_unlocks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    lock = FileTokenStore(path).lock(1)
    with lock:
        child = os.fork()
        if not child:
            try:
                lock.__exit__(None, None, None)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        with pytest.raises(OAuthError, match="locked"), FileTokenStore(path).lock(0):
            pass


def test_a_forked_process_leaves_the_refresh_token_to_its_parent(server: AuthorizationServer) -> None:
    store = MemoryTokenStore()
    log_in(server, store)
    client = client_of(server, store)

    def refusal() -> str:
        client.connection().access_info()
        with pytest.raises(OAuthLoginRequiredError) as caught:
            client.refresh()
        return caught.value.error

    assert in_child(refusal) == "login-required"
    assert (refresh_requests(server), server.seen["account"]) == (0, 1)
    client.refresh().close()


def test_a_daemon_refreshes_the_session_that_its_parent_began(server: AuthorizationServer) -> None:
    store = MemoryTokenStore()
    tokens = log_in(server, store)

    def begin() -> None:
        store.save(tokens)
        parent = os.getpid()
        if not os.fork():
            wait_for(lambda: os.getppid() != parent)
            client_of(server, store).refresh().close()
            os._exit(0)

    in_child(begin)
    wait_for(lambda: refresh_requests(server) == 1)


# ---- renewal


def test_a_connection_renews_itself_over_several_lifetimes(server: AuthorizationServer, store: FileTokenStore) -> None:
    server.lifetime = 0.3
    log_in(server, store)
    refused = 0
    tokens = set()
    with client_of(server, store).connection() as connection:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            connection.access_info(force_refresh=True)
            tokens.add(connection.token)
            assert connection.api_endpoint.startswith(f"http://{connection.token}@")
        refused = server.seen["account"] - server.seen["GET done"]
    assert len(tokens) >= 4
    assert refresh_requests(server) <= 10  # at half of each lifetime, and not at each request
    assert refused == 0


@pytest.mark.parametrize("message", ["deleted", "expired"])
def test_a_refused_request_was_not_carried_out_and_is_repeated_once(
    server: AuthorizationServer, store: FileTokenStore, message: str
) -> None:
    log_in(server, store)
    with client_of(server, store).connection() as connection:
        if message == "deleted":
            server.sessions.clear()
        else:
            server.skew = 4000  # the connection does not know yet
        connection.events.create({"streamIds": ["diary"], "type": "note/txt", "content": "x"})
    assert (server.seen["POST done"], server.seen["account"], refresh_requests(server)) == (1, 2, 1)


def test_a_session_that_has_ended_ends_the_connection(server: AuthorizationServer, store: FileTokenStore) -> None:
    log_in(server, store)
    with client_of(server, store).connection() as connection:
        server.consent_has_ended = True
        server.sessions.clear()
        with pytest.raises(OAuthLoginRequiredError, match="invalid_grant"):
            connection.access_info()
        with pytest.raises(OAuthLoginRequiredError, match="log in again"):
            connection.access_info()
    assert refresh_requests(server) == 1


def test_copies_with_other_options_and_pickles_see_the_new_token(
    server: AuthorizationServer, store: FileTokenStore
) -> None:
    log_in(server, store)
    client = client_of(server, store)
    with client.connection() as connection, connection.with_options(timeout=3) as copy:
        pickled = pickle.dumps(connection)
        client.refresh().close()
        copy.access_info()
        assert connection.token == copy.token == client.tokens.access_token  # type: ignore[union-attr]
        with pickle.loads(pickled) as again:
            again.access_info()
            assert again.token == copy.token
    assert refresh_requests(server) == 1


def test_a_pickle_needs_a_store_that_is_shared(server: AuthorizationServer, store: FileTokenStore) -> None:
    tokens = log_in(server, store)
    assert tokens.refresh_token is not None
    client = client_of(server, store)
    assert tokens.refresh_token.encode() not in pickle.dumps(client)
    with client.connection() as connection:
        assert tokens.refresh_token.encode() not in pickle.dumps(connection)
    with pytest.raises(TypeError, match="FileTokenStore"):
        pickle.dumps(client_of(server, MemoryTokenStore()))


def test_a_renamed_account_is_found_under_its_new_name(server: AuthorizationServer, store: FileTokenStore) -> None:
    log_in(server, store)
    with client_of(server, store).connection() as connection:
        server.tokens["apiEndpoint"] = f"{server.url.replace('//', '//x@')}/alice2/"
        server.sessions.clear()
        connection.access_info()
        assert connection.endpoint == f"{server.url}/alice2/"


def test_members_missing_in_a_refresh_keep_their_values(server: AuthorizationServer, store: FileTokenStore) -> None:
    """RFC 6749, section 6: a server need not issue a new refresh token."""
    before = log_in(server, store)
    server.tokens.update(refresh_token=None, scope=None, apiEndpoint=None)
    with client_of(server, store).refresh() as connection:
        connection.access_info()
    after = store.load()
    assert after is not None
    assert (after.refresh_token, after.scope) == (before.refresh_token, before.scope)


# ---- clocks


@pytest.mark.parametrize(
    ("skew", "passed", "refreshed"), [(-4000, 0, 0), (4000, 0, 0), (-4000, 3550, 1), (600, 3550, 1)]
)
def test_expiry_is_judged_by_the_time_of_the_platform(
    server: AuthorizationServer, store: FileTokenStore, skew: float, passed: float, refreshed: int
) -> None:
    """A server whose clock is ahead is a machine whose clock is behind."""
    server.skew = skew
    log_in(server, store)
    server.skew += passed
    client_of(server, store).connection().close()
    assert refresh_requests(server) == refreshed


@pytest.mark.parametrize(("leeway", "refreshed"), [(60, 0), (0, 0), (120, 1)])
def test_leeway_is_in_seconds(
    server: AuthorizationServer, store: FileTokenStore, leeway: float, refreshed: int
) -> None:
    log_in(server, store)
    server.skew = 3500
    client_of(server, store, leeway=leeway).connection().close()
    assert refresh_requests(server) == refreshed


@pytest.mark.parametrize(("expires_in", "expires"), [("3600", True), (None, False), (-1, False), ("soon", False)])
def test_lifetimes_of_all_kinds_are_read(
    server: AuthorizationServer, store: FileTokenStore, expires_in: Any, expires: bool
) -> None:
    server.tokens["expires_in"] = expires_in
    tokens = log_in(server, store)
    assert (tokens.expires_at is not None) == expires
    client_of(server, store).connection().close()
    assert refresh_requests(server) == 0


# ---- crashes


STEPS = ["refresh", "connection", "restart", "an hour", "cut-before", "cut-after", "cut-after", "disk full"]


@settings(max_examples=25)
@given(st.lists(st.sampled_from(STEPS), max_size=15))
def test_any_faults_but_a_lost_response_keep_the_session(steps: list[str]) -> None:
    with AuthorizationServer() as server, TemporaryDirectory() as directory:
        store = FullDisk(Path(directory, "study.tokens"), 1000)
        log_in(server, store)
        client = client_of(server, store, retry=None)
        for step in steps:
            if step == "restart":
                client = client_of(server, store, retry=None)
            elif step == "an hour":
                server.skew += 3601
            else:
                store.left = 1 if step == "disk full" else 1000
                server.faults.extend([step] if step.startswith("cut") else [])
                if not is_kept(client, store, step):
                    assert any(grant.outcome_lost for grant in server.grants.values())
                    server.faults.clear()
                    server.grants.clear()
                    store.left = 1000
                    log_in(server, store)
            assert server.violations == []


def is_kept(client: OAuthClient, store: FullDisk, step: str) -> bool:
    """Use a session, and save tokens that the disk had no room for, as the error says; whether it goes on."""
    try:
        with client.connection() if step == "connection" else client.refresh() as connection:
            connection.access_info()
    except OAuthLoginRequiredError:
        return False
    except OAuthError as error:
        if error.tokens is not None:
            store.left = 1000
            store.save(error.tokens)
    except PryvError:
        pass
    return True


def test_a_lost_response_ends_the_session_and_the_token_is_sent_once_more(
    server: AuthorizationServer, store: FileTokenStore, path: Path
) -> None:
    old = log_in(server, store)
    server.faults.append("hang-after")
    process = run(server, path, "refresh", 1)
    wait_for(lambda: refresh_requests(server))
    process.kill()
    output(process)
    marked = store.load()
    assert marked == attrs.evolve(old, refresh_attempts=1)
    assert output(run(server, path, "refresh", 1)).startswith("login required: invalid_grant")
    assert output(run(server, path, "refresh", 1)).startswith("login required: login-required")
    assert refresh_requests(server) == 2


def test_a_token_is_not_sent_a_third_time(server: AuthorizationServer, store: FileTokenStore) -> None:
    log_in(server, store)
    client = client_of(server, store)
    for _ in range(2):
        server.faults.append("cut-before")
        with pytest.raises(PryvConnectionError):
            client.refresh()
    with pytest.raises(OAuthLoginRequiredError, match="twice"):
        client_of(server, store).refresh()
    assert refresh_requests(server) == 2


def test_a_refresh_token_whose_request_was_not_sent_is_used_again(
    server: AuthorizationServer, store: FileTokenStore
) -> None:
    log_in(server, store)
    server.faults.append("cut-before")
    with pytest.raises(PryvConnectionError):
        client_of(server, store).refresh()
    client_of(server, store).refresh().close()
    kept = store.load()
    assert kept is not None
    assert kept.refresh_attempts == 0


@pytest.mark.parametrize(
    ("status", "error"), [(401, "invalid_client"), (400, "invalid_dpop_proof"), (429, "slow_down")]
)
def test_a_refresh_token_is_sent_twice_at_most(
    server: AuthorizationServer, store: FileTokenStore, status: int, error: str
) -> None:
    """Pryv.io uses up a refresh token before it checks the client and the key."""
    log_in(server, store)
    server.faults += [(status, {"error": error})] * 2
    for _ in range(2):
        with pytest.raises(OAuthError):
            client_of(server, store).refresh()
    with pytest.raises(OAuthLoginRequiredError, match="twice"):
        client_of(server, store).refresh()
    assert refresh_requests(server) == 2


def test_an_unreachable_server_does_not_use_up_the_refresh_token(
    server: AuthorizationServer, store: FileTokenStore, path: Path
) -> None:
    log_in(server, store)
    before = path.read_bytes()
    client = client_of(server, store)
    client.metadata()
    server.metadata["issuer"] = "https://maintenance.example"
    for _ in range(3):
        with pytest.raises(PryvProtocolError):
            client.refresh()
    del server.metadata["issuer"]
    server.metadata["token_endpoint"] = "http://127.0.0.1:9/token"  # nothing listens there
    for _ in range(3):
        with pytest.raises(PryvConnectionError) as caught:
            client.refresh()
        assert not caught.value.sent
        assert not caught.value.retryable
    assert path.read_bytes() == before


def check_after_kill(server: AuthorizationServer, store: FileTokenStore, old: OAuthTokens, where: str) -> None:
    """The store has whole tokens, and the next runs work or need a login; the server notices no wrong use."""
    kept = store.load()
    assert kept is not None, where
    is_old = kept.refresh_token == old.refresh_token
    assert is_old or kept.refresh_token in server.live_refresh_tokens, where
    used = [form.get("refresh_token") for form in server.forms].count(str(old.refresh_token))
    if is_old and used:
        server.grants[str(old.refresh_token)].outcome_lost = True
    outcomes = [refreshed(server, store) for _ in range(3)]
    assert all(outcomes) or used, where
    assert server.violations == [], where


def refreshed(server: AuthorizationServer, store: FileTokenStore) -> bool:
    try:
        client_of(server, store).refresh().close()
    except OAuthLoginRequiredError:
        return False
    return True


def killed(server: AuthorizationServer, path: Path, number: int) -> str:
    store = FileTokenStore(path)
    store.delete()
    old = log_in(server, store)
    server.forms.clear()
    where = output(run(server, path, "killed", number))
    check_after_kill(server, store, old, where)
    return where


@pytest.mark.long
def test_a_process_may_be_killed_at_any_event_of_a_refresh(server: AuthorizationServer, path: Path) -> None:
    places: list[str] = []
    while not places or places[-1].startswith("killed"):
        places.append(killed(server, path, len(places) + 1))
    assert places[-1] == "done\n"
    assert {"killed at os.rename\n", "killed at socket.connect\n", "killed at fcntl.flock\n"} < set(places)


@pytest.mark.parametrize(
    ("event", "number", "sent"),
    [
        pytest.param("os.rename", 1, 0, id="before the attempt is counted"),
        pytest.param("socket.connect", 2, 0, id="before the token is sent"),
        pytest.param("os.rename", 2, 1, id="before the new tokens are in place"),
    ],
)
def test_a_process_may_be_killed(server: AuthorizationServer, path: Path, event: str, number: int, sent: int) -> None:
    store = FileTokenStore(path)
    old = log_in(server, store)
    assert output(run(server, path, "killed", number, event)) == f"killed at {event}\n"
    assert refresh_requests(server) == sent
    check_after_kill(server, store, old, event)


# ---- a day of jobs


def test_two_jobs_share_a_session_over_many_lifetimes(
    server: AuthorizationServer, store: FileTokenStore, path: Path
) -> None:
    server.lifetime = 0.5
    log_in(server, store)
    jobs = [run(server, path, "jobs", 3) for _ in range(2)]
    assert [output(job) for job in jobs] == ["done\n"] * 2
    assert refresh_requests(server) >= 4
    assert not server.consent_has_ended


@pytest.mark.long
def test_two_jobs_that_cron_starts_share_a_session_for_a_day(
    server: AuthorizationServer, store: FileTokenStore, path: Path
) -> None:
    """Every ten minutes by the clock of the server, which is moved; the clock of this machine stays behind."""
    log_in(server, store)
    for tick in range(24 * 6):
        server.skew = tick * 600
        jobs = [run(server, path, "connect") for _ in range(2)]
        assert [output(job) for job in jobs] == ["done\n"] * 2, tick
    assert 22 <= refresh_requests(server) <= 24


# ---- disks


class FullDisk(FileTokenStore):
    """A store whose disk is full from a number of saves on."""

    def __init__(self, path: Path, left: int) -> None:
        super().__init__(path)
        self.left = left

    def save(self, tokens: OAuthTokens) -> None:
        if self.left < 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        self.left -= 1
        super().save(tokens)


def test_tokens_that_cannot_be_saved_are_in_the_error(server: AuthorizationServer, path: Path) -> None:
    old = log_in(server, FileTokenStore(path))
    store = FullDisk(path, 1)
    client = client_of(server, store)
    with pytest.raises(OAuthError, match=r"No space left on device\): this error's `tokens` are the only") as caught:
        client.refresh()
    error = caught.value
    assert error.error == "not-saved"
    assert error.tokens.refresh_token in server.live_refresh_tokens
    assert FileTokenStore(path).load() == attrs.evolve(old, refresh_attempts=1)
    assert pickle.loads(pickle.dumps(error)).tokens is None
    assert error.tokens.refresh_token.encode() not in pickle.dumps(error)
    assert error.tokens.access_token not in f"{error!r} {error}"
    with client.connection() as connection:  # this process still has them
        connection.access_info()
    store.left = 100
    client.refresh().close()
    assert FileTokenStore(path).load() == client.tokens


def test_a_disk_that_is_full_is_noticed_before_the_token_is_used_up(server: AuthorizationServer, path: Path) -> None:
    old = log_in(server, FileTokenStore(path))
    before = path.read_bytes()
    with pytest.raises(OAuthError, match=r"No space left.*nothing was sent") as caught:
        client_of(server, FullDisk(path, 0)).refresh()
    assert caught.value.tokens == old
    assert path.read_bytes() == before
    assert refresh_requests(server) == 0
    client_of(server, FileTokenStore(path)).refresh().close()


def test_a_code_whose_tokens_cannot_be_saved(server: AuthorizationServer, path: Path) -> None:
    with pytest.raises(OAuthError, match="No space left") as caught:
        log_in(server, FullDisk(path, 0))
    assert caught.value.tokens.refresh_token in server.live_refresh_tokens


def test_a_login_whose_tokens_cannot_be_saved_keeps_the_stored_session(server: AuthorizationServer, path: Path) -> None:
    old = log_in(server, FileTokenStore(path))
    client = client_of(server, FullDisk(path, 0))
    request = client.authorization_request()
    with pytest.raises(OAuthError, match="No space left"):
        client.handle_callback(server.consent(request.url), request)
    assert client.tokens == old


def test_a_file_that_may_not_grow_stays_as_it_was(server: AuthorizationServer, path: Path) -> None:
    log_in(server, FileTokenStore(path))
    before = path.read_bytes()

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))

    assert output(run(server, path, "refresh", 1, preexec_fn=limit)).startswith("failed: not-saved")
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir() if file.suffix == ".part"] == []
    assert output(run(server, path, "refresh", 1)) == "done\n"


# ---- files


def test_a_file_can_be_read_by_its_owner_only(server: AuthorizationServer, store: FileTokenStore, path: Path) -> None:
    mask = os.umask(0)
    try:
        log_in(server, store)
    finally:
        os.umask(mask)
    for file in (path, Path(f"{path}.lock")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    path.chmod(0o640)
    for read in (store.load, client_of(server, store).connection):
        with pytest.raises(PermissionError, match="chmod 600"):
            read()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"access_token": "x"}',
        '{"access_token": "x", "api_endpoint": "https://host/", "expires_at": "soon"}',
        '{"access_token": "x", "api_endpoint": "https://host/", "key": {"kty": "EC"}}',
        '{"access_token": "secret-token", "api_endpoint"',
    ],
)
def test_a_file_without_tokens_is_an_error_that_shows_none(store: FileTokenStore, path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(PryvError, match="malformed") as caught:
        store.load()
    assert "secret-token" not in str(caught.value)
    assert caught.value.__context__ is None


def test_members_of_a_later_version_are_ignored(server: AuthorizationServer, store: FileTokenStore, path: Path) -> None:
    tokens = log_in(server, store)
    path.write_text(json.dumps({**json.loads(path.read_text()), "future": 1}))
    assert store.load() == tokens


def test_a_store_is_made_where_it_is_needed(server: AuthorizationServer, tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "new" / "study.tokens")
    assert store.load() is None
    store.delete()
    with pytest.raises(OAuthLoginRequiredError) as caught:
        client_of(server, store).connection()
    assert caught.value.error == "login-required"
    log_in(server, store)
    assert str(tmp_path / "new" / "study.tokens") in (str(store), repr(store)[16:-2])
    with pytest.raises((TypeError, ValueError)):
        FileTokenStore("")


def test_a_client_reads_the_store_each_time(server: AuthorizationServer, store: FileTokenStore) -> None:
    tokens = log_in(server, store)
    client = client_of(server, store)
    client.connection().close()
    store.save(attrs.evolve(tokens, expires_at=server.now))  # as another process would
    client.connection().close()
    assert refresh_requests(server) == 1
    store.delete()
    assert client.tokens is None
    with pytest.raises(OAuthLoginRequiredError):
        client.connection()


def test_a_store_with_the_session_of_another_client_is_refused(
    server: AuthorizationServer, store: FileTokenStore
) -> None:
    with AuthorizationServer() as other:
        tokens = log_in(other, store)
        client = client_of(server, store)
        request = client.authorization_request()
        url = server.consent(request.url)
        uses: list[Callable[[], object]] = [
            client.connection,
            client.refresh,
            client.forget,
            client.login,
            lambda: client.tokens,
            lambda: client.handle_callback(url, request),
        ]
        for use in uses:
            with pytest.raises(OAuthError, match="the tokens of another client or server") as info:
                use()
            assert info.value.error == "other-client"
        assert store.load() == tokens
        client_of(other, store).refresh().close()


def test_a_store_that_raises_anything_loses_no_tokens(server: AuthorizationServer) -> None:
    class Odd(MemoryTokenStore):
        def save(self, tokens: OAuthTokens) -> None:
            raise RuntimeError(f"cannot store {tokens.access_token}")

    with pytest.raises(OAuthError, match="RuntimeError") as caught:
        log_in(server, Odd())
    assert caught.value.tokens.access_token not in str(caught.value)
    assert caught.value.__context__ is None


# ---- the keyring


def test_a_keyring_keeps_a_session(
    server: AuthorizationServer, system_keyring: FileKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    store = KeyringTokenStore("study/é")
    assert store.load() is None
    store.delete()
    log_in(server, store)
    with client_of(server, pickle.loads(pickle.dumps(store))).refresh() as connection:
        connection.access_info()
    (lock,) = (tmp_path / "settings" / "pryv").iterdir()
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    with store.lock(1), pytest.raises(OAuthError, match="locked"), KeyringTokenStore("study/é").lock(0.05):
        pass
    with store.lock(1), KeyringTokenStore("another").lock(1):
        assert KeyringTokenStore("another").load() is None
    store.delete()
    assert store.load() is None


def test_a_locked_keyring_loses_no_tokens(server: AuthorizationServer, system_keyring: FileKeyring) -> None:
    client = client_of(server, KeyringTokenStore("study"))
    request = client.authorization_request()
    back = server.consent(request.url)
    system_keyring.locked = True
    with pytest.raises(OAuthError, match="not-saved") as caught:
        client.handle_callback(back, request)
    assert caught.value.tokens.refresh_token in server.live_refresh_tokens
    with pytest.raises(PryvError, match="the keyring is locked"):
        client.connection()


# ---- clients with their own account


def test_a_robot_asks_for_new_tokens_when_they_are_due(server: AuthorizationServer) -> None:
    server.secret = "s:e%c é+/="
    server.lifetime = 0.2
    robot = OAuthClient(server.url, server.client_id, client_secret=server.secret, retry=FAST)
    with robot.client_credentials() as connection:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            connection.access_info(force_refresh=True)
        assert robot.tokens is not None
        assert connection.token == robot.tokens.access_token
        server.sessions.clear()
        connection.access_info(force_refresh=True)
        robot.client_credentials().close()
        assert robot.tokens.access_token == connection.token
        with pickle.loads(pickle.dumps(connection)) as again:
            again.access_info()
    assert server.seen["token"] >= 4
    assert not [form for form in server.forms if form["grant_type"] != "client_credentials"]


def test_a_robot_without_the_basic_method_sends_its_secret_in_the_form(server: AuthorizationServer) -> None:
    server.secret = "secret"
    server.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    OAuthClient(server.url, server.client_id, client_secret="secret").client_credentials().close()
    assert server.forms[0] == {"grant_type": "client_credentials", "client_id": "study-app", "client_secret": "secret"}


def test_a_robot_tries_again_only_where_nothing_was_sent(server: AuthorizationServer) -> None:
    server.secret = "secret"
    robot = OAuthClient(server.url, server.client_id, client_secret="secret", retry=FAST)
    server.faults.append("cut-after")
    with pytest.raises(PryvConnectionError) as caught:
        robot.client_credentials()
    assert (server.seen["token"], caught.value.retryable) == (1, False)
    server.metadata["token_endpoint"] = "http://127.0.0.1:9/token"
    with pytest.raises(PryvConnectionError) as caught:
        robot.client_credentials()
    assert caught.value.retryable


def test_a_robot_that_is_refused_leaves_the_tokens_of_the_session(server: AuthorizationServer) -> None:
    server.secret = "secret"
    store = MemoryTokenStore()
    log_in(server, store, client_secret="secret")
    client = client_of(server, store, client_secret="secret")
    server.faults.append("cut-after")
    with pytest.raises(PryvConnectionError):
        client.client_credentials()
    assert client.tokens == store.load()


def test_a_robot_needs_credentials(server: AuthorizationServer) -> None:
    with pytest.raises(ValueError, match="client_secret"):
        OAuthClient(server.url, server.client_id).client_credentials()
    with pytest.raises(ValueError, match="not both"):
        OAuthClient(
            server.url, server.client_id, client_secret="a", private_key=DPoPKey.generate().to_jwk(private=True)
        )
    with pytest.raises(ValueError, match="key_id"):
        OAuthClient(server.url, server.client_id, key_id="a")
    server.secret = "secret"
    with pytest.raises(OAuthError, match="invalid_client") as caught:
        OAuthClient(server.url, server.client_id, client_secret="wrong-secret").client_credentials()
    assert (caught.value.status, caught.value.retryable) == (401, False)
