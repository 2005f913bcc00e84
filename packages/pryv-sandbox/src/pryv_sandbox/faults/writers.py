"""Responses that are cut, delayed, or sent in small chunks."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from pryv_sandbox.http.transports import reset
from pryv_sandbox.libraries import Handler, ResponseWriter, Send


async def cut(request: web.Request, handler: Handler, after_bytes: int | None) -> web.StreamResponse:
    """Handle a request; reset the connection after ``after_bytes`` of the body, or before the headers if ``None``."""
    return await _CutWriter(request, after_bytes).respond(request, handler)


async def delay(request: web.Request, handler: Handler, seconds: float) -> web.StreamResponse:
    """Handle a request, and wait before the first byte of the response."""
    return await _LateWriter(request, seconds).respond(request, handler)


async def drip(request: web.Request, handler: Handler, size: int, interval: float) -> web.StreamResponse:
    """Handle a request, and send the body in chunks of ``size`` bytes, ``interval`` seconds apart."""
    return await _DripWriter(request, size, interval).respond(request, handler)


class _CutWriter(ResponseWriter):
    """Resets the connection after ``after_bytes`` of the body, or before the headers if ``None``."""

    def __init__(self, request: web.Request, after_bytes: int | None) -> None:
        super().__init__(request)
        self._with_headers = after_bytes is not None
        self._left = after_bytes or 0

    async def before_headers(self) -> None:
        if not self._with_headers:
            self._cut()

    async def send_body(self, chunk: bytes, send: Send) -> None:
        part = chunk[: self._left]
        self._left -= len(part)
        await send(part)
        if not self._left:
            self.send_headers()
            await _handed_over(self.transport)
            self._cut()

    def _cut(self) -> None:
        reset(self.transport)
        raise ConnectionResetError("The connection was cut on request.")


class _LateWriter(ResponseWriter):
    def __init__(self, request: web.Request, seconds: float) -> None:
        super().__init__(request)
        self._seconds = seconds

    async def before_headers(self) -> None:
        await asyncio.sleep(self._seconds)


class _DripWriter(ResponseWriter):
    def __init__(self, request: web.Request, size: int, interval: float) -> None:
        super().__init__(request)
        self._size = size
        self._interval = interval

    async def send_body(self, chunk: bytes, send: Send) -> None:
        for start in range(0, len(chunk), self._size):
            await send(chunk[start : start + self._size])
            await asyncio.sleep(self._interval)


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
