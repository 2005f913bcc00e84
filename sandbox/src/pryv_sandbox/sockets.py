"""The Socket.IO interface: API calls over a WebSocket, and notifications of changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import socketio  # type: ignore[import-untyped]
from aiohttp import web

from pryv_sandbox import accounts
from pryv_sandbox.api import Context, Pages, Result, gather
from pryv_sandbox.changes import Change
from pryv_sandbox.errors import ApiError, invalid_request_structure, unknown_resource
from pryv_sandbox.exchange import base_url, json_response, meta
from pryv_sandbox.faults import reset
from pryv_sandbox.platform import Platform
from pryv_sandbox.scopes import Scope

_NAMESPACE = re.compile(r".*/(?P<username>[a-zA-Z0-9][a-zA-Z0-9-]{3,58}[a-zA-Z0-9])/?")
_COARSE = {"events": "eventsChanged", "streams": "streamsChanged", "accesses": "accessesChanged"}

Ack = tuple[Any, ...]
Notification = tuple[str] | tuple[str, dict[str, Any]]
RunOnLoop = Callable[[Coroutine[Any, Any, None]], None]


class _Server(socketio.AsyncServer):  # type: ignore[misc]
    """A server to whom a message that asks for no acknowledgement is no call."""

    async def _handle_event(self, eio_sid: str, namespace: str, ack_id: int | None, data: list[Any]) -> None:
        if ack_id is not None and data[0] not in self.reserved_events:
            await super()._handle_event(eio_sid, namespace, ack_id, data)


class Sockets:
    """The open Socket.IO connections of a platform."""

    def __init__(self, platform: Platform, run_on_loop: RunOnLoop, ping_interval: float, ping_timeout: float) -> None:
        self._platform = platform
        self._run_on_loop = run_on_loop
        self._pings = {"ping_interval": ping_interval, "ping_timeout": ping_timeout}
        self._connections: dict[str, _Connection] = {}
        self._transports: set[asyncio.Transport] = set()
        platform.listeners.append(self._on_change)

    @property
    def count(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def disconnect_all(self) -> None:
        """Reset every connection."""
        self._run_on_loop(self._reset_all())

    async def _reset_all(self) -> None:
        for transport in self._transports:
            reset(transport)

    def attach(self, app: web.Application) -> None:
        """Take the connections made to an application."""
        server = _Server(namespaces="*", cors_allowed_origins="*", transports=["websocket"], **self._pings)
        server.on("connect", partial(self._connect, server), namespace="*")
        server.on("disconnect", self._disconnect, namespace="*")
        server.on("*", partial(self._call, server.not_handled), namespace="*")

        async def handle(request: web.Request) -> web.StreamResponse:
            if request.query.get("transport") != "websocket":
                return json_response({"code": 0, "message": "Transport unknown"}, 400)
            if request.query.get("EIO") != "4" or request.headers.get("Upgrade", "").lower() != "websocket":
                return json_response({"code": 3, "message": "Bad request"}, 400)
            assert request.transport  # noqa: S101
            self._transports.add(request.transport)
            try:
                response: web.StreamResponse = await server.handle_request(request)
            finally:
                self._transports.discard(request.transport)
            return response

        async def shut_down(_: web.Application) -> None:
            await server.shutdown()

        app.router.add_route("*", "/socket.io/", handle)
        app.on_cleanup.append(shut_down)

    async def _connect(self, server: Any, namespace: str, sid: str, environ: dict[str, Any], _: Any) -> None:
        match = _NAMESPACE.fullmatch(namespace)
        if not match:
            raise socketio.exceptions.ConnectionRefusedError(f'Invalid resource "{namespace}".')
        request = environ["aiohttp.request"]
        token = request.query.get("auth")
        if token is None:
            raise socketio.exceptions.ConnectionRefusedError("Missing 'auth' parameter with a valid access token.")
        connection = _Connection(self._platform, match["username"], token, request)
        try:
            connection.context()
        except ApiError as error:
            raise socketio.exceptions.ConnectionRefusedError(error.message, error.data) from None
        connection.open(partial(server.emit, to=sid, namespace=namespace), partial(server.disconnect, sid, namespace))
        self._connections[sid] = connection

    async def _disconnect(self, namespace: str, sid: str, reason: str) -> None:
        connection = self._connections.pop(sid, None)
        if connection:
            connection.close()

    async def _call(self, unanswered: Any, method_id: str, namespace: str, sid: str, *arguments: Any) -> Any:
        """Carry a call out; one without exactly one argument is never answered, as on the real platform."""
        connection = self._connections.get(sid)
        if connection is None or len(arguments) != 1:
            return unanswered
        return await connection.call(method_id, arguments[0])

    def _on_change(self, change: Change) -> None:
        for connection in self._connections.values():
            if connection.username == change.username:
                connection.tell(change)


class _Connection:
    """One client: what it may do, what it listens to, and what it is still to be told."""

    def __init__(self, platform: Platform, username: str, token: str, request: web.Request) -> None:
        self.username = username
        self._platform = platform
        self._token = token
        self._request = request
        self._scopes: dict[str, Scope] = {}
        self._outbox: asyncio.Queue[Notification | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, emit: Callable[..., Awaitable[None]], hang_up: Callable[[], Awaitable[None]]) -> None:
        """Begin to send."""
        self._hang_up = hang_up
        self._run(self._send(emit))

    def close(self) -> None:
        """Send no more than what is waiting."""
        self._outbox.put_nowait(None)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def context(self) -> Context:
        """The context of a call made now.

        Raises:
            ApiError: if the user or the access is no longer there.
        """
        user = accounts.find(self._platform, self.username)
        if user is None:
            raise unknown_resource("user", self.username)
        token, _, caller_id = self._token.partition(" ")
        context = Context(self._platform, user, base_url(self._request), caller_id=caller_id or None)
        context.authenticated = self._platform.access(user, token)
        if context.authenticated.is_personal:
            accounts.check_session(self._platform, token)
        return context

    async def call(self, method_id: str, params: Any) -> Ack:
        """The acknowledgement of a call: its error, or ``None`` and its result; what it changed is told first."""
        try:
            subscribing = {
                "subscribe": self._subscribe, "unsubscribe": self._unsubscribe, "getSubscriptions": self._subscriptions
            }.get(method_id)  # fmt: skip
            if subscribing:
                ack: Ack = (None, subscribing(params if isinstance(params, dict) else {}))
            else:
                ack = (None, await self._call_api(method_id, params))
        except ApiError as error:
            ack = ({"error": error.public(), "meta": meta(self._platform)},)
        await self._outbox.join()
        return ack

    async def _call_api(self, method_id: str, params: Any) -> Result:
        result = await self._platform.call(self.context(), method_id, params)
        if any(isinstance(value, Pages) for value in result.values()):
            result = await gather(result, self._platform.settings.results_limit)
            return {**result, "meta": meta(self._platform)}
        return {"meta": meta(self._platform), **result}

    # ---- subscriptions

    def _subscribe(self, asked: dict[str, Any]) -> Result:
        if isinstance(asked.get("scopes"), dict):
            scopes = asked["scopes"]
        elif asked.get("key") is not None:
            scopes = {asked["key"]: asked}
        else:
            raise invalid_request_structure("subscribe requires { key, query } or { scopes: { key: { query } } }")
        context = self.context()
        for key, scope in scopes.items():
            self._scopes[key] = Scope(context, scope.get("kind") or "events", scope.get("query") or {})
        return self._subscribed()

    def _unsubscribe(self, asked: dict[str, Any]) -> Result:
        if asked.get("all") is True:
            self._scopes.clear()
        else:
            for key in asked["keys"] if isinstance(asked.get("keys"), list) else [str(asked.get("key"))]:
                self._scopes.pop(key, None)
        return self._subscribed()

    def _subscribed(self) -> Result:
        return {"ok": True, "keys": list(self._scopes)}

    def _subscriptions(self, asked: dict[str, Any]) -> Result:
        return {"scopes": {key: {"kind": scope.kind, "query": scope.query} for key, scope in self._scopes.items()}}

    # ---- notifications

    def tell(self, change: Change) -> None:
        """Notify the client of a change: by the keys of its scopes that match, or coarsely if it has no scopes."""
        if self._scopes:
            keys = [key for key, scope in self._scopes.items() if scope.matches(change)]
            if keys:
                self._outbox.put_nowait(("notificationsChanged", {"keys": keys}))
        else:
            self._outbox.put_nowait((_COARSE[change.kind],))
        if change.kind == "accesses":
            if change.action == "update":
                self._outbox.put_nowait(("accessUpdated", _access_updated(change.item["id"])))
            self._run(self._revalidate())

    async def _send(self, emit: Callable[..., Awaitable[None]]) -> None:
        while True:
            notification = await self._outbox.get()
            if notification:
                await emit(*notification)
            self._outbox.task_done()
            if notification is None:
                return

    async def _revalidate(self) -> None:
        """Once the client has its notifications, hang up if its access is gone; drop scopes it no longer reaches."""
        await self._outbox.join()
        try:
            context = self.context()
        except ApiError:
            await self._hang_up()
            return
        for key, scope in list(self._scopes.items()):
            try:
                self._scopes[key] = Scope(context, scope.kind, scope.query)
            except ApiError:  # noqa: PERF203
                del self._scopes[key]


def _access_updated(access_id: str) -> dict[str, Any]:
    return {"type": "access-updated", "accessId": access_id, "serial": int(access_id.partition(":")[2])}
