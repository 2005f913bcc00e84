"""The authorization server: clients get codes and tokens for the permissions that people grant."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

from pryv_sandbox.methods import accesses, consents
from pryv_sandbox.methods.consents import Offer
from pryv_sandbox.model.access import Access
from pryv_sandbox.model.errors import ApiError
from pryv_sandbox.model.ids import new_id, new_token
from pryv_sandbox.model.oauth import (
    OAuthError,
    Permission,
    check_choice,
    check_not_wider,
    check_permissions,
    is_registered,
    parse_scope,
)
from pryv_sandbox.model.proofs import ProofError, check_assertion, check_dpop, digest
from pryv_sandbox.state import accesses as stored
from pryv_sandbox.state.accesses import Doc
from pryv_sandbox.state.changes import Change
from pryv_sandbox.state.oauth import Client, Grant, Used, find_client, is_revoked, issue, use, use_proof
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.sessions import check_session
from pryv_sandbox.state.settings import OAuthSettings
from pryv_sandbox.state.users import User

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_PATH = "oauth2/token"
OAUTH_CONSENT_PATH = "oauth.html"
_UNESCAPED = "!'()*"
"""What ``encodeURIComponent`` leaves as it is, and ``quote`` does not."""
_SELF_REVOKE = {"feature": "selfRevoke", "setting": "allowed"}


class UnsafeRequestError(Exception):
    """A request from an unknown client: the browser must not be redirected to a URL in it."""


@dataclass(frozen=True)
class TokenRequest:
    """A request of a token.

    Attributes:
        basic: the id and secret in the ``Authorization`` header.
        proof: the ``DPoP`` header.
        requested_url: the URL of the request, as the client has it.
        url: the URL of the platform.
    """

    params: dict[str, Any]
    basic: tuple[str, str] | None
    proof: str | None
    requested_url: str
    url: str


class AuthorizationServer:
    """The authorization server of a platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._key = secrets.token_bytes(32)

    @property
    def _settings(self) -> OAuthSettings:
        return self._platform.settings.oauth

    # ---- asking a person

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
            return with_query(params["redirect_uri"], {**described, "state": params.get("state"), "iss": url})
        return f"{url}/{OAUTH_CONSENT_PATH}?state={quote(state, safe='')}&pryvApi={quote(url, safe='')}"

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
        consent = consents.consent(self._platform, user, offer, kept, url)
        access = self._new_access(user, client_id, [*kept, _SELF_REVOKE], session.id, self._platform.clock.now())
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
        code = issue(self._platform, grant, self._platform.clock.now() + self._settings.code_lifetime)
        return with_query(asked["redirectUri"], {"code": code, "state": asked["state"], "iss": url})

    def refuse(self, body: dict[str, Any], url: str) -> str:
        """The URL to which the browser of a person who refuses is sent.

        Raises:
            OAuthError: ``invalid_request``.
        """
        asked = self.asked(body.get("state"))
        return with_query(asked["redirectUri"], {"error": "access_denied", "state": asked["state"], "iss": url})

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

    def _new_access(
        self, user: User, client_id: str, permissions: list[Permission], author: str, now: float, key: str | None = None
    ) -> Doc:
        doc = {
            "id": new_id(),
            "token": new_token(),
            "name": f"oauth:{client_id}",
            "type": "app",
            "deviceName": f"oauth-session-{new_id()}",
            "permissions": [{name: entry[name] for name in sorted(entry)} for entry in permissions],
            "expires": now + self._settings.access_lifetime,
            **({"clientData": {"dpop": {"jkt": key}}} if key else {}),
            "created": now,
            "createdBy": author,
            "modified": now,
            "modifiedBy": author,
        }
        doc = stored.save(self._platform, user, doc)
        self._platform.publish(Change(user.key, "accesses", "create", stored.versioned(doc)))
        return doc

    # ---- tokens

    def token(self, request: TokenRequest) -> dict[str, Any]:
        """The tokens that a client asks for.

        Raises:
            OAuthError: it gets none.
        """
        grant_type = _required(request.params, "grant_type")
        if grant_type not in ("authorization_code", "refresh_token", "client_credentials"):
            raise OAuthError("unsupported_grant_type", f'grant_type "{grant_type}" is not supported')
        if grant_type == "client_credentials":
            return self._by_credentials(request)
        key = self._proven_key(request)
        return self._by_code(request, key) if grant_type == "authorization_code" else self._by_refresh(request, key)

    def _proven_key(self, request: TokenRequest) -> str | None:
        if request.proof is None:
            return None
        try:
            return check_proof(self._platform, request.proof, "POST", request.requested_url)
        except ProofError:
            raise _bad_proof() from None

    def _by_code(self, request: TokenRequest, key: str | None) -> dict[str, Any]:
        code = _required(request.params, "code")
        verifier = _required(request.params, "code_verifier", "code_verifier is required (PKCE mandatory)")
        client_id, redirect_uri = _required(request.params, "client_id"), _required(request.params, "redirect_uri")
        grant = use(self._platform, code)
        if not isinstance(grant, Grant) or not grant.access_id:
            raise OAuthError("invalid_grant", "code is invalid or already used")
        user = self._platform.users.read(grant.user)
        access = stored.find(self._platform, user, grant.access_id)
        try:
            _check_same(digest(verifier), grant.code_challenge, "PKCE verification failed")
            _check_same(client_id, grant.client_id, "client_id mismatch")
            _check_same(redirect_uri, grant.redirect_uri, "redirect_uri mismatch")
            self._authenticate(request, find_client(self._platform, client_id))
        except OAuthError:
            if access:
                accesses.remove(self._platform, user, [access])
            raise
        if access is None:
            raise OAuthError("invalid_grant", "code is invalid or already used")
        now = self._platform.clock.now()
        if key:
            bound = {**access, "clientData": {"dpop": {"jkt": key}}, "modified": int(now)}
            access = stored.save(self._platform, user, bound)
        kept = replace(grant, access_id="", key=key, until=now + self._settings.refresh_limit)
        return self._tokens(request, user, access, kept)

    def _by_refresh(self, request: TokenRequest, key: str | None) -> dict[str, Any]:
        token, client_id = _required(request.params, "refresh_token"), _required(request.params, "client_id")
        grant, now = use(self._platform, token), self._platform.clock.now()
        if isinstance(grant, Used) and now - grant.at >= self._settings.reuse_grace and not grant.grant.access_id:
            self._end_sessions(grant.grant)
        if not isinstance(grant, Grant) or grant.access_id:
            raise OAuthError("invalid_grant", "refresh_token is invalid or already used")
        _check_same(client_id, grant.client_id, "client_id mismatch")
        self._authenticate(request, find_client(self._platform, client_id))
        if key != grant.key:
            raise _bad_proof()
        user = self._platform.users.read(grant.user)
        consent = stored.find(self._platform, user, grant.consent_id)
        if consent is None:
            raise OAuthError("invalid_grant", "consent has been revoked")
        permissions = _within(grant.permissions, consent["permissions"])
        access = self._new_access(user, client_id, [*permissions, _SELF_REVOKE], "system", int(now), key)
        return self._tokens(request, user, access, grant)

    def _tokens(self, request: TokenRequest, user: User, access: Doc, grant: Grant) -> dict[str, Any]:
        expires = min(self._platform.clock.now() + self._settings.refresh_lifetime, grant.until)
        return {
            "access_token": access["token"],
            "token_type": "DPoP" if grant.key else "Bearer",
            "expires_in": self._settings.access_lifetime,
            "refresh_token": issue(self._platform, grant, expires),
            "scope": grant.scope,
            "apiEndpoint": _api_endpoint(request.url, access, user),
        }

    def _end_sessions(self, grant: Grant) -> None:
        """Revoke the consent, and delete all sessions of the client with the accesses that they created."""
        user = self._platform.users.read(grant.user)
        sessions = stored.select(
            self._platform, user, "deleted IS NULL AND type = 'app' AND name = ?", f"oauth:{grant.client_id}"
        )
        made = [doc for session in sessions for doc in stored.created_by(self._platform, user, session["id"])]
        consent = stored.find(self._platform, user, grant.consent_id)
        accesses.remove(self._platform, user, [*([consent] if consent else []), *sessions, *made])

    def _by_credentials(self, request: TokenRequest) -> dict[str, Any]:
        if request.proof is not None:
            raise OAuthError("invalid_request", "DPoP is not supported for the client_credentials grant")
        client_id = request.basic[0] if request.basic else request.params.get("client_id")
        if not client_id:
            raise OAuthError("invalid_client", "client_id required", 401)
        client = find_client(self._platform, client_id)
        if client is None:
            raise OAuthError("invalid_client", "unknown client", 401)
        if client.secret is None and not client.jwks:
            message = "client has no client_secret configured — run `bin/oauth-client.js rotate-secret`"
            raise OAuthError("invalid_client", message, 401)
        self._authenticate(request, client)
        if "client_credentials" not in client.grant_types:
            raise OAuthError("unauthorized_client", "client is not registered for client_credentials grant")
        for scope in request.params.get("scope", "").split():
            if scope.removeprefix("cmc:") not in client.offers or not scope.startswith("cmc:"):
                message = f'requested scope "{scope}" is not registered for this client'
                raise OAuthError("invalid_scope", message)
            message = "cmc:<offer-name> scopes are user-consent grants; not available to client_credentials"
            raise OAuthError("invalid_scope", message)
        user = self._platform.users.find(client.client_id)
        if user is None:
            raise OAuthError("server_error", "failed to create access", 500)
        everything = [{"streamId": "*", "level": "manage"}]
        access = self._new_access(user, client_id, everything, "system", int(self._platform.clock.now()))
        return {
            "access_token": access["token"],
            "token_type": "Bearer",
            "expires_in": self._settings.access_lifetime,
            "scope": "",
            "apiEndpoint": _api_endpoint(request.url, access, user),
        }

    def _authenticate(self, request: TokenRequest, client: Client | None) -> None:
        """Refuse a client that has a secret or keys, and does not prove that it knows them."""
        if client is None or (client.secret is None and not client.jwks):
            return
        params = request.params
        secret = request.basic[1] if request.basic else params.get("client_secret")
        if secret is None and "client_assertion" not in params:
            raise OAuthError("invalid_client", "client authentication required", 401)
        if request.basic and request.basic[0] != client.client_id:
            message = "client_id mismatch between request and Basic authorization"
            raise OAuthError("invalid_client", message, 401)
        is_secret = secret is not None and hmac.compare_digest(secret.encode(), (client.secret or "").encode())
        if not (client.secret and is_secret) and not self._is_asserted(request, client):
            raise OAuthError("invalid_client", "client authentication failed", 401)

    def _is_asserted(self, request: TokenRequest, client: Client) -> bool:
        params = request.params
        if params.get("client_assertion_type") != ASSERTION_TYPE or not client.jwks:
            return False
        audiences = (request.url, f"{request.url}/{TOKEN_PATH}")
        try:
            assertion = str(params.get("client_assertion"))
            used = check_assertion(assertion, client.client_id, client.jwks, audiences, self._platform.clock.now())
        except ProofError:
            return False
        return use_proof(self._platform, client.client_id, used)


def check_proof(platform: Platform, proof: str, method: str, url: str, access_token: str | None = None) -> str:
    """The thumbprint of the key of a DPoP proof, which is then used.

    Raises:
        ProofError: it is not valid, or was used before.
    """
    key, proof_id = check_dpop(proof, method, url, platform.clock.now(), access_token)
    if is_revoked(platform, key) or not use_proof(platform, key, proof_id):
        raise ProofError
    return key


def basic_credentials(header: str | None) -> tuple[str, str] | None:
    """The id and secret of a client in an ``Authorization`` header (RFC 6749, 2.3.1)."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (unquote(client_id), unquote(secret)) if colon else None


def with_query(url: str, params: dict[str, str | None]) -> str:
    """A URL with more parameters, written as JavaScript writes them."""
    added = "&".join(f"{name}={quote(value, safe=_UNESCAPED)}" for name, value in params.items() if value)
    return f"{url}{'&' if '?' in url else '?'}{added}"


def _required(params: dict[str, Any], name: str, message: str = "") -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise OAuthError("invalid_request", message or f"{name} is required")
    return value


def _check_same(given: str, expected: str, message: str) -> None:
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise OAuthError("invalid_grant", message)


def _bad_proof() -> OAuthError:
    return OAuthError("invalid_dpop_proof", "DPoP proof verification failed")


def _within(permissions: list[Permission], consented: list[Permission]) -> list[Permission]:
    """Those permissions that the consent still has."""
    return [entry for entry in permissions if any(entry.items() <= other.items() for other in consented)]


def _api_endpoint(url: str, access: Doc, user: User) -> str:
    scheme, _, host = url.partition("//")
    return f"{scheme}//{access['token']}@{host}/{user.username}/"
