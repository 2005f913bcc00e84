"""The WebSocket under a connection: bounded in time and size, ended from any thread at any moment, silent in logs."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from typing import Any, NoReturn

from pryv import ResponseTooLargeError
from pryv.addons import parsed_size
from pryv_socket_io._handle import Handle
from pryv_socket_io._libraries import isolated, websocket
from pryv_socket_io._packets import MalformedPacketError, check
from pryv_socket_io._stream import Stream, TooManyBytesError

_HANDSHAKE = 1 << 16
"""Bytes of an answer to the handshake, with what a server that refuses it has to say."""

_FRAME_HEAD = 14
"""Bytes that a frame has before its content, at most (https://www.rfc-editor.org/rfc/rfc6455#section-5.2)."""

_SMALL = 1 << 20
"""Bytes of a message that takes little memory, whatever it says."""

_PARSED = 16
"""How many times `Limits.frame` a message and what is made of it may take together."""

_TEXT, _CLOSE = websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_CLOSE


class WebSocket(websocket.WebSocket):
    """A WebSocket for one connection.

    Each message has to come within its timeout as a whole: a platform that sends it byte by byte is as good as silent.

    Args:
        dial: Opens the connection, and tells of every socket before it is connected.
        limit: Bytes of a message, `Limits.frame`; `None` for any number.

    Attributes:
        failure: Why it was not read any further, if it was for what came.
    """

    def __init__(self, dial: Callable[[Callable[[socket.socket], None]], Stream], limit: int | None) -> None:
        super().__init__(skip_utf8_validation=True)  # what is decoded is validated
        self.failure: ResponseTooLargeError | None = None
        self._dial = dial
        self._limit = limit
        self._handle = Handle()
        self._stream: Stream | None = None

    def connect(self, url: str, **options: Any) -> None:
        """Dial, and change from HTTP to WebSocket."""
        self._stream = self._dial(self._handle.hold)
        self._stream.expect(options.get("timeout"), _HANDSHAKE)
        with isolated():
            super().connect(url, **{**options, "socket": self._stream})  # type: ignore[no-untyped-call]

    def cut(self) -> None:
        """End the connection, or the attempt to make it: whoever waits on it, wakes."""
        self._handle.cut()

    def release(self) -> None:
        """Give back what is held; nobody may be using the socket any more."""
        self.cut()
        self.shutdown()  # type: ignore[no-untyped-call]
        self._handle.release()

    def send(self, *arguments: Any, **options: Any) -> int:
        """Send a message."""
        with isolated():
            return super().send(*arguments, **options)

    def recv(self) -> str:
        """Receive a message; an empty one stands for the end.

        Raises:
            ResponseTooLargeError: it is larger than the limit.
            MalformedPacketError: it is not a packet of Engine.IO's.
        """
        opcode, content = self._receive()
        if opcode == _CLOSE:
            return ""
        if opcode != _TEXT:
            raise MalformedPacketError("a binary message")
        packet = content.decode()
        check(packet)
        return packet

    def _receive(self) -> tuple[int, bytes]:
        assert self._stream is not None  # noqa: S101
        limit = math.inf if self._limit is None else self._limit
        self._stream.expect(self.gettimeout(), limit + _FRAME_HEAD)
        try:
            with isolated():
                opcode, content = self.recv_data()
        except TooManyBytesError:
            opcode, content = _CLOSE, None
        if content is None or len(content) > limit:
            self._refuse(f"has more than {limit} bytes (Limits.frame)")
        if len(content) > _SMALL and parsed_size(content) > _PARSED * limit:
            self._refuse(f"takes more than {_PARSED * limit} bytes once parsed, {_PARSED} times Limits.frame")
        return opcode, content

    def _refuse(self, problem: str) -> NoReturn:
        self.failure = ResponseTooLargeError(f"socket: a message {problem}")
        raise self.failure
