"""The page on which a user signs in or registers, sees what an app asks for, and accepts or refuses it."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from aiohttp import web

from pryv_sandbox.consent.auth_requests import CONSENT_PATH, AuthRequests
from pryv_sandbox.methods.oauth.authorization import CONSENT_PATH as OAUTH_CONSENT_PATH
from pryv_sandbox.methods.oauth.authorization import Authorization
from pryv_sandbox.model.oauth import OAuthError

_ASKED = (
    "status", "key", "requestingAppId", "requestedPermissions", "lang", "returnURL", "oauthState", "clientData",
    "deviceName", "expireAfter", "poll",
)  # fmt: skip
_PAGE = files(__package__).joinpath("page.html").read_text(encoding="utf-8")


class ConsentPage:
    """Serves the page, which contains what is asked as JSON."""

    def __init__(self, auth_requests: AuthRequests, authorization: Authorization, platform_name: str) -> None:
        self._auth_requests = auth_requests
        self._authorization = authorization
        self._platform_name = platform_name

    def routes(self) -> list[web.RouteDef]:
        """The paths of the page: for an access request, and for an authorization request of OAuth 2."""
        return [
            web.get(f"/{CONSENT_PATH}", self._show_access_request),
            web.get(f"/{OAUTH_CONSENT_PATH}", self._show_authorization),
        ]

    async def _show_access_request(self, request: web.Request) -> web.Response:
        state = self._auth_requests.find(request.query.get("key", ""))
        return self._page(request={key: state[key] for key in _ASKED} if state else None)

    async def _show_authorization(self, request: web.Request) -> web.Response:
        state = request.query.get("state", "")
        try:
            asked = self._authorization.asked(state)
        except OAuthError:
            return self._page(authorization=None)
        offer = asked["offer"]
        authorization = {
            "state": state,
            "clientId": asked["clientId"],
            "username": asked["userIdHint"],
            "permissions": offer["permissions"],
            "mayChoose": offer["may_choose"],
            "texts": [offer["texts"][name] for name in ("description", "consent") if name in offer["texts"]],
        }
        return self._page(authorization=authorization)

    def _page(self, **asked: Any) -> web.Response:
        data = json.dumps({"platform": self._platform_name, **asked}).replace("<", "\\u003c")
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
        }
        return web.Response(text=_PAGE.replace("{{data}}", data), content_type="text/html", headers=headers)
