"""The paths of the API's methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import BodyPartReader, web

from pryv_sandbox.http.exchange import (
    authenticate,
    call_context,
    parse_json,
    query_of,
    read_json,
    read_object,
    send,
    token_of,
)
from pryv_sandbox.http.query_string import Kind, coerce
from pryv_sandbox.methods import audit, dispatch
from pryv_sandbox.methods.calls import Context
from pryv_sandbox.model.errors import ApiError, gone, invalid_operation, invalid_request_structure, unknown_resource
from pryv_sandbox.state.attachments import Attachment

Reader = Callable[[web.Request], Awaitable[Any]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


# ---- reading the parameters of a method


def _path(request: web.Request) -> dict[str, Any]:
    return {key: value for key, value in request.match_info.items() if key not in ("username", "_")}


def _query(**kinds: Kind) -> Reader:
    async def read(request: web.Request) -> dict[str, Any]:
        return {**_path(request), **coerce(query_of(request), kinds)}

    return read


async def _body(request: web.Request) -> Any:
    return await read_json(request)


async def _update(request: web.Request) -> dict[str, Any]:
    return {**_path(request), "update": await read_json(request)}


def _profile(profile_id: str) -> Reader:
    async def read(request: web.Request) -> dict[str, Any]:
        return {"id": profile_id, **({"update": await read_json(request)} if request.method == "PUT" else {})}

    return read


async def _body_from_page(request: web.Request) -> Any:
    """The body, and the origin of the page that sends it."""
    return {**await read_object(request), "origin": request.headers.get("Origin", "")}


async def _login(request: web.Request) -> Any:
    body = await read_object(request)
    if not {"username", "password", "appId"} <= body.keys():
        raise invalid_operation("Missing parameters: username, password and appId are required.")
    return {**body, "origin": request.headers.get("Origin", "")}


async def _body_and_mfa_token(request: web.Request) -> Any:
    return {**await read_object(request), "mfaToken": token_of(request)}


# ---- handlers


def _authenticate(request: web.Request, context: Context, method_id: str) -> None:
    try:
        authenticate(request, context, token_of(request))
        _ = context.access
    except ApiError as error:
        audit.log_error(context, method_id, error)
        raise


def _method(method_id: str, read_params: Reader, status: int = 200) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        context = call_context(request)
        if not dispatch.METHODS[method_id].public:
            _authenticate(request, context, method_id)
        context.from_query_string = request.method == "GET"
        params = await read_params(request)
        return await send(request, await dispatch.call(context, method_id, params), status)

    return handle


def _with_files(method_id: str, status: int, to_params: Callable[[web.Request, Any], Any]) -> Handler:
    """A method whose request may be a form: one part has the parameters as JSON, the others have files."""

    async def handle(request: web.Request) -> web.StreamResponse:
        context = call_context(request)
        _authenticate(request, context, method_id)
        try:
            if request.content_type.startswith("multipart/"):
                body = await _read_form(request, context)
            else:
                body = await read_json(request)
            result = await dispatch.call(context, method_id, to_params(request, body))
        except BaseException:
            context.platform.files.remove(context.files)
            raise
        return await send(request, result, status)

    return handle


async def _read_form(request: web.Request, context: Context) -> Any:
    fields: list[bytes] = []
    form = await request.multipart()
    while (part := await form.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise invalid_request_structure("In multipart requests, parts are not expected to have parts.")
        if part.filename is None:
            fields.append(bytes(await part.read(decode=True)))
        else:
            context.files.append(await _keep(part, context))
    if len(fields) > 1:
        raise invalid_request_structure("In multipart requests, we don't expect more than one non-file part.")
    return parse_json(fields[0]) if fields else {}


async def _keep(part: BodyPartReader, context: Context) -> Attachment:
    async def chunks() -> Any:
        while chunk := await part.read_chunk(64 * 1024):
            yield part.decode(chunk)

    media_type = part.headers.get("Content-Type", "text/plain")
    return await context.platform.files.receive(chunks(), part.filename or "", media_type)


async def _gone(request: web.Request) -> web.StreamResponse:
    raise gone()


async def _unknown(request: web.Request) -> web.StreamResponse:
    call_context(request)
    raise unknown_resource()


_EVENTS_QUERY = _query(
    fromTime="number",
    toTime="number",
    types="array",
    sortAscending="boolean",
    skip="number",
    limit="number",
    modifiedSince="number",
    includeDeletions="boolean",
    running="boolean",
)
_PATHS: list[tuple[str, str, Handler]] = [
    ("POST", "", _method("callBatch", _body)),
    ("GET", "/service/info", _method("service.info", _query())),
    ("GET", "/access-info", _method("getAccessInfo", _query())),
    ("GET", "/auth/who-am-i", _gone),
    ("POST", "/auth/login", _method("auth.login", _login)),
    ("POST", "/auth/logout", _method("auth.logout", _body)),
    ("POST", "/mfa/activate", _method("mfa.activate", _body, 302)),
    ("POST", "/mfa/confirm", _method("mfa.confirm", _body_and_mfa_token)),
    ("POST", "/mfa/deactivate", _method("mfa.deactivate", _body)),
    ("POST", "/mfa/recover", _method("mfa.recover", _body)),
    ("POST", "/mfa/challenge", _method("mfa.challenge", _body_and_mfa_token)),
    ("POST", "/mfa/verify", _method("mfa.verify", _body_and_mfa_token)),
    ("GET", "/streams", _method("streams.get", _query(includeDeletionsSince="number"))),
    ("POST", "/streams", _method("streams.create", _body, 201)),
    ("PUT", "/streams/{id}", _method("streams.update", _update)),
    ("DELETE", "/streams/{id}", _method("streams.delete", _query(mergeEventsWithParent="boolean"))),
    ("GET", "/events", _method("events.get", _EVENTS_QUERY)),
    ("POST", "/events", _with_files("events.create", 201, lambda _, body: body)),
    ("POST", "/events/start", _gone),
    ("POST", "/events/stop", _gone),
    ("GET", "/events/{id}", _method("events.getOne", _query(includeHistory="boolean"))),
    ("POST", "/events/{id}", _with_files("events.update", 200, lambda request, _: {**_path(request), "update": {}})),
    ("PUT", "/events/{id}", _method("events.update", _update)),
    ("DELETE", "/events/{id}", _method("events.delete", _query())),
    ("DELETE", "/events/{id}/{fileId}", _method("events.deleteAttachment", _query())),
    ("GET", "/accesses", _method("accesses.get", _query(includeExpired="boolean", includeDeletions="boolean"))),
    ("POST", "/accesses", _method("accesses.create", _body, 201)),
    ("POST", "/accesses/check-app", _method("accesses.checkApp", _body)),
    ("GET", "/accesses/{id}", _method("accesses.getOne", _query(includeHistory="boolean"))),
    ("PUT", "/accesses/{id}", _method("accesses.update", _update)),
    ("DELETE", "/accesses/{id}", _method("accesses.delete", _query())),
    ("POST", "/shared-secrets", _method("sharedSecrets.create", _body, 201)),
    ("POST", "/shared-secrets/status", _method("sharedSecrets.getOne", _body)),
    ("POST", "/shared-secrets/retrieve", _method("sharedSecrets.retrieve", _body)),
    ("GET", "/webhooks", _method("webhooks.get", _query())),
    ("POST", "/webhooks", _method("webhooks.create", _body, 201)),
    ("GET", "/webhooks/{id}", _method("webhooks.getOne", _query())),
    ("PUT", "/webhooks/{id}", _method("webhooks.update", _update)),
    ("DELETE", "/webhooks/{id}", _method("webhooks.delete", _query())),
    ("POST", "/webhooks/{id}/test", _method("webhooks.test", _query())),
    ("GET", "/account", _method("account.get", _query())),
    ("PUT", "/account", _method("account.update", _update)),
    ("GET", "/account/username-changes", _method("account.usernameChanges", _query())),
    ("POST", "/account/change-username", _method("account.changeUsername", _body)),
    ("POST", "/account/verify-email", _method("account.verifyEmail", _body_from_page)),
    ("POST", "/account/change-password", _method("account.changePassword", _body)),
    ("POST", "/account/request-password-reset", _method("account.requestPasswordReset", _body_from_page)),
    ("POST", "/account/reset-password", _method("account.resetPassword", _body_from_page)),
    ("GET", "/profile/public", _method("profile.getPublic", _query())),
    ("PUT", "/profile/public", _method("profile.update", _profile("public"))),
    ("GET", "/profile/app", _method("profile.getApp", _query())),
    ("PUT", "/profile/app", _method("profile.updateApp", _update)),
    ("GET", "/profile/private", _method("profile.get", _profile("private"))),
    ("PUT", "/profile/private", _method("profile.update", _profile("private"))),
]

routes = [
    *(web.route(verb, f"/{{username}}{path}{{_:/?}}", handler) for verb, path, handler in _PATHS),
    web.route("*", "/{username}/{rest:.*}", _unknown),
]
