"""The paths of the points of series."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from aiohttp import web

from pryv_sandbox.http.exchange import PLATFORM, authenticate, call_context, is_dpop, json_response, meta, read_json
from pryv_sandbox.methods import series
from pryv_sandbox.methods.calls import Context
from pryv_sandbox.model.errors import ApiError, invalid_parameters, proof_refused

routes = web.RouteTableDef()


def _handler(
    handle: Callable[[web.Request, Context], Awaitable[dict[str, Any]]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler of an authenticated call. On these paths errors have no ``meta``, and only the header has a token."""

    @wraps(handle)
    async def handle_call(request: web.Request) -> web.Response:
        try:
            token = request.headers.get("Authorization")
            if token is None:
                status = 401 if request.method == "GET" else 400
                raise ApiError(status, "missing-header", 'Missing expected header "authorization"')
            context = call_context(request)
            if is_dpop(request):
                raise proof_refused()
            authenticate(request, context, token)
            if context.access.key:
                raise proof_refused()
            result = await handle(request, context)
        except ApiError as error:
            return json_response({"error": error.public()}, error.status)
        return json_response({**result, "meta": meta(request.app[PLATFORM])})

    return handle_call


@routes.post("/{username}/events/{id}/series")
@_handler
async def _add(request: web.Request, context: Context) -> dict[str, Any]:
    series.add_points(context, [(request.match_info["id"], await read_json(request))])
    return {"status": "ok"}


@routes.post("/{username}/series/batch")
@_handler
async def _add_batch(request: web.Request, context: Context) -> dict[str, Any]:
    series.add_batch(context, await read_json(request))
    return {"status": "ok"}


@routes.get("/{username}/events/{id}/series")
@_handler
async def _read(request: web.Request, context: Context) -> dict[str, Any]:
    start, end = _bound(request, "fromDeltaTime"), _bound(request, "toDeltaTime")
    return series.read_points(context, request.match_info["id"], start, end)


def _bound(request: web.Request, name: str) -> float | None:
    try:
        return float(request.query[name]) if name in request.query else None
    except ValueError:
        raise invalid_parameters(None, f"'{name}' must be a number of seconds.") from None
