"""Functions for all paths: read requests, and write responses."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from aiohttp import web

from pryv_sandbox.http.query_string import parse_query
from pryv_sandbox.methods.calls import Context, Pages, Result
from pryv_sandbox.methods.oauth.proofs import check_proof
from pryv_sandbox.model.access import Access
from pryv_sandbox.model.errors import ApiError, invalid_request_structure, proof_refused, unknown_resource
from pryv_sandbox.model.json_text import dumps, loads
from pryv_sandbox.model.proofs import ProofError
from pryv_sandbox.state.accesses import check_valid, find_by_token
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.sessions import check_session
from pryv_sandbox.state.settings import API_VERSION, SERIAL

PLATFORM: web.AppKey[Platform] = web.AppKey("platform", Platform)
ACCESS_ID: web.RequestKey[str] = web.RequestKey("access_id", str)
PROOF_REFUSED: web.RequestKey[bool] = web.RequestKey("proof_refused", bool)

# ---- responses


def meta(platform: Platform) -> dict[str, Any]:
    """The member ``meta`` of a response."""
    return {"apiVersion": API_VERSION, "serverTime": platform.clock.now(), "serial": SERIAL}


def json_response(value: Any, status: int = 200) -> web.Response:
    """A response in JSON."""
    return web.json_response(value, status=status, dumps=dumps)


def error_response(platform: Platform, error: ApiError) -> web.Response:
    """The response to a call that fails."""
    return json_response({"error": error.public(), "meta": meta(platform)}, error.status)


async def send(request: web.Request, result: Result, status: int) -> web.StreamResponse:
    """Send the result of a method; long lists are sent page by page, and ``meta`` is then the last member."""
    platform = request.app[PLATFORM]
    if not any(isinstance(value, Pages) for value in result.values()):
        return json_response({"meta": meta(platform), **result}, status)
    response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    pending = "{"
    for key, value in result.items():
        pending += f"{dumps(key)}:"
        if isinstance(value, Pages):
            pending += "["
            separator = ""
            async for page in value.pages:
                await response.write((pending + separator + ",".join(page)).encode())
                pending, separator = "", ","
            pending += "],"
        else:
            pending += f"{dumps(value)},"
    await response.write(f'{pending}"meta":{dumps(meta(platform))}}}'.encode())
    await response.write_eof()
    return response


# ---- requests


def base_url(request: web.Request) -> str:
    """The URL of the platform, with the host that the caller uses."""
    return f"{request.scheme}://{request.host}/"


def requested_url(request: web.Request) -> str:
    """The URL that a client has requested, maybe from a proxy, without the query string."""
    scheme, host = (
        request.headers.get(f"X-Forwarded-{name}", value).split(",")[0].strip()
        for name, value in (("Proto", request.scheme), ("Host", request.host))
    )
    return f"{scheme}://{host}{request.raw_path.partition('?')[0]}"


def token_of(request: web.Request) -> str | None:
    """The token of a request: in ``Authorization``, plain or as Basic, Bearer or DPoP, or in the query string."""
    header = request.headers.get("Authorization")
    if header is None:
        return request.query.get("auth")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "basic" and rest:
        try:
            return base64.b64decode(rest).decode("ascii", "replace").split(":")[0]
        except binascii.Error:
            return header
    return rest if scheme.lower() in ("bearer", "dpop") and rest else header


async def read_object(request: web.Request) -> dict[str, Any]:
    """The JSON body of a request if it is an object, otherwise an empty object.

    Raises:
        ApiError: if it is not JSON, or too long.
    """
    body = await read_json(request)
    return body if isinstance(body, dict) else {}


async def read_json(request: web.Request) -> Any:
    """The JSON body of a request, an object or an array; an empty object if there is no body.

    Raises:
        ApiError: if it is neither, or too long.
    """
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise invalid_request_structure("request entity too large") from None
    if not body or request.content_type != "application/json":
        return {}
    value = parse_json(body)
    if not isinstance(value, (dict, list)):
        raise invalid_request_structure("The body must be an object or an array.")
    return value


def parse_json(text: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ApiError: if it is not JSON.
    """
    try:
        return loads(text)
    except ValueError as error:
        raise invalid_request_structure(str(error)) from None


def call_context(request: web.Request) -> Context:
    """The context of a call, without an access.

    Raises:
        ApiError: if there is no such user.
    """
    platform = request.app[PLATFORM]
    username = request.match_info["username"]
    user = platform.users.find(username)
    if user is None:
        raise unknown_resource("user", username)
    return Context(
        platform,
        user,
        base_url(request),
        request.headers.get("Origin"),
        source={"name": "http", "ip": request.remote},
        query=query_of(request),
    )


def query_of(request: web.Request) -> dict[str, Any]:
    """The parameters in the query string of a request, without the token."""
    return parse_query((key, value) for key, value in request.query.items() if key != "auth")


def authenticate(request: web.Request, context: Context, token: str | None) -> None:
    """Set the access of a call to that of a token, if there is a token.

    Raises:
        ApiError: if the token is unknown, or no longer valid.
    """
    if token is None:
        return
    token, _, caller_id = token.partition(" ")
    context.caller_id = caller_id or None
    context.authenticated = find_by_token(context.platform, context.user, token)
    request[ACCESS_ID] = context.authenticated.id
    _check_bound(request, context.platform, context.authenticated)
    check_valid(context.platform, context.authenticated)
    if context.authenticated.is_personal:
        check_session(context.platform, token)


def _check_bound(request: web.Request, platform: Platform, access: Access) -> None:
    """Refuse a token that is bound to a key without a proof of it, and one that is not bound with the scheme DPoP."""
    if access.key is None and not is_dpop(request):
        return
    proof = request.headers.get("DPoP")
    try:
        url = requested_url(request)
        if access.key and proof and check_proof(platform, proof, request.method, url, access.token) == access.key:
            return
    except ProofError:
        pass
    request[PROOF_REFUSED] = True
    raise proof_refused()


def is_dpop(request: web.Request) -> bool:
    """Whether a request has a token that it says is bound to a key."""
    return request.headers.get("Authorization", "").lower().startswith("dpop ")
