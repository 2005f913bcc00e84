"""The libraries still have what `_libraries` uses of them without their saying so; each test is named after it."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket
from engineio.base_client import connected_clients  # type: ignore[import-untyped]
from socketio.packet import EVENT, Packet  # type: ignore[import-untyped]
from websocket._handshake import CookieJar

from pryv_socket_io import SocketIO, _libraries
from pryv_socket_io._libraries import Client
from pryv_socket_io._packets import packet_parser

from .hostile import Peer, platform

LIBRARIES = re.compile(r"^(?:from|import) (?:engineio|socketio|websocket|requests)\b|HTTPResponse\(", re.MULTILINE)


def test_no_other_module_uses_these_libraries() -> None:
    """But for what they document: `_link` raises exceptions of python-socketio."""
    package = Path(_libraries.__file__).parent
    found = {file.name for file in package.rglob("*.py") if LIBRARIES.search(file.read_text(encoding="utf-8"))}
    assert found - {"_link.py"} == {"_libraries.py"}


def test_http_client_response_begin() -> None:
    ours, proxy = socket.socketpair()
    with contextlib.closing(ours), contextlib.closing(proxy):
        proxy.sendall(b"HTTP/1.1 200 Connection established\r\n\r\nnext")
        assert _libraries.read_connect_status(ours) == 200


@pytest.fixture
def client() -> Client:
    return Client(None, packet_parser("/alice"), timeout=1, abort=lambda: None, on_closed=lambda: None)


def test_socketio_client_engineio_client_class(client: Client) -> None:
    assert type(client.eio) is _libraries._Engine


def test_socketio_packet_uses_binary_events(client: Client) -> None:
    class Unsearched(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            raise AssertionError("it was searched for binary parts")

    assert client.packet_class(EVENT, data=Unsearched(["a"])).packet_type == EVENT
    with pytest.raises(AssertionError):
        Packet(EVENT, data=Unsearched(["a"]))


def test_socketio_packet_decode(client: Client) -> None:
    packet = client.packet_class(encoded_packet='3/alice,12[null,{"a":1}]')
    assert (packet.packet_type, packet.namespace, packet.id, packet.data) == (3, "/alice", 12, [None, {"a": 1}])
    assert packet.attachment_count == 0


def test_engineio_client_handlers(client: Client) -> None:
    assert set(client.eio.handlers) == {"connect", "message", "disconnect"}


def test_engineio_client_reason() -> None:
    assert _libraries.TRANSPORT_ERROR == "transport error"


def open_socket() -> Iterator[tuple[SocketIO, Any]]:
    def script(peer: Peer) -> None:
        peer.let_in()
        peer.stay()

    with platform(script) as connection, SocketIO(connection, reconnect=None) as sio:
        assert sio._session
        assert sio._session._link
        yield sio, sio._session._link._client.eio


def test_engineio_client_start_background_task(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    start = _libraries._Engine.start_background_task

    def note(self: Any, target: Any, *arguments: Any, **options: Any) -> Any:
        started.append("message" if target == self.handlers["message"] else target.__name__)
        return start(self, target, *arguments, **options)

    monkeypatch.setattr(_libraries._Engine, "start_background_task", note)
    for _, engine in open_socket():
        assert started == ["_write_loop", "_read_loop_websocket", "message"]
        assert [type(loop) for loop in engine.loops] == [threading.Thread] * 2


def test_engineio_client_create_queue() -> None:
    for _, engine in open_socket():
        assert type(engine.queue) is _libraries._SendQueue


def test_engineio_client_disconnect() -> None:
    for sio, engine in open_socket():
        engine.disconnect()
        for loop in engine.loops:
            loop.join(10)
        assert not sio.connected
    assert not connected_clients


def test_engineio_client_uses_the_websocket_it_is_given() -> None:
    for _, engine in open_socket():
        assert type(engine.ws).__module__ == "pryv_socket_io._websocket"


def test_engineio_connected_clients() -> None:
    for _, engine in open_socket():
        assert connected_clients == [engine]


def test_requests_utils_select_proxy() -> None:
    proxies = {"http": "http://all:1", "https://host": "http://one:2"}
    assert _libraries.select_proxy("http://host/", proxies) == "http://all:1"
    assert _libraries.select_proxy("https://host/", proxies) == "http://one:2"
    assert _libraries.select_proxy("https://other/", proxies) is None


def test_requests_utils_get_auth_from_url() -> None:
    assert _libraries.get_auth_from_url("http://some%20one:p%40ss@proxy:1") == ("some one", "p@ss")


def test_requests_utils_requote_uri() -> None:
    assert _libraries.requote_uri("/ä b/%61") == "/%C3%A4%20b/a"


def test_websocket_logger(caplog: pytest.LogCaptureFixture) -> None:
    websocket.enableTrace(True, logging.NullHandler())
    try:
        with platform(lambda peer: peer.stay()) as connection:
            url = f"{connection.endpoint.replace('http', 'ws', 1)}"
            with _libraries.isolated():
                websocket.create_connection(url).close(timeout=0)
            assert "websocket" not in [record.name for record in caplog.records]
            websocket.create_connection(url).close(timeout=0)
            assert "websocket" in [record.name for record in caplog.records]
    finally:
        websocket.enableTrace(False)


def test_websocket_handshake_cookie_jar() -> None:
    jar = CookieJar
    with _libraries.isolated():
        jar.add("a=1; Domain=elsewhere.example")
    assert jar.get("elsewhere.example") == ""
    jar.add("a=1; Domain=elsewhere.example")
    try:
        assert jar.get("elsewhere.example") == "a=1"
        with _libraries.isolated():
            assert not jar.get("elsewhere.example")
    finally:
        jar.jar.clear()
