"""The libraries still have the undocumented names that are used of them; each test is named after one."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from tests.peers.certificates import server_context
from tests.peers.network import Proxy
from tests.pryv.wire import Reply, Wire, chunked, error_reply, reply
from urllib3.connection import HTTPConnection as PoolConnection
from urllib3.util import Retry, create_urllib3_context

from pryv._transport import libraries
from pryv._transport.failures import connection_error
from pryv._transport.libraries import Connection, HeldConnection, Response
from pryv.cli import _start

PACKAGE = Path(libraries.__file__).parents[1]
NAMES = [
    "_new_conn",
    "ConnectionCls",
    "response_class",
    "_read_status",
    "self.fp",
    "_original_response",
    "_close_conn",
    "_init_length",
    "_content_consumed",
    "connection_pool_kw",
    "SPECIFIC_ERROR",
    "Tunnel connection failed",
    "Unterminated string",
    "requests.utils",
]


class NotedConnection(Connection):
    """A connection that notes its sockets."""

    sockets: list[socket.socket]
    write_timeout: float | None = None

    def on_socket(self, sock: socket.socket) -> None:
        self.sockets.append(sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.write_timeout is not None:
            self.limit_writes(self.write_timeout)
        super().request(*args, **kwargs)


class NotedResponse(Response):
    """A response that notes what it reads."""

    heads: list[None]
    readers: list[float | None]

    def reader(self, raw: io.RawIOBase, seconds: float | None) -> io.RawIOBase:
        self.readers.append(seconds)
        return raw

    def before_head(self) -> None:
        self.heads.append(None)


class Adapter(HTTPAdapter):
    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        libraries.use_connections(pool, NotedConnection, NotedResponse)
        return pool


@pytest.fixture
def session(plain_environment: None) -> Iterator[requests.Session]:
    """A session with connections and responses that note what they do."""
    NotedConnection.sockets, NotedResponse.heads, NotedResponse.readers = [], [], []
    with requests.Session() as session:
        session.mount("http://", Adapter())
        session.mount("https://", Adapter())
        yield session


def read(wire: Wire, session: requests.Session) -> requests.Response:
    """Ask for a response, and leave its body unread."""
    return session.get(wire.url, stream=True, timeout=(3, 4))


def test_no_other_module_uses_these_names() -> None:
    texts = {file: file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py")}
    fence = texts.pop(Path(libraries.__file__))
    assert [name for name in NAMES if name not in fence] == []
    assert [(file.name, name) for file, text in texts.items() for name in NAMES if name in text] == []


def test_urllib3_connection_new_conn(wire: Wire, session: requests.Session) -> None:
    for _ in range(2):
        read(wire, session).close()
    assert [type(sock) for sock in NotedConnection.sockets] == [socket.socket] * 2


def test_urllib3_connection_new_conn_comes_before_a_handshake(
    authority: Any, authority_file: str, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Connection, sock: socket.socket) -> None:
        NotedConnection.sockets.append(sock)
        raise ZeroDivisionError

    monkeypatch.setattr(NotedConnection, "on_socket", refuse)
    with contextlib.closing(Wire(server_context(authority))) as wire:
        with pytest.raises(ZeroDivisionError):
            session.get(wire.url, verify=authority_file)
        assert [(type(sock), sock.fileno()) for sock in NotedConnection.sockets] == [(socket.socket, -1)]


def test_http_client_connection_timeout(wire: Wire, session: requests.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts: list[float | None] = []
    send = PoolConnection.send

    def note(self: Any, data: Any) -> None:
        timeouts.append(self.sock.gettimeout())
        send(self, data)

    monkeypatch.setattr(PoolConnection, "send", note)
    monkeypatch.setattr(NotedConnection, "write_timeout", 7.0)
    for _ in range(2):  # the second on the same connection
        assert session.get(wire.url, timeout=(3, 4)).ok
    assert wire.connections == 1
    assert set(timeouts) == {7.0}


def test_urllib3_pool_connection_cls(wire: Wire, session: requests.Session) -> None:
    with read(wire, session) as response:
        connection = response.raw.connection
        assert isinstance(connection, NotedConnection)
        assert isinstance(connection, PoolConnection)


def test_http_client_connection_response_class(wire: Wire, session: requests.Session) -> None:
    with read(wire, session) as response:
        assert type(response.raw._original_response) is NotedResponse


def test_http_client_response_fp(wire: Wire, session: requests.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    class Upper(io.RawIOBase):
        def __init__(self, raw: io.RawIOBase) -> None:
            self._raw = raw

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int | None:
            count = self._raw.readinto(buffer)
            buffer[:count] = bytes(buffer[:count]).upper()
            return count

    def upper(_: Response, raw: io.RawIOBase, seconds: float | None) -> io.RawIOBase:
        NotedResponse.readers.append(seconds)
        return Upper(raw)

    monkeypatch.setattr(NotedResponse, "reader", upper)
    wire.always = reply("small")
    assert session.get(wire.url, timeout=(3, 4)).text == "SMALL"
    assert NotedResponse.readers == [4]


def test_http_client_response_read_status(wire: Wire, session: requests.Session) -> None:
    wire.always = Reply(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + reply().data)
    assert session.get(wire.url).ok
    assert len(NotedResponse.heads) == 4


def test_urllib3_response_original_response(wire: Wire, session: requests.Session) -> None:
    with read(wire, session) as response:
        assert isinstance(response.raw._original_response, HTTPResponse)


def test_urllib3_response_pool(wire: Wire, session: requests.Session) -> None:
    response = read(wire, session)
    connection = HeldConnection(response, lambda size, seconds: None)
    assert response.content
    assert session.get(wire.url).ok
    assert wire.connections == 2, "the connection was in its pool before it was released"
    connection.release()
    assert session.get(wire.url).ok
    assert session.get(wire.url).ok
    assert wire.connections == 2


def test_http_client_response_read1(wire: Wire, session: requests.Session) -> None:
    reads: list[int] = []
    wire.always = Reply(reply(b"0123456789").data, interval=0.001)
    with read(wire, session) as response:
        connection = HeldConnection(response, lambda size, seconds: reads.append(size))
        while response.raw.read1(4):
            pass
        connection.release()
    assert sum(reads) == 10
    assert max(reads) <= 4


@pytest.mark.parametrize("surplus", [b"", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_http_client_response_close_conn(wire: Wire, session: requests.Session, surplus: bytes) -> None:
    wire.always = Reply(reply().data + surplus)
    with read(wire, session) as response:
        connection = HeldConnection(response, lambda size, seconds: None)
        assert response.content
        assert connection.has_surplus == bool(surplus)
        connection.release()


def test_http_client_response_begin(wire: Wire, session: requests.Session) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\n"
    wire.always = Reply(early + reply(b"body", 201, {"Y": "2", "Content-Type": "text/plain"}).data)
    with read(wire, session) as response:
        assert (response.status_code, response.raw.headers["X"]) == (103, "1")
        assert libraries.read_next_head(response)
        assert (response.status_code, response.raw.status) == (201, 201)
        assert "X" not in response.raw.headers
        assert response.raw.headers["Y"] == "2"
        assert response.content == b"body"


def test_urllib3_response_chunked(wire: Wire, session: requests.Session) -> None:
    wire.always = Reply(b"HTTP/1.1 103 Early Hints\r\n\r\n" + chunked([b"one", b"two"]).data)
    with read(wire, session) as response:
        assert libraries.read_next_head(response)
        assert response.raw.chunked
        assert response.content == b"onetwo"


def test_urllib3_response_init_length(wire: Wire, session: requests.Session) -> None:
    wire.always = Reply(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", "close")
    with read(wire, session) as response:
        assert response.raw.length_remaining == 0
        assert libraries.read_next_head(response)
        assert response.raw.length_remaining == 9
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="6 more expected"):
            assert response.content


def test_requests_response_content_consumed(wire: Wire, session: requests.Session) -> None:
    with read(wire, session) as response:
        assert libraries.is_streamed(response)
        assert response.content
        assert not libraries.is_streamed(response)


def test_http_client_response_msg(wire: Wire, session: requests.Session) -> None:
    wire.always = reply(headers={"Set-Cookie": "a=1"})
    session.get(wire.url, hooks={"response": lambda response, **_: libraries.drop_cookies(response)})
    assert session.cookies.get_dict() == {}
    session.get(wire.url)
    assert session.cookies.get_dict() == {"a": "1"}


def test_requests_adapter_poolmanager_connection_pool_kw() -> None:
    context = create_urllib3_context()

    class ContextAdapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, ssl_context=context, **kwargs)

    with requests.Session() as session:
        assert libraries.ssl_context_of(session, "https://host/") is None
        session.mount("https://", ContextAdapter())
        assert libraries.ssl_context_of(session, "https://host/") is context


def test_urllib3_response_error_specific_error(wire: Wire, session: requests.Session) -> None:
    session.mount("http://", HTTPAdapter(max_retries=Retry(total=1, backoff_factor=0, status_forcelist=[503])))
    wire.always = error_reply(503, "too-busy")
    with pytest.raises(requests.exceptions.RetryError) as caught:
        session.get(wire.url)
    assert libraries.repeated_status(caught.value) == 503
    assert len(wire.requests) == 2


def test_http_client_tunnel_connection_failed(proxy: Proxy, session: requests.Session) -> None:
    proxy.status = "407 Proxy Authentication Required"
    with pytest.raises(requests.exceptions.ProxyError) as caught:
        session.get("https://host.invalid/", proxies={"https": f"http://127.0.0.1:{proxy.port}"})
    assert "HTTP 407" in str(connection_error(caught.value, "a call", "host.invalid"))


@pytest.mark.parametrize("where", ["handshake", "response"])
def test_http_client_connection_connect(where: str, session: requests.Session) -> None:
    def cut() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        cutting = threading.Thread(target=cut)
        cutting.start()
        scheme = {"handshake": "https", "response": "http"}[where]
        with pytest.raises(requests.ConnectionError) as caught:
            session.get(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/")
        cutting.join()
    assert connection_error(caught.value, "a call", "host").sent == (where == "response")
    assert HTTPConnection.connect.__name__ == PoolConnection.connect.__name__


@pytest.mark.parametrize("text", ['"', '"abc', '["a", "b', '{"a', '"a\\', '"a\\n'])
def test_json_unterminated_string(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    assert libraries.is_unterminated_string(caught.value)
    assert caught.value.pos == text.rindex('"')


@pytest.mark.parametrize("text", ["", "[1", '["a"', '{"a":', "nul", '"\\x"', '"\n"'])
def test_json_other_errors(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    assert not libraries.is_unterminated_string(caught.value)


def test_signal() -> None:
    used: Any = vars(_start)["_signal"]
    assert (used.SIGINT, used.default_int_handler) == (signal.SIGINT, signal.default_int_handler)
    assert used.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGINT)
    assert callable(used.signal)


def test_requests_utils_select_proxy() -> None:
    proxies = {"http": "http://all:1", "https://host": "http://one:2"}
    assert libraries.select_proxy("http://host/", proxies) == "http://all:1"
    assert libraries.select_proxy("https://host/", proxies) == "http://one:2"
    assert libraries.select_proxy("https://other/", proxies) is None


def test_requests_utils_get_auth_from_url() -> None:
    assert libraries.get_auth_from_url("http://me:p%40ss@host:1") == ("me", "p@ss")
    assert libraries.get_auth_from_url("http://host:1") == ("", "")


def test_requests_utils_prepend_scheme_if_needed() -> None:
    prepend: Any = libraries.prepend_scheme_if_needed
    assert prepend("127.0.0.1:3128", "http") == "http://127.0.0.1:3128"
    assert prepend("socks5://a:b@host:1", "http") == "socks5://a:b@host:1"


def test_requests_utils_default_ca_bundle_path() -> None:
    assert Path(libraries.DEFAULT_CA_BUNDLE_PATH).is_file()
