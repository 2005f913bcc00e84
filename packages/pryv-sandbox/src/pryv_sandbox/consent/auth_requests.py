"""Access requests: an app asks for access, polls, and gets the decision of its user on the consent page."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from pryv_sandbox.http.exchange import base_url, json_response, read_json
from pryv_sandbox.methods.service import service_info
from pryv_sandbox.model.errors import ApiError
from pryv_sandbox.state.platform import Platform

Handler = Callable[[web.Request], Awaitable[web.Response]]

LIFETIME = 3600.0
POLL_RATE_MS = 1000
CONSENT_PATH = "access.html"

_HTTP_STATUS = {"NEED_SIGNIN": 201, "ACCEPTED": 200, "REFUSED": 403, "ERROR": 403, "REDIRECTED": 301}
_REQUIRED = {"ACCEPTED": ("username", "token"), "REDIRECTED": ("redirectUrl",)}


class AuthRequests:
    """The access requests of a platform; each expires after an hour."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def routes(self) -> list[web.RouteDef]:
        """The paths of access requests."""
        return [
            web.post("/reg/access{_:/?}", _responding_to_errors(self._create)),
            web.get("/reg/access/{key}{_:/?}", _responding_to_errors(self._poll)),
            web.post("/reg/access/{key}{_:/?}", _responding_to_errors(self._decide)),
        ]

    def find(self, key: str) -> dict[str, Any] | None:
        """The state of the access request with this key, if there is one that has not expired."""
        row = self._platform.db.execute(
            "SELECT state FROM auth_requests WHERE key = ? AND expires > ?", (key, self._platform.clock.now())
        ).fetchone()
        return json.loads(row[0]) if row else None

    async def _create(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        _check(asked)
        state = _new_state(asked, base_url(request))
        now = self._platform.clock.now()
        self._platform.db.execute("DELETE FROM auth_requests WHERE expires <= ?", (now,))
        self._platform.db.execute(
            "INSERT INTO auth_requests VALUES (?, ?, ?)", (state["key"], now + LIFETIME, json.dumps(state))
        )
        return _respond(state, ("key", "authUrl", "poll", "poll_rate_ms"))

    async def _poll(self, request: web.Request) -> web.Response:
        state = self._get(request)
        if state["status"] == "NEED_SIGNIN":
            info = service_info(base_url(request), self._platform.settings)
            return _respond({**state, "serviceInfo": info}, (
                "serviceInfo", "key", "requestingAppId", "requestedPermissions", "poll", "authUrl", "poll_rate_ms",
                "lang", "returnURL", "oauthState", "clientData",
            ))  # fmt: skip
        return _respond_decided(state)

    async def _decide(self, request: web.Request) -> web.Response:
        decision = await _body(request)
        status = decision.get("status")
        if status not in ("ACCEPTED", "REFUSED", "ERROR", "REDIRECTED"):
            raise _invalid("status must be ACCEPTED, REFUSED, ERROR, or REDIRECTED")
        required = _REQUIRED.get(status, ())
        if not all(decision.get(key) for key in required):
            raise _invalid(f"{status} requires {' and '.join(required)}")
        state = {**self._get(request), **decision}
        self._platform.db.execute(
            "UPDATE auth_requests SET state = ? WHERE key = ?", (json.dumps(state), request.match_info["key"])
        )
        return _respond_decided(state)

    def _get(self, request: web.Request) -> dict[str, Any]:
        state = self.find(request.match_info["key"])
        if state is None:
            raise ApiError(400, "unknown-access-key", "Unknown or expired access key")
        return state


def _check(asked: dict[str, Any]) -> None:
    app_id = asked.get("requestingAppId")
    if not isinstance(app_id, str) or not app_id:
        raise _invalid("Missing or invalid requestingAppId")
    permissions = asked.get("requestedPermissions")
    if not isinstance(permissions, list) or not permissions:
        raise _invalid("Missing or invalid requestedPermissions")
    if asked.get("authUrl") is not None:
        raise _invalid("authUrl does not match any access:trustedAuthUrls entry (none configured)")


def _new_state(asked: dict[str, Any], platform_url: str) -> dict[str, Any]:
    key = secrets.token_urlsafe(12)
    state = {
        "status": "NEED_SIGNIN",
        "key": key,
        "requestingAppId": asked["requestingAppId"],
        "requestedPermissions": asked["requestedPermissions"],
        "lang": asked.get("languageCode") or "en",
        "returnURL": asked.get("returnURL"),
        "oauthState": asked.get("oauthState") or None,
        "clientData": asked.get("clientData") or None,
        "deviceName": asked.get("deviceName") or None,
        "expireAfter": asked.get("expireAfter") or None,
        "poll": f"{platform_url}reg/access/{key}",
        "poll_rate_ms": POLL_RATE_MS,
    }
    return {**state, "authUrl": _auth_url(state, platform_url)}


def _auth_url(state: dict[str, Any], platform_url: str) -> str:
    parameters = {name: state[name] for name in ("lang", "key", "requestingAppId", "poll", "poll_rate_ms")}
    parameters["serviceInfo"] = f"{platform_url}reg/service/info"
    parameters |= {name: state[name] for name in ("returnURL", "oauthState") if state[name]}
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parameters.items())
    return f"{platform_url}{CONSENT_PATH}?{query}"


def _respond(state: dict[str, Any], keys: tuple[str, ...]) -> web.Response:
    status = state["status"]
    body = {"status": status, **{key: state[key] for key in keys if key in state}}
    return json_response(body, _HTTP_STATUS[status])


def _respond_decided(state: dict[str, Any]) -> web.Response:
    match state["status"]:
        case "ACCEPTED":
            return _respond(state, ("username", "token", "apiEndpoint"))
        case "REDIRECTED":
            return _respond({**state, "poll": state["redirectUrl"]}, ("poll", "redirectUrl"))
        case _:
            return _respond(state, ("reasonId", "message"))


async def _body(request: web.Request) -> dict[str, Any]:
    body = await read_json(request)
    return body if isinstance(body, dict) else {}


def _invalid(message: str) -> ApiError:
    return ApiError(400, "invalid-parameters", message)


def _responding_to_errors(handler: Handler) -> Handler:
    """Respond to an error with the error alone; the API would add ``meta``."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except ApiError as error:
            return json_response({"error": error.public()}, error.status)

    return handle
