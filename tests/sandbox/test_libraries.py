"""The libraries still have what `libraries` uses of them without their saying so; each test is named after it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from jsonschema import Draft4Validator
from jsonschema.validators import extend

from pryv_sandbox import Account, Sandbox, libraries

from .raw_socket import RawSocket


class Noting(libraries.ResponseWriter):
    """A writer that notes what it sends."""

    def __init__(self, request: web.Request) -> None:
        super().__init__(request)
        self.sent: list[bytes | str] = []

    async def before_headers(self) -> None:
        self.sent.append("headers")

    async def send_body(self, chunk: bytes, send: libraries.Send) -> None:
        self.sent.append(bytes(chunk))
        await send(chunk)


async def serve(
    handler: libraries.Handler, ask: Callable[[aiohttp.ClientSession, str, web.AppRunner], Awaitable[Any]]
) -> Any:
    """Serve a handler while a client asks."""
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as session:
            return await ask(session, f"http://127.0.0.1:{runner.addresses[0][1]}/", runner)
    finally:
        await runner.cleanup()


def sent(respond: libraries.Handler) -> list[bytes | str]:
    """What a writer of ours sends of a response, which arrives whole."""
    writers: list[Noting] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        writers.append(Noting(request))
        return await writers[0].respond(request, respond)

    async def ask(session: aiohttp.ClientSession, url: str, _: web.AppRunner) -> bytes:
        async with session.get(url) as response:
            return await response.read()

    body = asyncio.run(serve(handler, ask))
    assert body == b"".join(part for part in writers[0].sent if isinstance(part, bytes))
    return writers[0].sent


def test_aiohttp_request_payload_writer() -> None:
    async def respond(_: web.Request) -> web.Response:
        return web.Response(body=b"hello")

    assert sent(respond) == ["headers", b"hello"]


def test_aiohttp_stream_writer_write_and_write_eof() -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one")
        await response.write_eof(b"two")
        return response

    assert sent(respond) == ["headers", b"one", b"two"]


def test_aiohttp_file_response_enable_compression(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")

    async def respond(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(tmp_path / "file")

    assert sent(respond) == ["headers", b"content"]


def test_aiohttp_stream_writer_send_headers_and_transport() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        writer = Noting(request)
        assert writer.transport is request.transport
        await writer.write_headers("HTTP/1.1 200 OK", {"Content-Length": "0"})
        writer.send_headers()
        assert writer.output_size
        return web.Response()

    async def ask(session: aiohttp.ClientSession, url: str, _: web.AppRunner) -> int:
        async with session.get(url) as response:
            return response.status

    assert asyncio.run(serve(handler, ask)) == 200


def test_aiohttp_server_connections() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    async def ask(session: aiohttp.ClientSession, url: str, runner: web.AppRunner) -> int:
        async with session.get(url) as response:
            await response.read()
            return len(libraries.open_transports(runner))

    assert asyncio.run(serve(handler, ask)) == 1


@pytest.fixture(scope="module")
def account(pryv_sandbox: Sandbox) -> Account:
    return pryv_sandbox.create_account()


def test_socketio_packet_json(pryv_sandbox: Sandbox, account: Account) -> None:
    with RawSocket(pryv_sandbox, account.username, account.token) as raw:
        raw.connect()
        stream = {"id": "lone", "name": "a \udc00"}
        (error, result), _ = raw.call("streams.create", stream)
        assert error is None
        assert result["stream"]["name"] == "a \ufffd"


def test_socketio_server_handle_event(pryv_sandbox: Sandbox, account: Account) -> None:
    with RawSocket(pryv_sandbox, account.username, account.token) as raw:
        raw.connect()
        raw.send(f'42/{account.username},["streams.create",{{"name":"not acknowledged"}}]')
        assert raw.pending() == []
        raw.send(f'42/{account.username},1["streams.create",{{"name":"acknowledged"}}]')
        assert raw.receive() == f'42/{account.username},["streamsChanged"]'


def test_engineio_environ_aiohttp_request(pryv_sandbox: Sandbox, account: Account) -> None:
    with RawSocket(pryv_sandbox, account.username, account.token) as raw:
        (head, sid) = raw.connect().split(",", 1)
        assert head == f"40/{account.username}"
        assert json.loads(sid)["sid"]


def test_jsonschema_validator_descend() -> None:
    def first(validator: Any, schema: Any, instance: Any, _: Any) -> Any:
        yield from libraries.descend(validator, instance[0], schema, 0)

    validator = extend(Draft4Validator, {"first": first})({"first": {"type": "string"}})  # type: ignore[no-untyped-call]
    (error,) = validator.iter_errors([1])
    assert list(error.absolute_path) == [0]
