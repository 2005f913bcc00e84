"""Responses that are cut, delayed, or sent in small chunks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http import StreamWriter

from pryv_sandbox.http.transports import reset

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def cut(request: web.Request, handler: Handler, after_bytes: int | None) -> web.StreamResponse:
    """Handle a request; reset the connection after ``after_bytes`` of the body, or before the headers if ``None``."""
    return await _written_by(_CutWriter(request, after_bytes), request, handler)


async def delay(request: web.Request, handler: Handler, seconds: float) -> web.StreamResponse:
    """Handle a request, and wait before the first byte of the response."""
    return await _written_by(_LateWriter(request, seconds), request, handler)


async def drip(request: web.Request, handler: Handler, size: int, interval: float) -> web.StreamResponse:
    """Handle a request, and send the body in chunks of ``size`` bytes, ``interval`` seconds apart."""
    return await _written_by(_DripWriter(request, size, interval), request, handler)


async def _written_by(writer: StreamWriter, request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler's response, all of whose bytes go through a writer.

    aiohttp has no public way to set one; ``_payload_writer`` was read in 3.14.
    """
    request._payload_writer = writer
    response = await handler(request)
    if isinstance(response, web.FileResponse):
        response.enable_compression(
            web.ContentCoding.identity
        )  # with sendfile(), the bytes would not go through the writer
    return response


class _FaultyWriter(StreamWriter):
    def __init__(self, request: web.Request) -> None:
        super().__init__(request.protocol, asyncio.get_running_loop())


class _CutWriter(_FaultyWriter):
    """Resets the connection after ``after_bytes`` of the body, or before the headers if ``None``."""

    def __init__(self, request: web.Request, after_bytes: int | None) -> None:
        super().__init__(request)
        self._with_headers = after_bytes is not None
        self._left = after_bytes or 0

    async def write_headers(self, status_line: str, headers: Any) -> None:
        if not self._with_headers:
            self._cut()
        await super().write_headers(status_line, headers)

    async def write(self, chunk: Any, **options: Any) -> None:
        part = chunk[: self._left]
        self._left -= len(part)
        await super().write(part, **options)
        if not self._left:
            self.send_headers()
            await _handed_over(self.transport)
            self._cut()

    async def write_eof(self, chunk: bytes = b"") -> None:
        if chunk:
            await self.write(chunk)
        await super().write_eof()

    def _cut(self) -> None:
        reset(self.transport)
        raise ConnectionResetError("The connection was cut on request.")


class _LateWriter(_FaultyWriter):
    def __init__(self, request: web.Request, seconds: float) -> None:
        super().__init__(request)
        self._seconds = seconds

    async def write_headers(self, status_line: str, headers: Any) -> None:
        await asyncio.sleep(self._seconds)
        await super().write_headers(status_line, headers)


class _DripWriter(_FaultyWriter):
    def __init__(self, request: web.Request, size: int, interval: float) -> None:
        super().__init__(request)
        self._size = size
        self._interval = interval

    async def write(self, chunk: Any, **options: Any) -> None:
        for start in range(0, len(chunk), self._size):
            await super().write(chunk[start : start + self._size], **options)
            await asyncio.sleep(self._interval)

    async def write_eof(self, chunk: bytes = b"") -> None:
        if chunk:
            await self.write(chunk)
        await super().write_eof()


async def _handed_over(transport: asyncio.Transport | None) -> None:
    """Wait until the peer has all bytes that were written: a reset discards those that are not acknowledged."""
    while transport is not None and not transport.is_closing() and _unsent(transport):
        await asyncio.sleep(0.001)


def _unsent(transport: asyncio.Transport) -> int:
    waiting = transport.get_write_buffer_size()
    if sys.platform == "linux" and not waiting:
        from fcntl import ioctl
        from termios import TIOCOUTQ

        unsent = ioctl(transport.get_extra_info("socket"), TIOCOUTQ, bytes(4))
        waiting = int.from_bytes(unsent, sys.byteorder)
    return waiting
