"""Authorization: a client sends a person, who accepts or refuses, and is sent back."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from typing import Any
from urllib.parse import quote

from pryv_sandbox.methods import consents
from pryv_sandbox.methods.consents import Offer
from pryv_sandbox.methods.oauth.sessions import SELF_REVOKE, open_session
from pryv_sandbox.model.access import Access
from pryv_sandbox.model.errors import ApiError
from pryv_sandbox.model.oauth import (
    OAuthError,
    Permission,
    check_choice,
    check_not_wider,
    check_permissions,
    is_registered,
    parse_scope,
)
from pryv_sandbox.state import accesses as stored
from pryv_sandbox.state.oauth import Client, Grant, find_client, issue
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.sessions import check_session
from pryv_sandbox.state.settings import OAuthSettings
from pryv_sandbox.state.users import User

CONSENT_PATH = "oauth.html"
_UNESCAPED = "!'()*"
"""What ``encodeURIComponent`` leaves as it is, and ``quote`` does not."""


class UnsafeRequestError(Exception):
    """A request from an unknown client: the browser must not be redirected to a URL in it."""


class Authorization:
    """Asks people, on the consent page, and gives clients codes."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._key = secrets.token_bytes(32)

    @property
    def _settings(self) -> OAuthSettings:
        return self._platform.settings.oauth

    def authorize(self, params: dict[str, str], url: str) -> str:
        """The URL to which a browser is sent: that of the consent page, or of the client, with an error.

        Raises:
            UnsafeRequestError: the client, or its URL, is not known.
        """
        client = self._known_client(params)
        try:
            state = self._ask(client, params)
        except OAuthError as error:
            described = {"error": error.name, "error_description": error.description}
            return _with_query(params["redirect_uri"], {**described, "state": params.get("state"), "iss": url})
        return f"{url}/{CONSENT_PATH}?state={quote(state, safe='')}&pryvApi={quote(url, safe='')}"

    def _known_client(self, params: dict[str, str]) -> Client:
        for name in ("client_id", "redirect_uri"):
            if not params.get(name):
                raise UnsafeRequestError(f"Missing {name} parameter.")
        client = find_client(self._platform, params["client_id"])
        if client is None:
            raise UnsafeRequestError(f"Unknown client_id: {params['client_id']}")
        if not is_registered(params["redirect_uri"], client.redirect_uris):
            raise UnsafeRequestError("redirect_uri does not match any registered URI for this client.")
        return client

    def _ask(self, client: Client, params: dict[str, str]) -> str:
        if params.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "only response_type=code is supported")
        if not params.get("code_challenge"):
            raise OAuthError("invalid_request", "PKCE code_challenge is required")
        if params.get("code_challenge_method") != "S256":
            raise OAuthError("invalid_request", "PKCE code_challenge_method must be S256")
        if not params.get("state"):
            raise OAuthError("invalid_request", "state parameter is required (CSRF defense)")
        scope = params.get("scope", "")
        name = parse_scope(scope, [f"cmc:{name}" for name in client.offers])
        offer = consents.resolve(self._platform, client, name)
        asked = {
            "clientId": client.client_id,
            "redirectUri": params["redirect_uri"],
            "state": params["state"],
            "codeChallenge": params["code_challenge"],
            "scope": scope,
            "userIdHint": params.get("login_hint"),
            "offer": offer.public(),
            "exp": self._platform.clock.now() + self._settings.consent_lifetime,
        }
        return self._signed(json.dumps(asked))

    def _signed(self, text: str) -> str:
        body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return f"{body}.{self._signature(body)}"

    def _signature(self, body: str) -> str:
        mac = hmac.new(self._key, body.encode(), "sha256").digest()
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")

    def asked(self, state: Any) -> dict[str, Any]:
        """The client's request, from the state that the consent page got.

        Raises:
            OAuthError: ``invalid_request``.
        """
        if not isinstance(state, str) or not state:
            raise OAuthError("invalid_request", "state is required")
        body, dot, signature = state.partition(".")
        if not dot:
            raise OAuthError("invalid_request", "signed state malformed")
        if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            raise OAuthError("invalid_request", "signed state bad_signature")
        asked: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=="))
        if self._platform.clock.now() > asked["exp"]:
            raise OAuthError("invalid_request", "signed state expired")
        return asked

    def accept(self, body: dict[str, Any], url: str) -> str:
        """The URL with a code, to which the browser of a person who accepts is sent.

        Raises:
            OAuthError: the answer is not valid.
        """
        for name in ("state", "username", "userToken"):
            if not isinstance(body.get(name), str) or not body[name]:
                raise OAuthError("invalid_request", f"{name} is required")
        asked = self.asked(body["state"])
        if not isinstance(body.get("grantedPermissions"), list):
            raise OAuthError("invalid_request", "grantedPermissions must be an array")
        offer = Offer(**asked["offer"])
        kept = check_permissions(body["grantedPermissions"])
        check_choice(kept, offer.permissions, may_choose=offer.may_choose)
        user, session = self._person(body["username"], body["userToken"])
        self._check_tree(user, kept, offer)
        client_id: str = asked["clientId"]
        now = self._platform.clock.now()
        consent = consents.consent(self._platform, user, offer, kept, url)
        access = open_session(self._platform, user, client_id, [*kept, SELF_REVOKE], session.id, now)
        grant = Grant(
            client_id,
            user.key,
            asked["scope"],
            kept,
            consent["id"],
            access["id"],
            asked["redirectUri"],
            asked["codeChallenge"],
        )
        code = issue(self._platform, grant, now + self._settings.code_lifetime)
        return _with_query(asked["redirectUri"], {"code": code, "state": asked["state"], "iss": url})

    def refuse(self, body: dict[str, Any], url: str) -> str:
        """The URL to which the browser of a person who refuses is sent.

        Raises:
            OAuthError: ``invalid_request``.
        """
        asked = self.asked(body.get("state"))
        return _with_query(asked["redirectUri"], {"error": "access_denied", "state": asked["state"], "iss": url})

    def _person(self, username: str, token: str) -> tuple[User, Access]:
        user = self._platform.users.find(username)
        try:
            if user:
                access = stored.find_by_token(self._platform, user, token)
                check_session(self._platform, token)
                return user, access
        except ApiError:
            pass
        raise OAuthError("invalid_request", "username + userToken did not resolve to a valid user session", 401)

    def _check_tree(self, user: User, kept: list[Permission], offer: Offer) -> None:
        tree = self._platform.tree(user)
        granted, offered = (
            Access({"id": "", "type": "shared", "token": "", "permissions": permissions}, lambda: tree)
            for permissions in (kept, offer.permissions)
        )
        roots = (root["id"] for root in tree.children(None))
        check_not_wider(granted, offered, (stream_id for root in roots for stream_id in tree.expand(root)))


def _with_query(url: str, params: dict[str, str | None]) -> str:
    """A URL with more parameters, written as JavaScript writes them."""
    added = "&".join(f"{name}={quote(value, safe=_UNESCAPED)}" for name, value in params.items() if value)
    return f"{url}{'&' if '?' in url else '?'}{added}"
