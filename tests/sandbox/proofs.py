"""Proofs that recorded requests need: they are signed again in each run."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateNumbers,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

Jwk = dict[str, str]


def signed(jwk: Jwk, header: dict[str, Any], payload: dict[str, Any]) -> str:
    """A compact JWS, by a private key, with ES256."""
    x, y, d = (int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "="), "big") for name in "xyd")
    key = EllipticCurvePrivateNumbers(d, EllipticCurvePublicNumbers(x, y, SECP256R1())).private_key()
    text = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(payload).encode())}"
    r, s = decode_dss_signature(key.sign(text.encode(), ECDSA(SHA256())))
    return f"{text}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


class Proofs:
    """The proofs of a run; each id of a recorded proof is mapped to one of the run."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def dpop(self, asked: dict[str, Any], method: str, url: str) -> str:
        """A DPoP proof for a request; what is asked may say otherwise."""
        public = {name: asked["key"][name] for name in ("kty", "crv", "x", "y")}
        claims = {
            "jti": self._id(asked),
            "htm": asked.get("htm", method),
            "htu": asked.get("htu", url),
            "iat": int(time.time()) + asked.get("iat", 0),
        }
        if "token" in asked:
            claims["ath"] = _encoded(hashlib.sha256(asked["token"].encode()).digest())
        return signed(asked["key"], {"typ": "dpop+jwt", "alg": "ES256", "jwk": public}, claims)

    def assertion(self, asked: dict[str, Any]) -> str:
        """An assertion by which a client authenticates."""
        now = int(time.time())
        claims = {name: asked[name] for name in ("iss", "sub", "aud")}
        claims |= {"jti": self._id(asked), "iat": now, "exp": now + asked.get("exp", 60)}
        return signed(asked["key"], {"alg": "ES256", "typ": "JWT", "kid": asked["kid"]}, claims)

    def _id(self, asked: dict[str, Any]) -> str:
        fresh = str(uuid.uuid4())
        return self._ids.setdefault(asked["jti"], fresh) if "jti" in asked else fresh


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
