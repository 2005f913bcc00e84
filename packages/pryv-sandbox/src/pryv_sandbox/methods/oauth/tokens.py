"""Tokens: clients get them for codes, for refresh tokens, and for their own account."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Any

from pryv_sandbox.methods import accesses
from pryv_sandbox.methods.oauth.clients import TokenRequest, authenticate
from pryv_sandbox.methods.oauth.proofs import check_proof
from pryv_sandbox.methods.oauth.sessions import SELF_REVOKE, end_sessions, open_session
from pryv_sandbox.model.endpoints import api_endpoint
from pryv_sandbox.model.oauth import OAuthError, Permission
from pryv_sandbox.model.proofs import ProofError, digest
from pryv_sandbox.state import accesses as stored
from pryv_sandbox.state.accesses import Doc
from pryv_sandbox.state.oauth import Grant, Used, find_client, issue, use
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.settings import OAuthSettings
from pryv_sandbox.state.users import User


class Tokens:
    """Issues the tokens of a platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @property
    def _settings(self) -> OAuthSettings:
        return self._platform.settings.oauth

    def issue(self, request: TokenRequest) -> dict[str, Any]:
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
            authenticate(self._platform, request, find_client(self._platform, client_id))
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
            end_sessions(self._platform, grant.grant)
        if not isinstance(grant, Grant) or grant.access_id:
            raise OAuthError("invalid_grant", "refresh_token is invalid or already used")
        _check_same(client_id, grant.client_id, "client_id mismatch")
        authenticate(self._platform, request, find_client(self._platform, client_id))
        if key != grant.key:
            raise _bad_proof()
        user = self._platform.users.read(grant.user)
        consent = stored.find(self._platform, user, grant.consent_id)
        if consent is None:
            raise OAuthError("invalid_grant", "consent has been revoked")
        permissions = _within(grant.permissions, consent["permissions"])
        access = open_session(self._platform, user, client_id, [*permissions, SELF_REVOKE], "system", int(now), key)
        return self._tokens(request, user, access, grant)

    def _tokens(self, request: TokenRequest, user: User, access: Doc, grant: Grant) -> dict[str, Any]:
        expires = min(self._platform.clock.now() + self._settings.refresh_lifetime, grant.until)
        return {
            "access_token": access["token"],
            "token_type": "DPoP" if grant.key else "Bearer",
            "expires_in": self._settings.access_lifetime,
            "refresh_token": issue(self._platform, grant, expires),
            "scope": grant.scope,
            "apiEndpoint": api_endpoint(request.url, access["token"], user.username),
        }

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
        authenticate(self._platform, request, client)
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
        now = int(self._platform.clock.now())
        access = open_session(self._platform, user, client_id, everything, "system", now)
        return {
            "access_token": access["token"],
            "token_type": "Bearer",
            "expires_in": self._settings.access_lifetime,
            "scope": "",
            "apiEndpoint": api_endpoint(request.url, access["token"], user.username),
        }


def _required(params: dict[str, str], name: str, message: str = "") -> str:
    if not params.get(name):
        raise OAuthError("invalid_request", message or f"{name} is required")
    return params[name]


def _check_same(given: str, expected: str, message: str) -> None:
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise OAuthError("invalid_grant", message)


def _bad_proof() -> OAuthError:
    return OAuthError("invalid_dpop_proof", "DPoP proof verification failed")


def _within(permissions: list[Permission], consented: list[Permission]) -> list[Permission]:
    """Those permissions that the consent still has."""
    return [entry for entry in permissions if any(entry.items() <= other.items() for other in consented)]
