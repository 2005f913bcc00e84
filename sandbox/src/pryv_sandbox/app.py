"""The HTTP interface."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from pryv_sandbox import accounts
from pryv_sandbox.api import Context, Pages, Result
from pryv_sandbox.errors import ApiError, invalid_request_structure, unknown_resource
from pryv_sandbox.http_query import Kind, coerce, parse_query
from pryv_sandbox.platform import METHODS, Platform
from pryv_sandbox.service import SERIAL, service_info
from pryv_sandbox.settings import API_VERSION, MAX_BODY_SIZE

PLATFORM: web.AppKey[Platform] = web.AppKey("platform", Platform)
_ACCESS_ID: web.RequestKey[str] = web.RequestKey("access_id", str)

Middleware = Callable[[web.Request, Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[Any]]


def create_app(platform: Platform, *middlewares: Middleware) -> web.Application:
    """The web application of a platform, with middlewares of the caller's around it."""
    app = web.Application(middlewares=[*middlewares, _answer_errors], client_max_size=MAX_BODY_SIZE)
    app[PLATFORM] = platform
    app.on_response_prepare.append(_add_headers)
    app.add_routes(_routes)
    for verb, path, method_id, status, read_params in _METHOD_ROUTES:
        app.router.add_route(verb, f"/{{username}}{path}{{_:/?}}", _method_handler(method_id, status, read_params))
    app.router.add_route("*", "/{username}/{rest:.*}", _unknown)
    return app


# ---- what every answer has


def meta(platform: Platform) -> dict[str, Any]:
    """The common part of the answers."""
    return {"apiVersion": API_VERSION, "serverTime": platform.clock.now(), "serial": SERIAL}


def dumps(value: Any) -> str:
    """JSON as it is sent."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def json_response(value: Any, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.json_response(value, status=status, dumps=dumps)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    asked = request.headers
    response.headers.update(
        {
            "Access-Control-Allow-Origin": asked.get("Origin", "*"),
            "Access-Control-Allow-Methods": asked.get(
                "Access-Control-Request-Method", "POST, GET, PUT, DELETE, OPTIONS"
            ),
            "Access-Control-Allow-Headers": asked.get("Access-Control-Request-Headers", "Authorization, Content-Type"),
            "Access-Control-Expose-Headers": "API-Version",
            "Access-Control-Max-Age": str(365 * 24 * 3600),
            "Access-Control-Allow-Credentials": "true",
            "API-Version": API_VERSION,
        }
    )
    if _ACCESS_ID in request:
        response.headers["Pryv-Access-Id"] = request[_ACCESS_ID]


@web.middleware
async def _answer_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if request.method == "OPTIONS":
        return web.Response(text="OK")
    try:
        return await handler(request)
    except ApiError as error:
        body = {"error": error.public(), "meta": meta(request.app[PLATFORM])}
        return json_response(body, error.status)


async def send(request: web.Request, result: Result, status: int) -> web.StreamResponse:
    """Answer with a method's result; long lists are sent page by page, and then ``meta`` comes last."""
    platform = request.app[PLATFORM]
    if not any(isinstance(value, Pages) for value in result.values()):
        return json_response({"meta": meta(platform), **result}, status)
    response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    opening = "{"
    for key, value in result.items():
        opening += f"{dumps(key)}:"
        if isinstance(value, Pages):
            opening += "["
            separator = ""
            async for page in value.pages:
                await response.write((opening + separator + ",".join(page)).encode())
                opening, separator = "", ","
            opening += "],"
        else:
            opening += dumps(value) + ","
    await response.write(f'{opening}"meta":{dumps(meta(platform))}}}'.encode())
    await response.write_eof()
    return response


# ---- reading requests


def base_url(request: web.Request) -> str:
    """The platform's URL as the caller knows it."""
    return f"{request.scheme}://{request.host}/"


def _token(request: web.Request) -> str | None:
    header = request.headers.get("Authorization")
    if header is None:
        return request.query.get("auth")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "basic" and rest:
        return base64.b64decode(rest).decode("ascii", "replace").split(":")[0]
    return rest if scheme.lower() == "bearer" and rest else header


async def read_json(request: web.Request) -> Any:
    """The request's JSON body; an empty object without one.

    Raises:
        ApiError: if it is not JSON.
    """
    body = await request.read()
    if not body or request.content_type != "application/json":
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        raise invalid_request_structure(str(error)) from None


def call_context(request: web.Request) -> Context:
    """Who calls, by the path and the token.

    Raises:
        ApiError: if the user or the access is unknown.
    """
    platform = request.app[PLATFORM]
    username = request.match_info["username"]
    user = accounts.find(platform, username)
    if user is None:
        raise unknown_resource("user", username)
    context = Context(platform, user, base_url(request), request.headers.get("Origin"))
    token = _token(request)
    if token:
        token, _, caller_id = token.partition(" ")
        context.caller_id = caller_id or None
        context.authenticated = platform.access(user, token)
        request[_ACCESS_ID] = context.authenticated.id
        if context.authenticated.is_personal:
            accounts.check_session(platform, token)
    return context


# ---- the API's methods

Reader = Callable[[web.Request], Awaitable[Any]]


def _path_params(request: web.Request) -> dict[str, Any]:
    return {key: value for key, value in request.match_info.items() if key not in ("username", "_")}


def _query(**kinds: Kind) -> Reader:
    async def read(request: web.Request) -> dict[str, Any]:
        query = parse_query((key, value) for key, value in request.query.items() if key != "auth")
        return {**_path_params(request), **coerce(query, kinds)}

    return read


async def _body(request: web.Request) -> Any:
    return await read_json(request)


async def _update(request: web.Request) -> Any:
    return {**_path_params(request), "update": await read_json(request)}


_METHOD_ROUTES: list[tuple[str, str, str, int, Reader]] = [
    ("POST", "", "callBatch", 200, _body),
    ("GET", "/service/info", "service.info", 200, _query()),
    ("GET", "/access-info", "getAccessInfo", 200, _query()),
    ("POST", "/auth/login", "auth.login", 200, _body),
    ("POST", "/auth/logout", "auth.logout", 200, _body),
    ("GET", "/streams", "streams.get", 200, _query()),
    ("POST", "/streams", "streams.create", 201, _body),
    (
        "GET",
        "/events",
        "events.get",
        200,
        _query(
            fromTime="number",
            toTime="number",
            streams="array",
            types="array",
            sortAscending="boolean",
            skip="number",
            limit="number",
            modifiedSince="number",
            includeDeletions="boolean",
            running="boolean",
        ),
    ),
    ("POST", "/events", "events.create", 201, _body),
]


def _method_handler(method_id: str, status: int, read_params: Reader) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.StreamResponse:
        context = call_context(request)
        if not METHODS[method_id].public:
            _ = context.access
        params = await read_params(request)
        return await send(request, await context.platform.call(context, method_id, params), status)

    return handle


async def _unknown(request: web.Request) -> web.StreamResponse:
    call_context(request)
    raise unknown_resource()


# ---- the platform's own paths

_routes = web.RouteTableDef()


@_routes.get("/")
async def _root(request: web.Request) -> web.Response:
    body = {"meta": meta(request.app[PLATFORM]), "cheersFrom": "Pryv API", "learnMoreAt": "https://pryv.github.io/"}
    return json_response(body)


@_routes.get("/reg/service/info")
async def _service_info(request: web.Request) -> web.Response:
    platform = request.app[PLATFORM]
    return json_response({"meta": meta(platform), **service_info(base_url(request), platform.settings)})


@_routes.post("/reg/users")
@_routes.post("/users")
async def _register(request: web.Request) -> web.Response:
    platform = request.app[PLATFORM]
    user, token = await accounts.register(platform, await read_json(request))
    endpoint = Context(platform, user, base_url(request)).api_endpoint(token)
    return json_response({"meta": meta(platform), "username": user.username, "apiEndpoint": endpoint}, 201)
