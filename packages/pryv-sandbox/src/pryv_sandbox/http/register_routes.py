"""The paths of the platform itself: service info, registration, look-ups of users."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from pryv_sandbox.http.exchange import (
    PLATFORM,
    authenticate,
    base_url,
    call_context,
    json_response,
    meta,
    read_object,
    token_of,
)
from pryv_sandbox.methods import registration
from pryv_sandbox.methods.calls import Context, Result
from pryv_sandbox.methods.deletion import delete_account
from pryv_sandbox.methods.service import EVENT_TYPES_PATH, full_service_info
from pryv_sandbox.model import event_types
from pryv_sandbox.model.errors import already_exists, gone, invalid_parameters, unknown_resource

routes = web.RouteTableDef()


def _respond(request: web.Request, result: Result, status: int = 200) -> web.Response:
    return json_response({"meta": meta(request.app[PLATFORM]), **result}, status)


def _not_found(error_id: str, message: str) -> web.Response:
    """An error without ``meta``: the older paths of the register have this form."""
    return json_response({"error": {"id": error_id, "message": message}}, 404)


@routes.get("/")
@routes.get("/{username}{_:/?}")
async def _root(request: web.Request) -> web.Response:
    return _respond(request, {"cheersFrom": "Pryv API", "learnMoreAt": "https://pryv.github.io/"})


@routes.get("/reg/service/info")
async def _service_info(request: web.Request) -> web.Response:
    return _respond(request, full_service_info(base_url(request), request.app[PLATFORM].settings))


@routes.get(f"/{EVENT_TYPES_PATH}")
async def _event_types(request: web.Request) -> web.Response:
    return json_response({"version": "1", "types": event_types.SCHEMAS})


@routes.get("/reg/hostings")
async def _hostings(request: web.Request) -> web.Response:
    hosting = {"name": "Default", "available": True, "availableCore": base_url(request)}
    zone = {"name": "Default", "hostings": {"default": hosting}}
    return _respond(request, {"regions": {"default": {"name": "Default", "zones": {"default": zone}}}})


@routes.get("/reg/cores")
async def _cores(request: web.Request) -> web.Response:
    username, email = request.query.get("username"), request.query.get("email")
    if (username is None) is (email is None):
        raise invalid_parameters(None, 'provide either "username" or "email" as query parameter')
    platform = request.app[PLATFORM]
    user = platform.users.find_by_email(email) if email else platform.users.find(username or "")
    if user is None and username:
        raise unknown_resource("user", username)
    return _respond(request, {"core": {"url": f"{base_url(request)}{user.username}/" if user else base_url(request)}})


# ---- registration


async def _register(request: web.Request, params: dict[str, Any]) -> web.Response:
    platform = request.app[PLATFORM]
    user, token = await registration.register(platform, params)
    endpoint = Context(platform, user, base_url(request)).api_endpoint(token)
    return _respond(request, {"username": user.username, "apiEndpoint": endpoint}, 201)


@routes.post("/users")
@routes.post("/reg/users")
async def _register_user(request: web.Request) -> web.Response:
    return await _register(request, await read_object(request))


@routes.delete("/users/{username}")
async def _delete_user(request: web.Request) -> web.Response:
    context = call_context(request)
    authenticate(request, context, token_of(request) or "")
    delete_account(context)
    return _respond(request, {"userDeletion": {"username": context.user.username}})


@routes.post("/reg/user")
async def _register_user_formerly(request: web.Request) -> web.Response:
    params = await read_object(request)
    return await _register(request, {"appId" if key == "appid" else key: value for key, value in params.items()})


# ---- look-ups


@routes.get("/reg/{username}/check_username")
async def _check_username(request: web.Request) -> web.Response:
    taken = registration.is_taken(request.app[PLATFORM], request.match_info["username"])
    return _respond(request, {"reserved": taken})


@routes.get("/reg/{email}/check_email")
async def _check_email(request: web.Request) -> web.Response:
    email = request.match_info["email"]
    if request.app[PLATFORM].users.owner_of_email(email):
        raise already_exists("user", {"email": email})
    return _respond(request, {"reserved": False})


@routes.get("/reg/{email}/{key:uid|username}")
async def _username_of(request: web.Request) -> web.Response:
    user = request.app[PLATFORM].users.find_by_email(request.match_info["email"])
    if user is None:
        return _not_found("unknown-email", "Unknown email")
    return json_response({request.match_info["key"]: user.username})


@routes.route("*", "/reg/{username}/server")
async def _server_of(request: web.Request) -> web.Response:
    username = request.match_info["username"]
    if request.app[PLATFORM].users.find(username) is None:
        return _not_found("unknown-user", "Unknown user")
    server = base_url(request).rstrip("/")
    if request.method == "POST":
        return json_response({"server": server, "alias": username})
    place = f"{server}?username={username}"
    return web.Response(status=302, headers={"Location": place}, text=f"Found. Redirecting to {place}")


@routes.post("/reg/username/check")
@routes.post("/reg/email/check")
async def _check_formerly(request: web.Request) -> web.Response:
    raise gone()
