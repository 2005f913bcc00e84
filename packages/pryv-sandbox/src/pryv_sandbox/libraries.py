"""Every use of a private or undocumented name of another library.

Read in aiohttp 3.14.5, python-socketio 5.18.1, python-engineio 4.15.1 and jsonschema 4.26.0. For each name,
`tests/sandbox/test_libraries.py` has a test that fails if a later version removes it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import socketio  # type: ignore[import-untyped]
from aiohttp import typedefs, web
from aiohttp.http import StreamWriter
from jsonschema import ValidationError

from pryv_sandbox.model.json_text import loads

# ---- aiohttp

Handler = typedefs.Handler
Middleware = typedefs.Middleware
Send = Callable[[bytes], Awaitable[None]]


class ResponseWriter(StreamWriter):
    """Sends the bytes of one response; subclasses send them late, in part, or in small pieces.

    aiohttp offers no such hook, and wants none: https://github.com/aio-libs/aiohttp/issues/4845.
    """

    def __init__(self, request: web.Request) -> None:
        super().__init__(request.protocol, asyncio.get_running_loop())

    async def before_headers(self) -> None:
        """Called before the headers are sent."""

    async def send_body(self, chunk: bytes, send: Send) -> None:
        """Called with each part of the body, and with the function that sends it."""
        await send(chunk)

    async def respond(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle a request; this object sends the response.

        https://github.com/aio-libs/aiohttp/blob/v3.14.5/aiohttp/web_response.py#L468
        """
        request._payload_writer = self
        response = await handler(request)
        if isinstance(response, web.FileResponse):
            # Without it, the kernel sends the file, past this object:
            # https://github.com/aio-libs/aiohttp/blob/v3.14.5/aiohttp/web_fileresponse.py#L139
            response.enable_compression(web.ContentCoding.identity)
        return response

    async def write_headers(self, status_line: str, headers: Any) -> None:
        """Called by aiohttp."""
        await self.before_headers()
        await super().write_headers(status_line, headers)

    async def write(self, chunk: Any, **options: Any) -> None:
        """Called by aiohttp."""
        await self.send_body(chunk, partial(super().write, **options))

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Called by aiohttp."""
        if chunk:
            await self.write(chunk)
        await super().write_eof()


def open_transports(runner: web.AppRunner) -> list[asyncio.Transport]:
    """The transports of a server's open connections.

    https://github.com/aio-libs/aiohttp/blob/v3.14.5/aiohttp/web_server.py#L36
    """
    connections = runner.server.connections if runner.server else []
    return [connection.transport for connection in connections if connection.transport]


# ---- python-socketio


class _Packet(socketio.packet.Packet):  # type: ignore[misc]
    """Packets with the JSON of the API. The option ``json`` of the server sets it for clients in the process too.

    https://github.com/miguelgrinberg/python-socketio/blob/v5.18.1/src/socketio/base_server.py#L30
    """

    json = SimpleNamespace(dumps=json.dumps, loads=loads)


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]
    """A server that ignores messages without a request for acknowledgement, or without exactly one argument.

    The real platform does so. A handler is not passed whether an acknowledgement is requested, and any value that it
    returns is sent as one: https://github.com/miguelgrinberg/python-socketio/blob/v5.18.1/src/socketio/async_server.py#L632.
    """

    _OTHER_HANDLERS = ("connect", "disconnect")

    def __init__(self, **options: Any) -> None:
        super().__init__(serializer=_Packet, **options)

    async def _handle_event(self, eio_sid: str, namespace: str, ack_id: int | None, data: list[Any]) -> None:
        if ack_id is not None and len(data) == 2 and data[0] not in self._OTHER_HANDLERS:
            await super()._handle_event(eio_sid, namespace, ack_id, data)


def request_of(environ: dict[str, Any]) -> web.Request:
    """The request that opened a socket.

    https://github.com/miguelgrinberg/python-engineio/blob/v4.15.1/src/engineio/async_drivers/aiohttp.py#L41
    """
    request: web.Request = environ["aiohttp.request"]
    return request


# ---- jsonschema


def descend(validator: Any, value: Any, schema: dict[str, Any], path: str | int) -> Iterator[ValidationError]:
    """The errors of a member of the value that is being validated.

    The functions for keywords use it, but it is not passed to them:
    https://github.com/python-jsonschema/jsonschema/blob/v4.26.0/jsonschema/validators.py#L396
    """
    yield from validator.descend(value, schema, path=path)
