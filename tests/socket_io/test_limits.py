"""What a platform sends is bounded in size and in time."""

from __future__ import annotations

import json
import queue
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import engineio  # type: ignore[import-untyped]
import pytest
from engineio.base_client import connected_clients  # type: ignore[import-untyped]
from tests.waiting import wait_for, within

from pryv import (
    Connection,
    Limits,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
    PryvTimeoutError,
    ResponseTooLargeError,
)
from pryv_socket_io import SocketIO, _libraries

from .hostile import BINARY, CONTINUATION, OPENING, PING, Peer, frame, frame_head, platform
from .sockets import Heard, socket_threads

SMALL = Limits(frame=100_000)
CALL = [{"method": "events.get", "params": {}}]
BLANKS = b" " * 10_000


@contextmanager
def heard_from(script: Callable[[Peer], object], limits: Limits | None = None) -> Iterator[tuple[SocketIO, Heard]]:
    """A socket to a platform that follows a script, and what it tells from its very beginning."""
    with platform(script) as connection:
        sio = SocketIO(Connection(connection.api_endpoint, limits=limits or Limits(), retry=None), reconnect=None)
        heard = Heard(sio)
        with sio:
            yield sio, heard


def answer(content: str) -> str:
    return f'43/alice,1[null,{{"results":[{{"event":{{"content":"{content}"}}}}]}}]'


@pytest.mark.parametrize(
    ("limits", "size"), [(SMALL, 100_000), (Limits(), 10_000_000), (Limits(frame=None), 20_000_000)]
)
def test_a_message_of_the_largest_size_is_accepted(limits: Limits, size: int) -> None:
    content = "x" * (size - len(answer("")))

    def script(peer: Peer) -> None:
        peer.let_in()
        next(peer.calls())
        peer.send(answer(content))
        peer.stay()

    with heard_from(script, limits) as (sio, _):
        assert sio.api(CALL) == [{"event": {"content": content}}]


def endless(peer: Peer, *parts: bytes) -> None:
    """Send the first part, and the others again and again."""
    first, *others = parts
    peer.send(first)
    while True:
        peer.send(*others)


TOO_LARGE = {
    "a byte too many": lambda peer: peer.send(answer("x" * (100_001 - len(answer(""))))),
    "a frame without end": lambda peer: endless(peer, frame_head(1 << 40), BLANKS),
    "fragments without end": lambda peer: endless(
        peer, frame(BLANKS, fin=False), frame(BLANKS, CONTINUATION, fin=False)
    ),
    "empty fragments without end": lambda peer: endless(
        peer, frame("4", fin=False), frame("", CONTINUATION, fin=False) * 10_000
    ),
    "pings of WebSocket within a message": lambda peer: endless(
        peer, frame("4", fin=False), frame(b"x" * 100, PING) * 100
    ),
}


@pytest.mark.parametrize("attack", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_larger_message_ends_the_call_and_the_connection(attack: Callable[[Peer], object]) -> None:
    def script(peer: Peer) -> None:
        peer.let_in()
        next(peer.calls())
        attack(peer)

    with heard_from(script, SMALL) as (sio, heard):
        with within(10), pytest.raises(ResponseTooLargeError, match=r"100000 bytes \(Limits.frame\)") as failed:
            sio.api(CALL)
        assert not failed.value.retryable
        assert isinstance(heard.wait("error")[0], ResponseTooLargeError)
        assert heard.of("disconnect") == ["transport error"]


@pytest.mark.parametrize("unit", ["{},", "[[]],", '{"":{}},', '"\U0001f600",{},'])
def test_a_message_that_would_fill_the_memory_is_refused(unit: str) -> None:
    def script(peer: Peer) -> None:
        peer.let_in()
        next(peer.calls())
        peer.send(f'43/alice,1[null,{{"results":[{{"events":[{unit * (15_000_000 // len(unit.encode()))}0]}}]}}]')
        peer.stay()

    with heard_from(script) as (sio, _), pytest.raises(ResponseTooLargeError, match=r"once parsed, .* Limits\.frame"):
        sio.api(CALL)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(frame(zlib.compress(b"42/alice,[]"), compressed=True), id="compressed"),
        pytest.param(frame(b"42/alice,[]", BINARY), id="binary"),
        pytest.param(frame('451-/alice,["eventsChanged",{"_placeholder":true,"num":0}]'), id="with an attachment"),
        pytest.param(frame("b" + "QUJD" * 10), id="base64"),
        pytest.param(frame("2probe"), id="a ping with content"),
        pytest.param(frame('4[["eventsChanged"]]'), id="no packet of Socket.IO"),
        pytest.param(frame(b"42/alice,\xff"), id="not UTF-8"),
    ],
)
def test_packets_that_the_platform_never_sends_are_refused(message: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.let_in()
        peer.send(message)
        peer.stay()

    with heard_from(script) as (_, heard):
        (error,) = heard.wait("error")
        assert type(error) is PryvConnectionError
        assert heard.of("eventsChanged") == []


def test_a_peer_that_does_not_read_is_disconnected() -> None:
    def script(peer: Peer) -> None:
        peer.let_in()
        while True:
            peer.send(frame("2") * 1000)

    with within(20), heard_from(script) as (_, heard):
        heard.wait("error")


def test_a_full_queue_of_pongs_ends_the_connection_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    put = _libraries._SendQueue.put

    def have_no_room_for_pongs(self: Any, item: Any, *arguments: Any) -> None:
        if item is not None and item.packet_type == engineio.packet.PONG:
            raise queue.Full
        put(self, item, *arguments)

    def script(peer: Peer) -> None:
        peer.let_in()
        peer.send("2")
        peer.stay()

    monkeypatch.setattr(_libraries._SendQueue, "put", have_no_room_for_pongs)
    with within(10), heard_from(script) as (_, heard):
        heard.wait("error")
    wait_for(lambda: not connected_clients)


# ---- in time


def drip(peer: Peer, data: bytes) -> None:
    """Send a byte now and then."""
    for byte in data:
        peer.send(bytes((byte,)))
        time.sleep(0.05)


def test_a_message_sent_byte_by_byte_is_a_timeout() -> None:
    opening = json.dumps({**OPENING, "pingInterval": 300, "pingTimeout": 200})

    def script(peer: Peer) -> None:
        peer.let_in(f"0{opening}")
        drip(peer, frame('42/alice,["eventsChanged"]' * 100))

    with within(10), heard_from(script) as (_, heard):
        heard.wait("error")


def open_and_drip(peer: Peer) -> None:
    peer.send(f"0{json.dumps(OPENING)}")
    drip(peer, frame('40/alice,{"sid":"s2"}'))


def test_an_endless_message_is_a_timeout() -> None:
    opening = json.dumps({**OPENING, "pingInterval": 300, "pingTimeout": 200})

    def script(peer: Peer) -> None:
        peer.let_in(f"0{opening}")
        endless(peer, frame("4", fin=False), frame("", CONTINUATION, fin=False) * 10_000)

    with within(4), heard_from(script) as (_, heard):
        heard.wait("error")


SLOW: dict[str, tuple[bytes | None, Callable[[Peer], object]]] = {
    "the answer to the handshake": (b"HTTP/1.1 101 ", lambda peer: drip(peer, b"x" * 1000)),
    "what refuses the handshake": (
        b"HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\n",
        lambda peer: drip(peer, b"x" * 1000),
    ),
    "the opening": (None, lambda peer: drip(peer, frame(f"0{json.dumps(OPENING)}"))),
    "the way into the namespace": (None, open_and_drip),
}


@pytest.mark.parametrize(("handshake", "script"), SLOW.values(), ids=SLOW)
def test_an_opening_sent_byte_by_byte_is_a_timeout(handshake: bytes | None, script: Callable[[Peer], object]) -> None:
    with platform(script, handshake=handshake) as connection:
        with within(5), pytest.raises(PryvConnectionError):
            SocketIO(connection).open(0.5)
        wait_for(lambda: not socket_threads())


HEADS = {
    "a line": (b"HTTP/1.1 101 ", b"x" * 10_000),
    "headers": (b"HTTP/1.1 101 Yes\r\n", b"X-More: %b\r\n" % (b"x" * 10_000)),
    "what refuses it": (b"HTTP/1.1 503 Busy\r\nContent-Length: 10000000000\r\n\r\n", b"x" * 10_000),
}


@pytest.mark.parametrize(("head", "more"), HEADS.values(), ids=HEADS)
def test_the_size_of_the_handshake_response_is_limited(head: bytes, more: bytes) -> None:
    with platform(lambda peer: endless(peer, b"", more), handshake=head) as connection:
        with within(10), pytest.raises(PryvError) as failed:
            SocketIO(connection).open(30)
        wait_for(lambda: not socket_threads())
    assert not isinstance(failed.value, PryvTimeoutError)


@pytest.mark.parametrize(
    "changes",
    [
        {"pingInterval": 1e12},
        {"pingInterval": 10**400},
        {"pingInterval": -1},
        {"pingInterval": 0, "pingTimeout": 0},
        {"pingTimeout": "20000"},
        {"pingTimeout": None},
        {"sid": None},
        {"upgrades": None},
    ],
)
def test_an_invalid_opening_is_refused(changes: dict[str, object]) -> None:
    with (
        platform(lambda peer: peer.let_in(f"0{json.dumps({**OPENING, **changes})}")) as connection,
        pytest.raises(PryvProtocolError, match=r"does not speak Socket\.IO"),
    ):
        SocketIO(connection).open()
