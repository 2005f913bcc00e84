"""The page on which a user signs in or registers, sees an app's access request, and accepts or refuses it."""

from __future__ import annotations

import json
from importlib.resources import files

from aiohttp import web

from pryv_sandbox.consent.auth_requests import CONSENT_PATH, AuthRequests

_ASKED = (
    "status", "key", "requestingAppId", "requestedPermissions", "lang", "returnURL", "oauthState", "clientData",
    "deviceName", "expireAfter", "poll",
)  # fmt: skip
_PAGE = files(__package__).joinpath("page.html").read_text(encoding="utf-8")


class ConsentPage:
    """Serves the page, which contains the access request as JSON."""

    def __init__(self, auth_requests: AuthRequests, platform_name: str) -> None:
        self._auth_requests = auth_requests
        self._platform_name = platform_name

    def routes(self) -> list[web.RouteDef]:
        """The path of the page."""
        return [web.get(f"/{CONSENT_PATH}", self._show)]

    async def _show(self, request: web.Request) -> web.Response:
        state = self._auth_requests.find(request.query.get("key", ""))
        asked = {key: state[key] for key in _ASKED} if state else None
        data = json.dumps({"platform": self._platform_name, "request": asked}).replace("<", "\\u003c")
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
        }
        return web.Response(text=_PAGE.replace("{{data}}", data), content_type="text/html", headers=headers)
