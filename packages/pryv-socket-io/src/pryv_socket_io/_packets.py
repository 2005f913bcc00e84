"""Parse the packets of Engine.IO and Socket.IO: text only, and one namespace.

See https://github.com/socketio/engine.io-protocol and https://github.com/socketio/socket.io-protocol. The libraries
accept more, and keep it in memory: binary attachments, other namespaces, events with reserved names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from pryv.addons import ChunkTooLargeError, plain

MAX_MESSAGE = 1_000_000 - 1000
"""The most bytes of data in a message: a platform closes connections that send more than 1 MB at once."""

MAX_SILENCE = 600
"""The longest time between two pings, in seconds."""

_ENGINE_PACKET = re.compile(r"[126]\Z|0\{|4[0-4]")
"""The packets that a server sends: close, ping and noop; open; message with a Socket.IO packet in text."""

_RESERVED = frozenset(("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"))
"""Reserved names, which no event can have."""

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR = range(5)

Packet = tuple[int, str, int | None, Any]
"""Type, namespace, acknowledgement id and data of a Socket.IO packet."""


def json_data(name: str, data: Any) -> Any:
    """Return data as plain JSON data that fit into a message.

    Raises:
        TypeError: a value in the data has no JSON form.
        ChunkTooLargeError: the data do not fit into a message.
        ValueError: the data contain `NaN`, an infinity or themselves, or are nested too deeply.
    """
    data = plain(data)
    size = len(json.dumps(data, separators=(",", ":")))
    if size > MAX_MESSAGE:
        raise ChunkTooLargeError(f"{name}: {size} bytes are too many for a socket; use Connection.api")
    return data


class MalformedPacketError(ValueError):
    """A message is not a packet, or its data are not what the protocol defines."""


def check_engine_packet(message: str) -> None:
    """Check that a message is an Engine.IO packet that a server sends.

    Raises:
        MalformedPacketError: it is not.
    """
    if not _ENGINE_PACKET.match(message):
        raise MalformedPacketError("not an Engine.IO packet")
    if message.startswith("0"):
        _check_open_packet(_decoded(message, 1))


def _check_open_packet(handshake: Any) -> None:
    waits = [handshake.get(name) for name in ("pingInterval", "pingTimeout")]
    if not all(isinstance(wait, (int, float)) and wait >= 0 for wait in waits):
        raise MalformedPacketError("the handshake has no ping intervals")
    if not 0 < sum(waits) <= MAX_SILENCE * 1000:
        raise MalformedPacketError(f"the ping intervals in the handshake are 0 s, or above {MAX_SILENCE} s")
    if not isinstance(handshake.get("sid"), str) or not isinstance(handshake.get("upgrades"), list):
        raise MalformedPacketError("the handshake has no session id")


def packet_parser(namespace: str) -> Callable[[str], Packet]:
    """Return a function that parses the packets of a namespace, and raises `MalformedPacketError` for anything else."""
    pattern = re.compile(rf"([0-4]){re.escape(namespace)}(?:,(\d{{1,15}})?|\Z)")

    def parse(text: str) -> Packet:
        match = pattern.match(text)
        if not match:
            raise MalformedPacketError("not a packet of this namespace")
        kind, number = int(match[1]), int(match[2]) if match[2] else None
        data = _decoded(text, match.end()) if match.end() < len(text) else None
        if not _is_valid(kind, number, data):
            raise MalformedPacketError("the data do not fit the type of the packet")
        return kind, namespace, number, data

    return parse


def _is_valid(kind: int, number: int | None, data: Any) -> bool:
    if kind == EVENT:
        return isinstance(data, list) and bool(data) and isinstance(data[0], str) and data[0] not in _RESERVED
    if kind == ACK:
        return number is not None and isinstance(data, list)
    if kind == CONNECT_ERROR:
        return isinstance(data, (Mapping, str))
    return data is None or (kind == CONNECT and isinstance(data, Mapping))


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedPacketError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def _decoded(text: str, start: int) -> Any:
    """Return the value of the JSON text that begins at `start`."""
    try:
        value, end = _decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        value, end = None, -1
    if end != len(text):
        raise MalformedPacketError("not JSON")
    return value
