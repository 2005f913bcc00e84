"""The paths of OAuth 2."""

from __future__ import annotations

from html import escape
from typing import Any

from aiohttp import web

from pryv_sandbox.http.exchange import base_url, json_response, read_object, requested_url
from pryv_sandbox.methods.oauth.authorization import Authorization, UnsafeRequestError
from pryv_sandbox.methods.oauth.clients import TOKEN_PATH, TokenRequest, basic_credentials
from pryv_sandbox.methods.oauth.tokens import Tokens
from pryv_sandbox.model.oauth import OAuthError

_NOT_STORED = {"Cache-Control": "no-store"}
_NEVER_STORED = {**_NOT_STORED, "Pragma": "no-cache"}
_ERROR_PAGE = (
    "<!DOCTYPE html><html><head><title>OAuth error</title></head>"
    "<body><h1>Authorization failed</h1><p>{}</p></body></html>"
)


class OAuthRoutes:
    """The paths of an authorization server."""

    def __init__(self, authorization: Authorization, tokens: Tokens) -> None:
        self._authorization = authorization
        self._tokens = tokens

    def routes(self) -> list[web.RouteDef]:
        """The paths."""
        return [
            web.get("/.well-known/oauth-authorization-server", self._metadata),
            web.get("/oauth2/authorize", self._authorize),
            web.post("/oauth2/authorize/accept", self._accept),
            web.post("/oauth2/authorize/refuse", self._refuse),
            web.post(f"/{TOKEN_PATH}", self._token),
        ]

    async def _metadata(self, request: web.Request) -> web.Response:
        url = _issuer(request)
        metadata = {
            "issuer": url,
            "authorization_endpoint": f"{url}/oauth2/authorize",
            "token_endpoint": f"{url}/{TOKEN_PATH}",
            "scopes_supported": ["cmc:*"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt", "none"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "dpop_signing_alg_values_supported": ["ES256"],
        }
        return _respond(metadata, 200, {"Cache-Control": "public, max-age=300"})

    async def _authorize(self, request: web.Request) -> web.Response:
        try:
            place = self._authorization.authorize(dict(request.query), _issuer(request))
        except UnsafeRequestError as error:
            page = _ERROR_PAGE.format(escape(str(error)))
            return web.Response(text=page, status=400, content_type="text/html", charset="utf-8", headers=_NOT_STORED)
        return web.Response(status=302, headers={**_NEVER_STORED, "Location": place})

    async def _accept(self, request: web.Request) -> web.Response:
        try:
            place = self._authorization.accept(await read_object(request), _issuer(request))
        except OAuthError as error:
            return _respond_error(error, _NOT_STORED)
        return _respond({"redirectTo": place}, 200, _NOT_STORED)

    async def _refuse(self, request: web.Request) -> web.Response:
        try:
            place = self._authorization.refuse(await read_object(request), _issuer(request))
        except OAuthError as error:
            return _respond_error(error, _NOT_STORED)
        return _respond({"redirectTo": place}, 200, _NOT_STORED)

    async def _token(self, request: web.Request) -> web.Response:
        is_json = request.content_type == "application/json"
        body = await read_object(request) if is_json else await request.post()
        params = {name: value for name, value in body.items() if isinstance(value, str)}
        basic = basic_credentials(request.headers.get("Authorization"))
        asked = TokenRequest(params, basic, request.headers.get("DPoP"), requested_url(request), _issuer(request))
        try:
            return _respond(self._tokens.issue(asked), 200, _NEVER_STORED)
        except OAuthError as error:
            return _respond_error(error, _NEVER_STORED)


def _issuer(request: web.Request) -> str:
    return base_url(request).rstrip("/")


def _respond(body: dict[str, Any], status: int, headers: dict[str, str]) -> web.Response:
    response = json_response(body, status)
    response.headers.update(headers)
    return response


def _respond_error(error: OAuthError, headers: dict[str, str]) -> web.Response:
    return _respond({"error": error.name, "error_description": error.description}, error.status, headers)
