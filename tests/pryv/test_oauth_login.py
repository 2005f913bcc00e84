"""OAuth logins with a browser that comes back to the program itself, and the end of sessions."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from tests.accounts import Account
from tests.pryv.authorization_server import AuthorizationServer
from tests.waiting import wait_for

from pryv import (
    AccessRefusedError,
    AccessTimeoutError,
    Connection,
    ForbiddenError,
    InvalidAccessTokenError,
    OAuthError,
)
from pryv.oauth import FileTokenStore, MemoryTokenStore, OAuthClient

if TYPE_CHECKING:
    from pryv_sandbox import Sandbox


@pytest.fixture
def client(server: AuthorizationServer) -> OAuthClient:
    return OAuthClient(server.url, server.client_id, scope="cmc:study-A", timeout=2, retry=None)


class Login:
    """A login that waits for the browser.

    Attributes:
        url: The page for the person.
        back: The URL that the browser would be sent back to.
    """

    def __init__(self, server: AuthorizationServer, result: Future[Connection], url: str) -> None:
        self.result = result
        self.url = url
        self.back = server.consent(url)
        self.redirect_uri = self.back.partition("?")[0]

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.redirect_uri)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port


@contextmanager
def waiting(server: AuthorizationServer, client: OAuthClient, **options: Any) -> Iterator[Login]:
    urls: list[str] = []
    shown = threading.Event()

    def show(url: str) -> None:
        urls.append(url)
        shown.set()

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(client.login, open_browser=False, on_url=show, **{"timeout": 20, **options})
        wait_for(lambda: shown.is_set() or result.done())
        if not urls:
            result.result()
        login = Login(server, result, urls[0])
        try:
            yield login
        finally:
            if not result.done():
                requests.get(login.back, timeout=5)
            if result.exception() is None:
                result.result().close()


def test_a_browser_comes_back_to_the_program(server: AuthorizationServer, client: OAuthClient) -> None:
    with waiting(server, client) as login:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/callback", login.redirect_uri)
        page = requests.get(login.back, timeout=5)
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
        assert page.headers["Cache-Control"] == "no-store"
        secret = dict(parse_qsl(urlsplit(login.back).query))
        assert not [value for value in secret.values() if value in page.text]
        with login.result.result(timeout=5) as connection:
            assert connection.username() == "alice"
        with pytest.raises(requests.ConnectionError):
            requests.get(login.back, timeout=5)
    assert server.forms[0]["redirect_uri"] == login.redirect_uri


def test_other_requests_do_not_end_the_wait(server: AuthorizationServer, client: OAuthClient) -> None:
    with waiting(server, client) as login:
        base = login.redirect_uri.removesuffix("/callback")
        state = {"state": "of another tab", "code": "x"}
        answers = [
            requests.get(f"{base}/favicon.ico", timeout=5),
            requests.get(f"{base}/callback/x?{urlsplit(login.back).query}", timeout=5),
            requests.get(f"{base}/callback?{urlencode(state)}", timeout=5),
            requests.get(f"{base}/callback", timeout=5),
            requests.get(f"{login.back}&state=again", timeout=5),
            requests.post(login.back, timeout=5),
        ]
        assert [answer.status_code for answer in answers] == [404, 404, 400, 400, 400, 501]
        for data in (b"", b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n"):
            scan(login.address, data)
        silent = [socket.create_connection(login.address) for _ in range(20)]
        assert not login.result.done()
        assert requests.get(login.back, timeout=5).status_code == 200
        login.result.result(timeout=5)
        for connection in silent:
            connection.close()


def test_a_callback_whose_connection_is_closed_at_once_counts(server: AuthorizationServer, client: OAuthClient) -> None:
    with waiting(server, client) as login:
        with socket.create_connection(login.address) as browser:
            target = login.back.removeprefix("http://").partition("/")[2]
            browser.sendall(f"GET /{target} HTTP/1.1\r\n\r\n".encode())
        login.result.result(timeout=5).close()


def scan(address: tuple[str, int], data: bytes) -> None:
    with socket.create_connection(address) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert b"canary" not in connection.recv(10_000)
        except OSError:
            pass


def test_a_malformed_request_is_not_repeated_in_the_response(server: AuthorizationServer, client: OAuthClient) -> None:
    with waiting(server, client) as login, socket.create_connection(login.address) as connection:
        connection.sendall(b"GET /callback?code=canary HTTP/1.1 canary\r\n\r\n")
        with connection.makefile("rb") as response:
            assert response.read() == b"Nothing here.\n"


def test_the_callback_for_the_url_may_be_the_browser(server: AuthorizationServer, client: OAuthClient) -> None:
    def browse(url: str) -> None:
        assert requests.get(server.consent(url), timeout=5).status_code == 200

    client.login(open_browser=False, timeout=5, on_url=browse).close()


def test_an_exception_of_the_callback_ends_the_login(server: AuthorizationServer, client: OAuthClient) -> None:
    def fail(url: str) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        client.login(open_browser=False, on_url=fail)


def test_it_listens_on_this_machine_only(server: AuthorizationServer, client: OAuthClient) -> None:
    with waiting(server, client) as login:
        own = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for host in own - {"127.0.0.1"}:
            if host.startswith("127."):
                continue
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((host, login.address[1]), timeout=2)


def test_errors_come_back_too(server: AuthorizationServer, client: OAuthClient) -> None:
    for error, kind in (("access_denied", AccessRefusedError), ("invalid_scope", OAuthError)):
        with waiting(server, client) as login:
            query = dict(parse_qsl(urlsplit(login.back).query))
            refusal = {"error": error, "state": query["state"], "iss": query["iss"]}
            assert requests.get(f"{login.redirect_uri}?{urlencode(refusal)}", timeout=5).status_code == 200
            assert isinstance(login.result.exception(timeout=5), kind)
    assert server.seen["token"] == 0


def test_a_wait_ends(server: AuthorizationServer, client: OAuthClient) -> None:
    with pytest.raises(AccessTimeoutError, match=r"0\.1 seconds"):
        client.login(open_browser=False, timeout=0.1, on_url=lambda _: None)


def test_the_url_is_on_standard_error(
    server: AuthorizationServer, client: OAuthClient, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AccessTimeoutError):
        client.login(open_browser=False, timeout=0.01)
    output = capsys.readouterr()
    assert re.search(rf"\n    {server.url}/oauth2/authorize\?response_type=code&\S+\n", output.err)
    assert output.out == ""


@pytest.mark.parametrize(
    ("redirect_uri", "port"),
    [("http://127.0.0.1:{}/cb?a=b", 0), ("http://127.0.0.1/", None), ("http://localhost:{}/", 0), ("http://[::1]/", 0)],
)
def test_ports_and_hosts(server: AuthorizationServer, redirect_uri: str, port: int | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    uri = redirect_uri.format(number)
    client = OAuthClient(server.url, server.client_id, scope="cmc:study-A", redirect_uri=uri, timeout=2)
    try:
        with waiting(server, client, port=number if port is None else port) as login:
            assert login.address[1] == number or "::1" in uri
            host = login.redirect_uri.replace("localhost", "127.0.0.1")
            query = urlsplit(login.back).query
            requests.get(f"{host}?{query}".replace("a=b?", "a=b&"), timeout=5)
            login.result.result(timeout=5)
    except OSError:
        if "::1" not in uri:
            raise
        pytest.skip("there is no IPv6 here")


@pytest.mark.parametrize(
    ("redirect_uri", "options", "problem"),
    [
        ("https://app.example/cb", {}, "127.0.0.1"),
        ("http://192.168.0.1/cb", {}, "127.0.0.1"),
        ("http://localhost:8080/", {"port": 8081}, "8080"),
        ("http://127.0.0.1/", {"port": 65536}, "port"),
        ("http://127.0.0.1/", {"port": "80"}, "port"),
        ("http://127.0.0.1/", {"timeout": 0}, "timeout"),
        ("http://127.0.0.1/", {"on_url": "print"}, "on_url"),
    ],
)
def test_arguments_are_checked_before_a_person_is_asked(
    server: AuthorizationServer, redirect_uri: str, options: dict[str, Any], problem: str
) -> None:
    client = OAuthClient(server.url, server.client_id, redirect_uri=redirect_uri)
    with pytest.raises((ValueError, TypeError), match=problem):
        client.login(open_browser=False, **options)
    assert not server.seen


def test_a_store_that_cannot_be_written_is_noticed_before_a_person_is_asked(
    server: AuthorizationServer, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    store = FileTokenStore(tmp_path / "file" / "study.tokens")
    with pytest.raises(OSError, match="file"):
        OAuthClient(server.url, server.client_id, store=store).login(open_browser=False)


def test_a_port_in_use_is_an_error(server: AuthorizationServer, client: OAuthClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use") as caught:
            client.login(port=port, open_browser=False)
    assert caught.value.filename == f"127.0.0.1:{port}"


# ---- the end of a session


def test_an_access_that_may_not_delete_itself(server: AuthorizationServer, client: OAuthClient) -> None:
    request = client.authorization_request()
    client.handle_callback(server.consent(request.url), request).close()
    server.refuses_deletion = True
    with pytest.raises(ForbiddenError, match="may not delete"):
        client.forget()
    assert client.tokens is None


def test_tokens_that_have_expired_are_forgotten_without_a_call(
    server: AuthorizationServer, client: OAuthClient
) -> None:
    request = client.authorization_request()
    client.handle_callback(server.consent(request.url), request).close()
    server.skew = 4000
    client.metadata(force_fetch=True)
    client.forget()
    assert client.tokens is None
    assert server.seen["account"] == 0


@pytest.fixture
def session(sandbox: Sandbox, new_account: Callable[[], Account]) -> Iterator[tuple[OAuthClient, Connection]]:
    username, _, owner = new_account()
    owner.streams.create({"id": "diary", "name": "Diary"})
    offer = [{"streamId": "diary", "level": "manage"}]
    sandbox.register_oauth_client(f"app-{username}", redirect_uris=["http://127.0.0.1/callback"], offers={"all": offer})
    client = OAuthClient(sandbox.url, f"app-{username}", scope="cmc:all", store=MemoryTokenStore())
    request = client.authorization_request()
    with client.handle_callback(sandbox.accept_oauth(request.url, username), request) as connection:
        yield client, connection


def test_forgetting_deletes_the_access_and_the_tokens(session: tuple[OAuthClient, Connection]) -> None:
    client, connection = session
    static = Connection(connection.api_endpoint)
    with static:
        static.streams.list()
        client.forget()
        with pytest.raises(InvalidAccessTokenError):
            static.streams.list()
    assert client.tokens is None
    client.forget()


def test_forgetting_may_leave_the_access(session: tuple[OAuthClient, Connection]) -> None:
    client, connection = session
    with Connection(connection.api_endpoint) as static:
        client.forget(revoke=False)
        static.streams.list()
    assert client.tokens is None


def test_an_access_that_is_gone_is_forgotten(sandbox: Sandbox, session: tuple[OAuthClient, Connection]) -> None:
    client, connection = session
    with Connection(connection.api_endpoint) as static:
        static.revoke()
    client.forget()
    assert client.tokens is None


def test_sessions_of_the_sandbox_go_on(sandbox: Sandbox, session: tuple[OAuthClient, Connection]) -> None:
    _, connection = session
    first = connection.token
    try:
        sandbox.faults.skew = 4000
        connection.events.create({"streamIds": ["diary"], "type": "note/txt", "content": "later"})
        assert connection.token != first
        with connection.socket as socket_io:
            assert socket_io.api([{"method": "events.get", "params": {}}])[0]["events"][0]["content"] == "later"
        sandbox.faults.skew = 8000
        with connection.socket as socket_io:
            socket_io.api([{"method": "events.get", "params": {}}])
        assert len({first, connection.token}) == 2
    finally:
        sandbox.faults.skew = 0
