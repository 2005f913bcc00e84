"""How a client authenticates when it requests tokens (RFC 6749, section 2.3)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pryv._arguments import require
from pryv._display import SecretText, secret
from pryv.oauth._assertions import ASSERTION_TYPE, client_assertion
from pryv.oauth._es256 import SigningKey, key_from_jwk, key_from_pem
from pryv.oauth._metadata import AuthorizationServer

PrivateKey = str | bytes | Mapping[str, Any]
"""A private key on the curve P-256: the text of a PEM file, or a JWK."""

HeadersAndParams = tuple[Mapping[str, str], Mapping[str, str]]
"""What is added to the headers and to the parameters of a request for tokens."""


class ClientAuthentication:
    """A client that has no secret: it only names itself.

    Attributes:
        client_id: The client's id.
        secrets: What messages must not show.
    """

    is_confidential = False
    secrets: tuple[str, ...] = ()

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id

    def of(self, server: AuthorizationServer, now: float) -> HeadersAndParams:
        """Return what authenticates one request.

        Args:
            server: The server's metadata.
            now: The platform's time.
        """
        del server, now
        return {}, {"client_id": self.client_id}


class SecretAuthentication(ClientAuthentication):
    """A client with a secret, in a header if the server accepts that, otherwise in the parameters."""

    is_confidential = True

    def __init__(self, client_id: str, secret: str) -> None:
        super().__init__(client_id)
        pair = SecretText(f"{quote(client_id, safe='')}:{quote(secret, safe='')}")
        self._secret = SecretText(secret)
        self._credentials = SecretText(base64.b64encode(pair.encode()).decode())
        self.secrets = (self._secret, self._credentials)

    def of(self, server: AuthorizationServer, now: float) -> HeadersAndParams:
        """Return what authenticates one request."""
        del now
        methods = server.token_endpoint_auth_methods_supported
        if "client_secret_post" in methods and "client_secret_basic" not in methods:
            return {}, {"client_id": self.client_id, "client_secret": self._secret}
        return {"Authorization": SecretText(f"Basic {self._credentials}")}, {"client_id": self.client_id}


class KeyAuthentication(ClientAuthentication):
    """A client with a private key: each request has a new assertion, signed by it."""

    is_confidential = True

    def __init__(self, client_id: str, key: SigningKey, key_id: str | None) -> None:
        super().__init__(client_id)
        self._key = key
        self._key_id = key_id

    def of(self, server: AuthorizationServer, now: float) -> HeadersAndParams:
        """Return what authenticates one request."""
        assertion = client_assertion(self._key, self.client_id, server.token_endpoint, now, self._key_id)
        params = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        return {}, {"client_id": self.client_id, **params}


def authentication_of(
    client_id: str, client_secret: str | None, private_key: PrivateKey | None, key_id: str | None
) -> ClientAuthentication:
    """Return how a client authenticates.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is empty or malformed, or there are both a secret and a key.
        MissingAddonError: the extra for keys is not installed.
    """
    client_secret = secret(client_secret)
    try:
        key = None if private_key is None else _key_in(private_key)
    finally:
        del private_key  # or a traceback would hold it
    require(client_id=client_id, **{} if key_id is None else {"key_id": key_id})
    if key is not None:
        if client_secret is not None:
            raise ValueError("a client has a client_secret or a private_key, not both")
        return KeyAuthentication(client_id, key, key_id)
    if key_id is not None:
        raise ValueError("key_id is the name of a private_key, and there is none")
    if client_secret is None:
        return ClientAuthentication(client_id)
    require(client_secret=client_secret)
    return SecretAuthentication(client_id, client_secret)


def _key_in(private_key: PrivateKey) -> SigningKey:
    try:
        return key_from_jwk(private_key) if isinstance(private_key, Mapping) else key_from_pem(private_key)
    finally:
        del private_key
