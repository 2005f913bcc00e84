"""The Socket.IO interface: API calls over a WebSocket, and notifications of changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import socketio  # type: ignore[import-untyped]
from aiohttp import web

from pryv_sandbox.http.exchange import json_response
from pryv_sandbox.http.transports import reset
from pryv_sandbox.libraries import SocketServer, request_of
from pryv_sandbox.model.errors import ApiError
from pryv_sandbox.sockets.session import SocketSession
from pryv_sandbox.state.changes import Change
from pryv_sandbox.state.platform import Platform

_NAMESPACE = re.compile(r".*/(?P<username>[a-zA-Z0-9][a-zA-Z0-9-]{3,58}[a-zA-Z0-9])/?")

RunOnLoop = Callable[[Coroutine[Any, Any, None]], None]


class Sockets:
    """The open Socket.IO connections of a platform."""

    def __init__(self, platform: Platform, run_on_loop: RunOnLoop, ping_interval: float, ping_timeout: float) -> None:
        self._platform = platform
        self._run_on_loop = run_on_loop
        self._pings = {"ping_interval": ping_interval, "ping_timeout": ping_timeout}
        self._sessions: dict[str, SocketSession] = {}
        self._transports: set[asyncio.Transport] = set()
        platform.listeners.append(self._on_change)

    @property
    def count(self) -> int:
        """The number of open connections."""
        return len(self._sessions)

    def disconnect_all(self) -> None:
        """Reset every connection."""
        self._run_on_loop(self._reset_all())

    async def _reset_all(self) -> None:
        for transport in self._transports:
            reset(transport)

    def attach(self, app: web.Application) -> None:
        """Add the path of sockets to an application."""
        server = SocketServer(namespaces="*", cors_allowed_origins="*", transports=["websocket"], **self._pings)
        server.on("connect", partial(self._connect, server), namespace="*")
        server.on("disconnect", self._disconnect, namespace="*")
        server.on("*", self._call, namespace="*")

        async def handle(request: web.Request) -> web.StreamResponse:
            if request.query.get("transport") != "websocket":
                return json_response({"code": 0, "message": "Transport unknown"}, 400)
            if request.query.get("EIO") != "4" or request.headers.get("Upgrade", "").lower() != "websocket":
                return json_response({"code": 3, "message": "Bad request"}, 400)
            transport = request.transport
            assert transport  # noqa: S101
            self._transports.add(transport)
            try:
                response: web.StreamResponse = await server.handle_request(request)
            finally:
                self._transports.discard(transport)
            return response

        async def shut_down(_: web.Application) -> None:
            await server.shutdown()
            self._sessions.clear()

        app.router.add_route("*", "/socket.io/", handle)
        app.on_cleanup.append(shut_down)

    async def _connect(self, server: Any, namespace: str, sid: str, environ: dict[str, Any], auth: Any) -> None:
        match = _NAMESPACE.fullmatch(namespace)
        if not match:
            raise socketio.exceptions.ConnectionRefusedError(f'Invalid resource "{namespace}".')
        request = request_of(environ)
        token = request.query.get("auth")
        if token is None:
            raise socketio.exceptions.ConnectionRefusedError("Missing 'auth' parameter with a valid access token.")
        session = SocketSession(self._platform, match["username"], token, request)
        try:
            session.context()
        except ApiError as error:
            raise socketio.exceptions.ConnectionRefusedError(error.message, error.data) from None
        session.open(partial(server.emit, to=sid, namespace=namespace), partial(server.disconnect, sid, namespace))
        self._sessions[sid] = session

    async def _disconnect(self, namespace: str, sid: str, reason: str) -> None:
        session = self._sessions.pop(sid, None)
        if session:
            session.close()

    async def _call(self, method_id: str, namespace: str, sid: str, params: Any) -> Any:
        session = self._sessions.get(sid)
        return await session.call(method_id, params) if session else None

    def _on_change(self, change: Change) -> None:
        for session in self._sessions.values():
            if session.user == change.user:
                session.notify(change)
