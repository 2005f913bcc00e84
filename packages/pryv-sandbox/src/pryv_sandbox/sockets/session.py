"""The session of a Socket.IO client: its calls, its subscriptions, its notifications."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import web

from pryv_sandbox.http.exchange import base_url, meta
from pryv_sandbox.methods import dispatch
from pryv_sandbox.methods.calls import Context, Pages, Result, read_pages
from pryv_sandbox.methods.scopes import Scope
from pryv_sandbox.model.errors import ApiError, invalid_request_structure, proof_refused, unexpected, unknown_resource
from pryv_sandbox.state.accesses import check_valid, find_by_token
from pryv_sandbox.state.changes import Change
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.sessions import check_session

logger = logging.getLogger(__name__)

_OF_KIND = {"events": "eventsChanged", "streams": "streamsChanged", "accesses": "accessesChanged"}

Ack = tuple[Any, ...]
Notification = tuple[str] | tuple[str, dict[str, Any]]


class SocketSession:
    """A client: its token, its scopes, and its pending notifications.

    Attributes:
        user: the key of the owner of the account, once a context was made.
    """

    user: int

    def __init__(self, platform: Platform, username: str, token: str, request: web.Request) -> None:
        self._username = username
        self._platform = platform
        self._token = token
        self._request = request
        self._scopes: dict[str, Scope] = {}
        self._active_scopes: dict[str, Scope] = {}
        self._outbox: asyncio.Queue[Notification | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, emit: Callable[..., Awaitable[None]], disconnect: Callable[[], Awaitable[None]]) -> None:
        """Start to send notifications."""
        self._disconnect = disconnect
        self._run(self._send(emit))

    def close(self) -> None:
        """Stop after the notifications that are pending."""
        self._outbox.put_nowait(None)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def context(self) -> Context:
        """The context of a call made now.

        Raises:
            ApiError: if the user or the access no longer exists.
        """
        user = self._platform.users.find(self._username)
        if user is None:
            raise unknown_resource("user", self._username)
        self.user = user.key
        token, _, caller_id = self._token.partition(" ")
        context = Context(
            self._platform,
            user,
            base_url(self._request),
            caller_id=caller_id or None,
            source={"name": "socket.io", "ip": self._request.remote},
        )
        context.authenticated = find_by_token(self._platform, user, token)
        if context.authenticated.key:
            raise proof_refused()
        check_valid(self._platform, context.authenticated)
        if context.authenticated.is_personal:
            check_session(self._platform, token)
        return context

    async def call(self, method_id: str, params: Any) -> Ack:
        """The acknowledgement of a call: its error, or ``None`` and its result. Notifications are sent before it."""
        try:
            subscribing = {
                "subscribe": self._subscribe, "unsubscribe": self._unsubscribe, "getSubscriptions": self._subscriptions
            }.get(method_id)  # fmt: skip
            if subscribing and self._platform.settings.subscriptions:
                ack: Ack = (None, subscribing(params if isinstance(params, dict) else {}))
            else:
                ack = (None, await self._call_api(method_id, params))
        except ApiError as error:
            ack = self._failed(error)
        except Exception as error:
            logger.exception("A call failed")
            ack = self._failed(unexpected(type(error).__name__))
        await self._outbox.join()
        return ack

    async def _call_api(self, method_id: str, params: Any) -> Result:
        result = await dispatch.call(self.context(), method_id, params)
        if any(isinstance(value, Pages) for value in result.values()):
            result = await read_pages(result, self._platform.settings.results_limit)
            return {**result, "meta": meta(self._platform)}
        return {"meta": meta(self._platform), **result}

    def _failed(self, error: ApiError) -> Ack:
        return ({"error": error.public(), "meta": meta(self._platform)},)

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
        return self._subscribed()  # after an error, as on the real platform, new scopes are there, but not active

    def _unsubscribe(self, asked: dict[str, Any]) -> Result:
        if asked.get("all") is True:
            self._scopes.clear()
        else:
            for key in asked["keys"] if isinstance(asked.get("keys"), list) else [str(asked.get("key"))]:
                self._scopes.pop(key, None)
        return self._subscribed()

    def _subscribed(self) -> Result:
        self._active_scopes = dict(self._scopes)
        return {"ok": True, "keys": list(self._scopes)}

    def _subscriptions(self, asked: dict[str, Any]) -> Result:
        return {"scopes": {key: {"kind": scope.kind, "query": scope.query} for key, scope in self._scopes.items()}}

    # ---- notifications

    def notify(self, change: Change) -> None:
        """Notify the client of a change: with the keys of the scopes that match, or only its kind without scopes."""
        if self._scopes:
            keys = [key for key, scope in self._active_scopes.items() if scope.matches(change)]
            if keys:
                self._outbox.put_nowait(("notificationsChanged", {"keys": keys}))
        elif change.kind in _OF_KIND:
            self._outbox.put_nowait((_OF_KIND[change.kind],))
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
        """After pending notifications, disconnect a client without a valid access, and drop scopes it may not read."""
        await self._outbox.join()
        try:
            context = self.context()
        except ApiError:
            await self._disconnect()
            return
        for key, scope in list(self._scopes.items()):
            try:
                self._scopes[key] = Scope(context, scope.kind, scope.query)
            except ApiError:  # noqa: PERF203
                del self._scopes[key]
        self._active_scopes = dict(self._scopes)


def _access_updated(access_id: str) -> dict[str, Any]:
    return {"type": "access-updated", "accessId": access_id, "serial": int(access_id.partition(":")[2])}
