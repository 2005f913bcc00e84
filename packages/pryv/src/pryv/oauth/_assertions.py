"""Assertions by which a client authenticates with its private key (`private_key_jwt`, RFC 7523)."""

from __future__ import annotations

import uuid

from pryv._display import SecretText
from pryv.oauth._es256 import SigningKey, encoded

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""The `client_assertion_type` of an assertion."""

LIFETIME = 60
"""Seconds for which an assertion is valid; servers accept up to 300."""


def client_assertion(key: SigningKey, client_id: str, audience: str, now: float, key_id: str | None = None) -> str:
    """Return an assertion for one request.

    Args:
        key: The private key; the server has the public one.
        client_id: The client.
        audience: The URL of the token endpoint, or the issuer.
        now: The time of the server, in seconds since 1970.
        key_id: The `kid` of the public key on the server, if it has several.
    """
    header = {"alg": "ES256", "typ": "JWT", **({} if key_id is None else {"kid": key_id})}
    issued = int(now)
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": str(uuid.uuid4()),
        "iat": issued,
        "exp": issued + LIFETIME,
    }
    return SecretText(key.signed(encoded(header), claims))
