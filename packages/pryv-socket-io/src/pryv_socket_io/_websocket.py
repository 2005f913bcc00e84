"""A WebSocket that is limited in time and size, can be aborted from any thread, and logs nothing."""

from __future__ import annotations

import http
import math
import socket
from collections.abc import Callable
from typing import Any, NoReturn

from pryv import ResponseTooLargeError
from pryv.addons import parsed_size
from pryv_socket_io._abort import AbortHandle
from pryv_socket_io._libraries import isolated, websocket
from pryv_socket_io._packets import MalformedPacketError, check_engine_packet
from pryv_socket_io._stream import ReadLimitError, Stream

_HANDSHAKE = 1 << 16
"""The most bytes of the response to the handshake, with the body of an error response."""

_FRAME_HEAD = 14
"""The most bytes of a frame's header (https://www.rfc-editor.org/rfc/rfc6455#section-5.2)."""

_SMALL = 1 << 20
"""The parsed size of a message with fewer bytes is not estimated."""

_PARSED = 16
"""A parsed message may take this many times `Limits.frame`."""

_TEXT, _CLOSE = websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_CLOSE


class WebSocket(websocket.WebSocket):
    """A WebSocket for one connection.

    A whole message must arrive within the timeout: a platform that sends single bytes counts as silent.

    Args:
        open_stream: Connects, and calls its argument with every socket before it is connected.
        limit: The most bytes of a message, `Limits.frame`; `None` for no limit.

    Attributes:
        failure: The error for a message that is too large, `None` if there was none.
    """

    def __init__(self, open_stream: Callable[[Callable[[socket.socket], None]], Stream], limit: int | None) -> None:
        super().__init__(skip_utf8_validation=True)  # decoding validates it
        self.failure: ResponseTooLargeError | None = None
        self._open_stream = open_stream
        self._limit = limit
        self._abort_handle = AbortHandle()
        self._stream: Stream | None = None

    def connect(self, url: str, **options: Any) -> None:
        """Connect, and make the handshake."""
        self._stream = self._open_stream(self._abort_handle.attach)
        self._stream.limit_reads(options.get("timeout"), _HANDSHAKE)
        with isolated():
            super().connect(url, **{**options, "socket": self._stream})  # type: ignore[no-untyped-call]
        # Version 1.6 counts a redirect as a success: https://github.com/websocket-client/websocket-client/issues/952
        if self.getstatus() != http.HTTPStatus.SWITCHING_PROTOCOLS:
            raise websocket.WebSocketException("the handshake was redirected")

    def abort(self) -> None:
        """End the connection, or the attempt to connect, and wake the threads that wait for it."""
        self._abort_handle.abort()

    def release(self) -> None:
        """Close the socket, which no other thread may be using."""
        self.abort()
        self.shutdown()  # type: ignore[no-untyped-call]
        self._abort_handle.detach()

    def send(self, *arguments: Any, **options: Any) -> int:
        """Send a message."""
        with isolated():
            return super().send(*arguments, **options)

    def recv(self) -> str:
        """Receive a message; an empty one means that the platform closed the WebSocket.

        Raises:
            ResponseTooLargeError: it is larger than the limit.
            MalformedPacketError: it is not an Engine.IO packet.
        """
        opcode, content = self._receive()
        if opcode == _CLOSE:
            return ""
        if opcode != _TEXT:
            raise MalformedPacketError("a binary message")
        packet = content.decode()
        check_engine_packet(packet)
        return packet

    def _receive(self) -> tuple[int, bytes]:
        assert self._stream is not None  # noqa: S101
        limit = math.inf if self._limit is None else self._limit
        self._stream.limit_reads(self.gettimeout(), limit + _FRAME_HEAD)
        try:
            with isolated():
                opcode, content = self.recv_data()
        except ReadLimitError:
            opcode, content = _CLOSE, None
        if content is None or len(content) > limit:
            self._refuse(f"has more than {limit} bytes (Limits.frame)")
        if len(content) > _SMALL and parsed_size(content) > _PARSED * limit:
            self._refuse(f"takes more than {_PARSED * limit} bytes once parsed, {_PARSED} times Limits.frame")
        return opcode, content

    def _refuse(self, problem: str) -> NoReturn:
        self.failure = ResponseTooLargeError(f"socket: a message {problem}")
        raise self.failure
