"""What goes over a socket: packets of Engine.IO and Socket.IO, in text, for one namespace.

See https://github.com/socketio/engine.io-protocol and https://github.com/socketio/socket.io-protocol. The libraries
take more, and hold on to it: binary parts, other namespaces, events named as their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from pryv.addons import ChunkTooLargeError, plain

MAX_MESSAGE = 1_000_000 - 1000
"""Bytes of data that fit in a message: a platform cuts connections that send more than 1 MB at once."""

LONGEST_SILENCE = 600
"""Seconds between two pings, at most."""

_ENGINE_PACKET = re.compile(r"[126]\Z|0\{|4[0-4]")
"""A close, a ping or nothing; the opening; a packet of Socket.IO without binary parts."""

_RESERVED = frozenset(("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"))
"""Names that an event cannot have."""

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR = range(5)

Packet = tuple[int, str, int | None, Any]
"""The type, namespace, number and data of a packet of Socket.IO's."""


def checked_data(name: str, data: Any) -> Any:
    """Return a message's data as the plain JSON data that can be sent.

    Raises:
        TypeError: something in it has no JSON form.
        ChunkTooLargeError: it is more than a message holds.
        ValueError: it holds `NaN`, an infinity or itself, or is nested too deeply.
    """
    data = plain(data)
    size = len(json.dumps(data, separators=(",", ":")))
    if size > MAX_MESSAGE:
        raise ChunkTooLargeError(f"{name}: {size} bytes are too many for a socket; Connection.api takes more")
    return data


class MalformedPacketError(ValueError):
    """What came is no packet, or not of the form that the protocol gives it."""


def check(message: str) -> None:
    """See that a message is a packet of Engine.IO's.

    Raises:
        MalformedPacketError: it is not.
    """
    if not _ENGINE_PACKET.match(message):
        raise MalformedPacketError("not a packet of Engine.IO's")
    if message.startswith("0"):
        _check_opening(_decoded(message, 1))


def _check_opening(opening: Any) -> None:
    waits = [opening.get(name) for name in ("pingInterval", "pingTimeout")]
    if not all(isinstance(wait, (int, float)) and wait >= 0 for wait in waits):
        raise MalformedPacketError("an opening without intervals")
    if not 0 < sum(waits) <= LONGEST_SILENCE * 1000:
        raise MalformedPacketError(f"an opening with no pings, or more than {LONGEST_SILENCE} s between them")
    if not isinstance(opening.get("sid"), str) or not isinstance(opening.get("upgrades"), list):
        raise MalformedPacketError("an opening without a session")


def parser(namespace: str) -> Callable[[str], Packet]:
    """Return what reads the packets of a namespace, and raises a `MalformedPacketError` for anything else."""
    pattern = re.compile(rf"([0-4]){re.escape(namespace)}(?:,(\d{{1,15}})?|\Z)")

    def parse(text: str) -> Packet:
        match = pattern.match(text)
        if not match:
            raise MalformedPacketError("not a packet of the namespace")
        kind, number = int(match[1]), int(match[2]) if match[2] else None
        data = _decoded(text, match.end()) if match.end() < len(text) else None
        if not _is_sound(kind, number, data):
            raise MalformedPacketError("a packet of another form")
        return kind, namespace, number, data

    return parse


def _is_sound(kind: int, number: int | None, data: Any) -> bool:
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
    """Return the value of the JSON that a text has from some place to its end."""
    try:
        value, end = _decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        value, end = None, -1
    if end != len(text):
        raise MalformedPacketError("not JSON")
    return value
