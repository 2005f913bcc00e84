"""Opening: by the ways of HTTP, in bounded time, with an error that says what is wrong."""

from __future__ import annotations

import base64
import contextlib
import itertools
import secrets
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import requests
import websocket
from engineio.base_client import connected_clients  # type: ignore[import-untyped]
from tests.accounts import Account
from tests.peers.network import Proxy, Relay, Scripted, alert
from tests.waiting import wait_for, within

from pryv import (
    Connection,
    ForbiddenError,
    InvalidAccessTokenError,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
    PryvTimeoutError,
    PryvTlsError,
    RetryPolicy,
    UnknownResourceError,
)
from pryv.addons import HttpSettings
from pryv_socket_io import Notification, SocketIO
from pryv_socket_io._failures import connect_error
from pryv_socket_io._link import Address, Link
from pryv_socket_io._tcp import open_stream
from pryv_socket_io._websocket import WebSocket

from .hostile import platform
from .sockets import DIARY, socket_threads


@pytest.fixture
def known(relayed: Connection) -> Connection:
    """A connection by way of the relay that has asked already who its user is: what fails now is the socket."""
    relayed.access_info()
    return relayed


def failure_of(connection: Connection, timeout: float = 10) -> PryvError:
    """What opening a socket fails with, before any time limit but this one, leaving nothing behind."""
    sio = SocketIO(connection)
    with within(5), pytest.raises(PryvError) as failed:
        sio.open(timeout)
    assert not sio.connected
    wait_for(lambda: not socket_threads())
    return failed.value


def test_open_twice_makes_one_connection(sio: SocketIO, connection: Connection) -> None:
    threads = socket_threads()
    assert sio.open() is sio
    assert socket_threads() == threads
    others = [threading.Thread(target=sio.open) for _ in range(5)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert socket_threads() == threads
    connection.post("events", DIARY)
    assert next(sio.notifications(timeout=10)) == Notification("eventsChanged")
    assert list(sio.notifications(timeout=0.3)) == []


def test_openers_at_the_same_time_share_one_connection(connection: Connection) -> None:
    sio = SocketIO(connection)
    openers = [threading.Thread(target=sio.open) for _ in range(5)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()
    assert sio.connected
    assert len(socket_threads()) == 4
    sio.close()


def test_open_succeeds_or_fails_at_the_timeout(connection: Connection) -> None:
    connection.access_info()
    for wait in range(1, 61):
        with contextlib.closing(SocketIO(connection)) as sio, contextlib.suppress(PryvTimeoutError):
            sio.open(wait / 2000)
            assert sio.connected
        wait_for(lambda: not socket_threads())


def test_the_timeout_ends_while_the_platform_accepts(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    on_connect = Link._on_connect

    def time_is_up(link: Link) -> None:
        link._abort(PryvTimeoutError("late", sent=False))
        on_connect(link)

    monkeypatch.setattr(Link, "_on_connect", time_is_up)
    sio = SocketIO(connection)
    with pytest.raises(PryvTimeoutError, match="late"):
        sio.open()
    assert not sio.connected


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_finite_and_above_zero(connection: Connection, timeout: float) -> None:
    sio = SocketIO(connection)
    with pytest.raises(ValueError, match="timeout"):
        sio.open(timeout)
    with pytest.raises(ValueError, match="timeout"):
        sio.api([], timeout=timeout)


@pytest.mark.parametrize("timeout", [True, "5"])
def test_a_timeout_is_a_number(connection: Connection, timeout: Any) -> None:
    sio = SocketIO(connection)
    for call in (sio.open, sio.notifications, lambda timeout: sio.api([], timeout=timeout)):
        with pytest.raises(TypeError, match="timeout is a number of seconds"):
            call(timeout)


# ---- refusals


def test_a_wrong_token(connection: Connection) -> None:
    parts = urlsplit(connection.endpoint)
    with Connection(f"{parts.scheme}://wrong@{parts.netloc}{parts.path}") as wrong:
        assert isinstance(failure_of(wrong), InvalidAccessTokenError)


def test_an_unknown_user(connection: Connection) -> None:
    parts = urlsplit(connection.endpoint)
    with Connection(f"{parts.scheme}://token@{parts.netloc}/nobody-at-all/") as unknown:
        assert isinstance(failure_of(unknown), UnknownResourceError)


def test_a_token_revoked_since(account: Account) -> None:
    access = account[2].post("accesses", {"name": "Short", "permissions": [{"streamId": "diary", "level": "read"}]})[
        "access"
    ]
    with Connection(access["apiEndpoint"]) as connection:
        connection.access_info()
        account[2].delete(f"accesses/{access['id']}")
        error = failure_of(connection)
        assert isinstance(error, InvalidAccessTokenError)
        assert error.message == "Cannot find access from token."


def test_the_error_is_kept_for_iterators(connection: Connection) -> None:
    parts = urlsplit(connection.endpoint)
    with Connection(f"{parts.scheme}://wrong@{parts.netloc}{parts.path}") as wrong:
        sio = SocketIO(wrong)
        with pytest.raises(InvalidAccessTokenError):
            sio.open()
        with pytest.raises(InvalidAccessTokenError):
            next(sio.notifications())


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"message": "Cannot find access from token.", "data": None}, InvalidAccessTokenError),
        ({"message": "Missing 'auth' parameter with a valid access token."}, InvalidAccessTokenError),
        ({"message": "Access session has expired."}, InvalidAccessTokenError),
        ({"message": "The application access has been revoked."}, InvalidAccessTokenError),
        ({"message": "Access has expired."}, ForbiddenError),
        ({"message": 'Unknown user "nobodyxyz"', "data": None}, UnknownResourceError),
        ({"message": 'Invalid resource "/x".'}, UnknownResourceError),
        ({"message": "Something else"}, PryvConnectionError),
        (None, PryvConnectionError),
    ],
)
def test_the_class_of_a_refusal_depends_on_its_message(told: Any, kind: type[PryvError]) -> None:
    error = connect_error(told, "s3cret")
    assert type(error) is kind
    assert error.retryable is (kind is PryvConnectionError)


def test_a_refusal_that_quotes_the_token() -> None:
    assert "s3cret" not in str(connect_error({"message": "no such token: s3cret"}, "s3cret"))


def test_a_token_is_encoded_in_the_handshake() -> None:
    settings = HttpSettings(proxies={}, verify=True, cert=None, user_agent="")
    address = Address("https://host/alice/", "alice", "t&k=n +/%2F é", settings)
    assert address.url == "https://host/?auth=t%26k%3Dn%20%2B%2F%252F%20%C3%A9"
    assert "t&k" not in repr(address)


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("https://host/alice/", "socket.io"),
        ("https://alice.host/", "socket.io"),
        ("https://host/pryv/alice/", "pryv/socket.io"),
        ("https://host/pryv/v1/alice/", "pryv/v1/socket.io"),
        ("https://alice.host/pryv/", "pryv/socket.io"),
        ("https://host/pryv/%61lice/", "pryv/socket.io"),
        ("https://host/former-name/", "socket.io"),
        ("https://host/pryv/former-name/", "pryv/socket.io"),
        ("https://former-name.host/", "socket.io"),
        ("https://alice.host/alice/", "socket.io"),
        ("https://host/prýv {x}/alice/", "pr%C3%BDv%20%7Bx%7D/socket.io"),
    ],
)
def test_the_path_is_below_the_platforms(endpoint: str, path: str) -> None:
    settings = HttpSettings(proxies={}, verify=True, cert=None, user_agent="")
    assert Address(endpoint, "alice", "t", settings).path == path


class Prefixed(Relay):
    """A web server that has the platform below a path."""

    def forwarded(self, data: bytes) -> bytes:
        method, blank, rest = data.partition(b" ")
        if method not in (b"GET", b"POST"):
            return data
        return method + blank + (rest[5:] if rest.startswith(b"/pryv/") else b"/elsewhere" + rest)


def test_a_platform_below_a_path(account: Account, relay: Relay) -> None:
    username, _, connection = account
    with (
        contextlib.closing(Prefixed("127.0.0.1", relay.port)) as server,
        Connection(f"http://{connection.token}@127.0.0.1:{server.port}/pryv/{username}/") as prefixed,
    ):
        assert is_told(prefixed)


def test_an_account_whose_user_has_another_name(account: Account) -> None:
    _, _, connection = account
    if not connection.account.username_changes()["usernameChangesRemaining"]:
        pytest.skip("the platform allows no change")
    connection.account.change_username(f"new{secrets.token_hex(6)}")
    with Connection(connection.api_endpoint) as by_former_name:
        assert is_told(by_former_name)


def test_a_platform_at_an_ipv6_address(account: Account, relay: Relay) -> None:
    username, _, connection = account
    try:
        server = Relay("127.0.0.1", relay.port, address="::1")
    except OSError:
        pytest.skip("needs IPv6")
    with (
        contextlib.closing(server),
        Connection(f"http://{connection.token}@[::1]:{server.port}/{username}/") as by_ipv6,
    ):
        assert is_told(by_ipv6)


# ---- no connection


REFUSED = {
    "a redirect": (b"HTTP/1.1 301 Moved\r\nLocation: https://evil.example/?auth=x\r\n\r\n", PryvProtocolError),
    "a page": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", PryvProtocolError),
    "a wrong key": (
        b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
        PryvProtocolError,
    ),
    "no HTTP": (b"\x00\x01\x02SSH-2.0\r\n\r\n", PryvProtocolError),
    "no UTF-8": (b"HTTP/1.1 101 \xff\xfe\r\n\r\n", PryvProtocolError),
    "too many requests": (b"HTTP/1.1 429 Slow\r\nRetry-After: 9\r\n\r\n", PryvConnectionError),
    "a bad gateway": (b"HTTP/1.1 502 Bad\r\nContent-Length: 4\r\n\r\n<h1>", PryvConnectionError),
    "nothing": (b"HTTP", PryvConnectionError),
}


@pytest.mark.parametrize(("handshake", "kind"), REFUSED.values(), ids=REFUSED)
def test_a_handshake_that_fails(handshake: bytes, kind: type[PryvError]) -> None:
    with platform(lambda _: None, handshake=handshake) as connection:
        error = failure_of(connection)
        assert type(error) is kind
        assert str(connection.token) not in str(error)
        assert error.retryable is (kind is PryvConnectionError)


def test_an_unreachable_platform(known: Connection, relay: Relay) -> None:
    relay.close()
    failure = failure_of(known)
    assert type(failure) is PryvConnectionError
    assert not failure.sent


def test_a_response_that_is_not_of_socket_io(known: Connection, sandbox: Any) -> None:
    sandbox.faults.status(503, path="/socket.io/")
    assert "HTTP 503" in str(failure_of(known))


def test_a_redirect_is_not_followed(known: Connection, sandbox: Any) -> None:
    with contextlib.closing(Relay("127.0.0.1", 1)) as elsewhere:
        sandbox.faults.relocated(f"ws://127.0.0.1:{elsewhere.port}", path="/socket.io/")
        assert type(failure_of(known)) is PryvProtocolError
        assert not elsewhere.connections


@pytest.mark.parametrize("asks_first", [True, False])
def test_a_silent_platform(relayed: Connection, relay: Relay, asks_first: bool) -> None:
    if asks_first:
        relayed.access_info()
    relay.frozen = True
    assert isinstance(failure_of(relayed, timeout=0.5), PryvTimeoutError)


class Silent(Relay):
    """Takes connections, and says nothing; or, dripping, a little and again a little, and never enough."""

    dripping = False

    def __init__(self) -> None:
        super().__init__("", 0)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(0.05)
            while True:
                with contextlib.suppress(TimeoutError):
                    if not client.recv(65536):
                        return
                if self.dripping:
                    client.sendall(b"X")


@pytest.fixture
def silent() -> Iterator[Silent]:
    with contextlib.closing(Silent()) as silent:
        yield silent


def websocket_to(url: str) -> WebSocket:
    settings = HttpSettings(proxies={}, verify=True, cert=None, user_agent="")
    return WebSocket(lambda opened: open_stream(url, settings, 30, opened), None)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_is_cut_while_it_is_made(silent: Silent, scheme: str) -> None:
    attempt = websocket_to(f"{scheme}://127.0.0.1:{silent.port}/")
    threading.Timer(0.2, attempt.abort).start()
    with within(10), pytest.raises((OSError, websocket.WebSocketException)):
        attempt.connect(f"ws://127.0.0.1:{silent.port}/")
    attempt.release()


def test_a_connection_is_cut_while_its_host_is_out_of_reach() -> None:
    # A listener whose queue is full lets further connections wait.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as queued:
        for _ in range(4):
            waiting = queued.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        attempt = websocket_to(url)
        threading.Timer(0.2, attempt.abort).start()
        with within(10), pytest.raises(ConnectionError):
            attempt.connect(url)
        attempt.release()


@pytest.mark.parametrize("asks_first", [True, False])
def test_a_handshake_response_sent_byte_by_byte(
    relayed: Connection, relay: Relay, silent: Silent, asks_first: bool
) -> None:
    if asks_first:
        relayed.access_info()
    silent.dripping = True
    relay._target = ("127.0.0.1", silent.port)
    with requests.Session() as session, Connection(relayed.api_endpoint, session=session) as dripped:
        connection = relayed if asks_first else dripped
        sio = SocketIO(connection)
        with within(5), pytest.raises(PryvTimeoutError):
            sio.open(0.6)
        silent.close()
        wait_for(lambda: not socket_threads())


@pytest.mark.parametrize("asks_first", [True, False])
def test_a_host_name_that_is_not_found_in_time(
    relayed: Connection, monkeypatch: pytest.MonkeyPatch, asks_first: bool
) -> None:
    if asks_first:
        relayed.access_info()
    found = threading.Event()
    look_up = socket.getaddrinfo

    def slow(*arguments: Any, **options: Any) -> Any:
        found.wait(10)
        return look_up(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    sio = SocketIO(relayed)
    with within(5), pytest.raises(PryvTimeoutError):
        sio.open(0.3)
    found.set()
    wait_for(lambda: not socket_threads())
    assert not sio.connected


def test_a_connection_cut_at_any_byte_of_its_beginning(known: Connection, relay: Relay) -> None:
    opened = 0
    failures: list[PryvError] = []
    for relay.cut_after in itertools.count(0, 5):
        sio = SocketIO(known, reconnect=None)
        with within(5):
            try:
                sio.open(10)
                opened += 1
            except PryvError as error:
                failures.append(error)
            sio.close()
        wait_for(lambda: not socket_threads())
        if opened == 5:
            break
    assert len(failures) > 50
    assert {type(failure) for failure in failures} == {PryvConnectionError}
    relay.cut_after = None
    with SocketIO(known) as sio:
        assert sio.connected


# ---- certificates and proxies


@pytest.fixture
def secure_relay(authority: Any, connection: Connection) -> Iterator[Relay]:
    """A platform with a certificate, which asks its clients for theirs."""
    parts = urlsplit(connection.endpoint)
    if parts.scheme != "http":
        pytest.skip("needs a platform without TLS")
    assert parts.hostname
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "platform.example", "plätform.example").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    with contextlib.closing(Relay(parts.hostname, parts.port or 80, context)) as relay:
        yield relay


@pytest.fixture
def session(authority_file: str) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = authority_file
        yield session


def secure(account: Account, relay: Relay, session: requests.Session | None = None) -> Connection:
    username, _, connection = account
    return Connection(f"https://{connection.token}@127.0.0.1:{relay.port}/{username}/", session=session)


def is_told(connection: Connection) -> bool:
    with connection, SocketIO(connection) as sio:
        connection.post("events", DIARY)
        return next(sio.notifications(timeout=10)) == Notification("eventsChanged")


def test_the_ca_bundle_of_the_session_is_used(account: Account, secure_relay: Relay, session: requests.Session) -> None:
    assert is_told(secure(account, secure_relay, session))


@pytest.mark.parametrize("host", ["platform.example", "PLATFORM.example", "platform.example.", "plätform.example"])
def test_a_certificate_counts_however_its_host_is_spelled(
    account: Account, secure_relay: Relay, session: requests.Session, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    look_up = socket.getaddrinfo

    def found(name: str, *arguments: Any, **options: Any) -> Any:
        return look_up("127.0.0.1" if "example" in name else name, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    username, _, connection = account
    assert is_told(Connection(f"https://{connection.token}@{host}:{secure_relay.port}/{username}/", session=session))


class Adapter(requests.adapters.HTTPAdapter):
    """Brings a TLS context of its own."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **options)


def test_the_tls_context_of_the_adapter_is_used(
    account: Account, secure_relay: Relay, session: requests.Session, authority: Any
) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    session.verify = True
    session.mount("https://", Adapter(trusting))
    connection = secure(account, secure_relay, session)
    assert is_told(connection)
    session.mount("https://", Adapter(ssl.create_default_context()))
    assert isinstance(failure_of(connection), PryvTlsError)


class Watchful(ssl.SSLSocket):
    """Notes reads and writes that overlap, which may end a connection before Python 3.13."""

    overlaps: ClassVar[list[str]] = []

    def recv(self, *arguments: Any) -> bytes:
        with self._alone("a read"):
            return super().recv(*arguments)

    def send(self, *arguments: Any) -> int:
        with self._alone("a write"):
            return super().send(*arguments)

    @contextlib.contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        turn: threading.Lock = self.__dict__.setdefault("turn", threading.Lock())
        is_alone = turn.acquire(blocking=False)
        if not is_alone:
            self.overlaps.append(what)
        try:
            yield
        finally:
            if is_alone:
                turn.release()


def test_reads_and_writes_of_tls_exclude_each_other(
    account: Account, secure_relay: Relay, session: requests.Session, authority: Any
) -> None:
    context = ssl.create_default_context()
    context.sslsocket_class = Watchful
    authority.configure_trust(context)
    session.mount("https://", Adapter(context))
    Watchful.overlaps.clear()
    with secure(account, secure_relay, session) as connection, SocketIO(connection, reconnect=None) as sio:
        for _ in range(20):
            sio.api([{"method": "events.create", "params": DIARY}])
        notifications = sio.notifications(timeout=10)
        assert [next(notifications) for _ in range(20)] == [Notification("eventsChanged")] * 20
    assert Watchful.overlaps == []


def test_the_ca_bundle_of_the_environment_is_used(
    account: Account, secure_relay: Relay, authority_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    assert is_told(secure(account, secure_relay))


def test_a_directory_of_certificates_is_used(
    account: Account, secure_relay: Relay, session: requests.Session, authority_file: str, tmp_path: Path
) -> None:
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("needs openssl")
    shutil.copy(authority_file, tmp_path)
    subprocess.run([openssl, "rehash", str(tmp_path)], check=True)
    session.verify = str(tmp_path)
    assert is_told(secure(account, secure_relay, session))


def test_an_unknown_certificate(account: Account, secure_relay: Relay, session: requests.Session) -> None:
    connection = secure(account, secure_relay, session)
    connection.access_info()
    session.verify = True
    error = failure_of(connection)
    assert isinstance(error, PryvTlsError)
    assert "certificate" in str(error)
    assert not error.retryable


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", PryvConnectionError),
        (alert(80), PryvConnectionError),
        (b"HTTP/1.1 503 Busy\r\n\r\n", PryvConnectionError),
        (alert(40), PryvTlsError),
    ],
)
def test_a_handshake_cut_short_is_transient(
    account: Account, secure_relay: Relay, session: requests.Session, data: bytes, kind: type[PryvError]
) -> None:
    with (
        contextlib.closing(Scripted(data, "close")) as server,
        contextlib.closing(Relay("127.0.0.1", secure_relay.port)) as relay,
    ):
        connection = secure(account, relay, session)
        connection.access_info()
        relay._target = ("127.0.0.1", server.port)
        error = failure_of(connection)
        connection.close()
    assert isinstance(error, PryvConnectionError)
    assert (type(error), error.retryable, error.sent) == (kind, kind is PryvConnectionError, False)


def test_a_missing_ca_bundle_does_not_end_the_delivery(
    account: Account, secure_relay: Relay, session: requests.Session, tmp_path: Path
) -> None:
    personal = account[2]
    access = personal.post(
        "accesses", {"type": "app", "name": "App", "permissions": [{"streamId": "diary", "level": "read"}]}
    )["access"]
    api_endpoint = f"https://{access['token']}@127.0.0.1:{secure_relay.port}/{account[0]}/"
    with Connection(api_endpoint, session=session) as connection, SocketIO(connection) as sio:
        notifications = sio.notifications(timeout=10)
        session.verify = str(tmp_path / "gone.pem")
        personal.update_access(access["id"], {"name": "Renamed"})
        personal.post("events", DIARY)
        told = [next(notifications).name for _ in range(3)]
    assert sorted(told) == ["accessUpdated", "accessesChanged", "eventsChanged"]


def test_certificates_are_not_checked_where_the_session_says_so(
    account: Account, secure_relay: Relay, session: requests.Session
) -> None:
    connection = secure(account, secure_relay, session)
    connection.access_info()
    session.verify = False
    with SocketIO(connection) as sio:
        assert sio.connected


def test_the_client_certificate_of_the_session_is_used(
    account: Account, secure_relay: Relay, session: requests.Session, authority: Any, tmp_path: Path
) -> None:
    assert secure_relay._tls
    secure_relay._tls.verify_mode = ssl.CERT_REQUIRED
    with secure(account, secure_relay, session) as connection:
        assert isinstance(failure_of(connection), PryvConnectionError)
    certificate = authority.issue_cert("client@example.org")
    files = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(files[0])
    certificate.private_key_pem.write_to_path(files[1])
    session.cert = files
    assert is_told(secure(account, secure_relay, session))
    certificate.private_key_and_cert_chain_pem.write_to_path(files[0])
    session.cert = files[0]
    assert is_told(secure(account, secure_relay, session))


def test_a_plain_platform_where_tls_is_expected(account: Account, relay: Relay, session: requests.Session) -> None:
    connection = secure(account, relay, session)
    assert isinstance(failure_of(connection), PryvError)


def test_the_proxy_of_the_session_is_used(
    account: Account, secure_relay: Relay, session: requests.Session, proxy: Proxy
) -> None:
    session.proxies["https"] = f"http://some%20one:pass@127.0.0.1:{proxy.port}"
    assert is_told(secure(account, secure_relay, session))
    assert len(proxy.asked) >= 2
    credentials = base64.b64encode(b"some one:pass").decode()
    for head in proxy.asked:
        assert head.startswith(f"CONNECT 127.0.0.1:{secure_relay.port} ")
        assert f"Proxy-Authorization: Basic {credentials}\r\n" in head


def test_the_proxy_of_the_environment_is_used(
    account: Account, secure_relay: Relay, authority_file: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert is_told(secure(account, secure_relay))
    assert len(proxy.asked) >= 2


def test_a_plain_platform_is_reached_through_a_tunnel(known: Connection, proxy: Proxy) -> None:
    with requests.Session() as session:
        connection = Connection(known.api_endpoint, session=session)
        connection.access_info()
        session.proxies["http"] = f"http://127.0.0.1:{proxy.port}"
        with SocketIO(connection) as sio:
            assert sio.connected
    assert len(proxy.asked) == 1


def test_a_proxy_that_refuses(account: Account, secure_relay: Relay, session: requests.Session, proxy: Proxy) -> None:
    connection = secure(account, secure_relay, session)
    connection.access_info()
    proxy.status = "407 Proxy Authentication Required"
    session.proxies["https"] = f"http://someone:pa55word@127.0.0.1:{proxy.port}"
    error = failure_of(connection)
    assert "HTTP 407" in str(error)
    assert "pa55word" not in str(error)


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:9", "https://127.0.0.1:9", "http://", "http://127.0.0.1:port", "localhost:3128"]
)
def test_an_unusable_proxy_is_named(
    account: Account, secure_relay: Relay, session: requests.Session, proxy: str
) -> None:
    connection = secure(account, secure_relay, session)
    connection.access_info()
    session.proxies["https"] = proxy
    assert_named(connection, "proxies['https'] of the session")


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_certificates_that_cannot_be_used_are_named(
    account: Account,
    secure_relay: Relay,
    authority_file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str | None,
) -> None:
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    with requests.Session() as session:
        session.verify = authority_file
        connection = secure(account, secure_relay, session)
        connection.access_info()
        session.cert = str(file)
        assert_named(connection, "cert of the session")
        session.cert, session.verify = None, str(file)
        assert_named(connection, "verify of the session")
        session.verify = True
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
        assert_named(connection, "REQUESTS_CA_BUNDLE")


def assert_named(connection: Connection, setting: str) -> None:
    """See that a socket does not open because of a setting, and says so."""
    error = failure_of(connection)
    assert setting in str(error)
    assert isinstance(error, PryvConnectionError)
    assert (error.retryable, error.sent) == (False, False)


def test_a_setting_that_breaks_ends_a_socket_for_good(
    account: Account, secure_relay: Relay, session: requests.Session
) -> None:
    persistent = RetryPolicy(attempts=10_000, backoff=0.01, max_backoff=0.01)
    with SocketIO(secure(account, secure_relay, session), reconnect=persistent) as sio:
        session.proxies["https"] = "http://"
        secure_relay.cut()
        with within(10), pytest.raises(PryvConnectionError, match="is not the URL of a proxy"):
            for _ in sio.notifications():
                pass


@pytest.mark.parametrize(("status", "kind"), [(503, PryvConnectionError), (404, PryvProtocolError)])
def test_statuses_of_the_upgrade_are_transient_or_permanent(
    known: Connection, relay: Relay, status: int, kind: type[PryvError]
) -> None:
    with contextlib.closing(Scripted(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status, "close")) as server:
        relay._target = ("127.0.0.1", server.port)
        error = failure_of(known)
    assert type(error) is kind
    assert f"HTTP {status}" in str(error)
    assert error.retryable is (status == 503)


@pytest.mark.parametrize(("status", "retryable"), [(407, False), (502, True)])
def test_refusals_of_a_proxy_are_transient_or_permanent(
    account: Account, secure_relay: Relay, session: requests.Session, proxy: Proxy, status: int, retryable: bool
) -> None:
    connection = secure(account, secure_relay, session)
    connection.access_info()
    proxy.status = f"{status} No"
    session.proxies["https"] = f"http://127.0.0.1:{proxy.port}"
    error = failure_of(connection)
    assert isinstance(error, PryvConnectionError)
    assert (error.retryable, error.sent) == (retryable, False)


@pytest.mark.parametrize("number", range(5))
def test_a_socket_that_lacked_a_thread_opens_later(
    known: Connection, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    start, starts = threading.Thread.start, itertools.count()

    def limited(thread: threading.Thread) -> None:
        if thread.name.startswith("pryv-socket") and next(starts) == number:
            raise RuntimeError("can't start new thread")
        start(thread)

    sio = SocketIO(known)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", limited)
        with within(5), pytest.raises(PryvConnectionError, match="can't start new thread"):
            sio.open(10)
    wait_for(lambda: not socket_threads())
    assert not connected_clients
    with sio.open(10):
        assert sio.api([{"method": "streams.get"}])
