"""Faults that a platform simulates: a fault is armed for a number of requests."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from aiohttp import web

from pryv_sandbox.faults import writers
from pryv_sandbox.http.transports import reset
from pryv_sandbox.libraries import Handler
from pryv_sandbox.state.clock import Clock

Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]

ERROR_IDS = {401: "invalid-access-token", 403: "forbidden", 404: "unknown-resource", 429: "too-many-requests"}


class Faults:
    """The faults of one platform; a new platform has none.

    Every method that arms a fault takes ``times``, the number of requests that the fault affects, and two filters:
    ``method``, an HTTP method, and ``path``, a regular expression that is searched in the path of the request. At most
    one fault affects a request: the first armed of those that match.
    """

    def __init__(self, clock: Clock, refuse: Callable[[], AbstractContextManager[None]]) -> None:
        self._clock = clock
        self._refuse = refuse
        self._armed: list[_Armed] = []
        self._lock = Lock()

    @property
    def armed(self) -> int:
        """The number of requests that faults will still affect."""
        with self._lock:
            return sum(armed.times for armed in self._armed)

    @property
    def skew(self) -> float:
        """The seconds by which the platform's clock is ahead of the machine's clock."""
        return self._clock.skew

    @skew.setter
    def skew(self, seconds: float) -> None:
        self._clock.skew = seconds

    def refuse(self) -> AbstractContextManager[None]:
        """Refuse connections inside this context; those that are open are reset first."""
        return self._refuse()

    def clear(self) -> None:
        """Disarm all faults, and reset the clock."""
        with self._lock:
            self._armed.clear()
        self.skew = 0.0

    def status(
        self,
        code: int,
        *,
        times: int = 1,
        method: str | None = None,
        path: str | None = None,
        retry_after: float | str | None = None,
        body: bytes | dict[str, Any] | None = None,
    ) -> None:
        """Respond with a status, and do not execute the request; without ``body``, the body is an API error."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if body is None:
            body = _error(ERROR_IDS.get(code, "unexpected-error"), f"Asked to respond with status {code}.")

        async def respond(request: web.Request, handler: Handler) -> web.StreamResponse:
            if isinstance(body, bytes):
                return web.Response(body=body, status=code, headers=headers)
            return web.json_response(body, status=code, headers=headers)

        self._arm(respond, times, method, path)

    def wrong_core(self, core_url: str, *, times: int = 1, method: str | None = None, path: str | None = None) -> None:
        """Respond that the account is on another core."""
        body = _error("wrong-core", "The account is hosted on another core.", {"coreUrl": core_url})
        self.status(421, times=times, method=method, path=path, body=body)

    def relocated(self, url: str, *, times: int = 1, method: str | None = None, path: str | None = None) -> None:
        """Respond that the account has moved to the platform at ``url``, with the URL of the request there."""

        async def respond(request: web.Request, handler: Handler) -> web.StreamResponse:
            place = url.rstrip("/") + request.path_qs
            body = _error("user-account-relocated", "The account has moved.", {"url": place})
            return web.json_response(body, status=301, headers={"Location": place})

        self._arm(respond, times, method, path)

    def cut(
        self,
        *,
        after_bytes: int | None = None,
        executed: bool = True,
        times: int = 1,
        method: str | None = None,
        path: str | None = None,
    ) -> None:
        """Reset the connection before the first byte of the response, or after ``after_bytes`` of its body.

        With ``executed=False``, the connection is reset before the request is executed.
        """
        if after_bytes is not None and not executed:
            raise ValueError("a request that is not executed has no response to cut")

        async def cut(request: web.Request, handler: Handler) -> web.StreamResponse:
            if executed:
                return await writers.cut(request, handler, after_bytes)
            await request.read()
            reset(request.transport)
            return web.Response()

        self._arm(cut, times, method, path)

    def delay(self, seconds: float, *, times: int = 1, method: str | None = None, path: str | None = None) -> None:
        """Execute the request, then wait before the first byte of the response."""

        async def delay(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await writers.delay(request, handler, seconds)

        self._arm(delay, times, method, path)

    def stall(self, *, times: int = 1, method: str | None = None, path: str | None = None) -> None:
        """Read the request, and neither execute it nor respond."""

        async def stall(request: web.Request, handler: Handler) -> web.StreamResponse:
            never: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
            return await never

        self._arm(stall, times, method, path)

    def drip(
        self,
        *,
        chunk: int = 1,
        interval: float = 0.05,
        times: int = 1,
        method: str | None = None,
        path: str | None = None,
    ) -> None:
        """Send the body in chunks of ``chunk`` bytes, ``interval`` seconds apart."""

        async def drip(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await writers.drip(request, handler, chunk, interval)

        self._arm(drip, times, method, path)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Apply the fault that is armed for a request, if any; a client that has disconnected is ignored."""
        fault = self._next_for(request)
        try:
            return await (fault(request, handler) if fault else handler(request))
        except ConnectionResetError:
            return web.Response()

    def _arm(self, fault: Fault, times: int, method: str | None, path: str | None) -> None:
        with self._lock:
            self._armed.append(_Armed(fault, times, method, re.compile(path or "")))

    def _next_for(self, request: web.Request) -> Fault | None:
        with self._lock:
            for armed in self._armed:
                if armed.matches(request):
                    armed.times -= 1
                    if not armed.times:
                        self._armed.remove(armed)
                    return armed.fault
        return None


@dataclass
class _Armed:
    fault: Fault
    times: int
    method: str | None
    path: re.Pattern[str]

    def matches(self, request: web.Request) -> bool:
        return self.method in (None, request.method) and self.path.search(request.path) is not None


def _error(error_id: str, message: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"error": {"id": error_id, "message": message, **({"data": data} if data else {})}}
