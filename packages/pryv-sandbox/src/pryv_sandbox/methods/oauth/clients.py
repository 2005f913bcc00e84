"""Clients, and how they authenticate when they ask for tokens."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from urllib.parse import unquote

from pryv_sandbox.model.oauth import OAuthError
from pryv_sandbox.model.proofs import ProofError, check_assertion
from pryv_sandbox.state.oauth import Client, use_proof
from pryv_sandbox.state.platform import Platform

TOKEN_PATH = "oauth2/token"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class TokenRequest:
    """A request of a token.

    Attributes:
        basic: the id and secret in the ``Authorization`` header.
        proof: the ``DPoP`` header.
        requested_url: the URL of the request, as the client has it.
        url: the URL of the platform.
    """

    params: dict[str, str]
    basic: tuple[str, str] | None
    proof: str | None
    requested_url: str
    url: str


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


def authenticate(platform: Platform, request: TokenRequest, client: Client | None) -> None:
    """Refuse a client that has a secret or keys, and does not prove that it knows them.

    Raises:
        OAuthError: ``invalid_client``.
    """
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
    if not (client.secret and is_secret) and not _is_asserted(platform, request, client):
        raise OAuthError("invalid_client", "client authentication failed", 401)


def _is_asserted(platform: Platform, request: TokenRequest, client: Client) -> bool:
    params = request.params
    if params.get("client_assertion_type") != _ASSERTION_TYPE or not client.jwks:
        return False
    audiences = (request.url, f"{request.url}/{TOKEN_PATH}")
    try:
        assertion = str(params.get("client_assertion"))
        used = check_assertion(assertion, client.client_id, client.jwks, audiences, platform.clock.now())
    except ProofError:
        return False
    return use_proof(platform, client.client_id, used)
