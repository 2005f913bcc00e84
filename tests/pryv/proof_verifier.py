"""A verifier of DPoP proofs and of clients' assertions, as strict as the platform; the vectors have its verdicts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "dpop.json").read_text())

Claims = dict[str, Any]


class RefusedError(Exception):
    """A proof or an assertion is refused; the message has the reason."""


def check(condition: object, reason: str) -> None:
    if not condition:
        raise RefusedError(reason)


def thumbprint(jwk: Mapping[str, str]) -> str:
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    return encoded(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    check(re.fullmatch("[A-Za-z0-9_-]+", text), "segment is not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token: str) -> tuple[Claims, Claims]:
    """Return the header and the payload."""
    check(token.count(".") == 2, "proof is not a compact JWS")
    header, payload, signature = map(decoded, token.split("."))
    check(len(signature) == 64, "signature is not a raw ES256 signature")
    return json.loads(header), json.loads(payload)


def verify_signature(token: str, jwk: Mapping[str, str]) -> None:
    text, _, signature = token.rpartition(".")
    halves = decoded(signature)
    x, y = (int.from_bytes(decoded(jwk[name]), "big") for name in "xy")
    der = encode_dss_signature(int.from_bytes(halves[:32], "big"), int.from_bytes(halves[32:], "big"))
    try:
        EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key().verify(der, text.encode(), ECDSA(SHA256()))
    except InvalidSignature:
        raise RefusedError("signature verification failed") from None


def target(url: Any) -> str:
    """Return a URL as two of them are compared."""
    check(isinstance(url, str) and urlsplit(url).hostname, "htu is not an absolute URI")
    scheme, host, port = urlsplit(url).scheme, urlsplit(url).hostname, urlsplit(url).port
    default = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}:{port or default}{urlsplit(url).path or '/'}"


def verify_proof(proof: str, method: str, url: str, now: float, token: str | None = None) -> Claims:
    """Return the payload of a proof for a request.

    Raises:
        RefusedError: the platform refuses it.
    """
    check(len(proof) <= 4096, "proof too large")
    header, payload = parts(proof)
    jwk: Any = header.get("jwk")
    check(header.get("typ") == "dpop+jwt", "header.typ must be dpop+jwt")
    check(header.get("alg") == "ES256", "header.alg must be ES256")
    check(isinstance(jwk, dict), "jwk missing or not an object")
    check(jwk.get("crv") == "P-256" and jwk.get("kty") == "EC", "jwk.crv must be P-256")
    check("d" not in jwk, "jwk carries private key material")
    verify_signature(proof, jwk)
    check(0 < len(str(payload.get("jti", ""))) <= 256, "jti missing or out of bounds")
    check(payload.get("htm") == method, "htm does not match the request method")
    check(target(payload.get("htu")) == target(url), "htu does not match the request URI")
    check(isinstance(payload.get("iat"), (int, float)), "iat missing or not a number")
    check(abs(payload["iat"] - int(now)) <= 120, "iat outside the acceptance window")
    digest = None if token is None else encoded(hashlib.sha256(token.encode()).digest())
    check(token is None or payload.get("ath") == digest, "ath does not match the access token")
    return payload


def verify_assertion(
    assertion: str, client_id: str, jwk: Mapping[str, str], audiences: tuple[str, ...], now: float
) -> Claims:
    """Return the claims of an assertion.

    Raises:
        RefusedError: the platform refuses it.
    """
    header, claims = parts(assertion)
    check(header.get("alg") == "ES256", "header.alg must be ES256")
    check(header.get("kid") in (None, jwk.get("kid")), "no registered key matches the assertion kid")
    verify_signature(assertion, jwk)
    check(claims.get("iss") == client_id, "iss must equal client_id")
    check(claims.get("sub") == client_id, "sub must equal client_id")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    check(set(named) & set(audiences), "aud does not match the token endpoint or issuer")
    check(isinstance(claims.get("exp"), (int, float)), "exp missing or not a number")
    check(claims["exp"] > now - 60, "assertion is expired")
    check(claims["exp"] <= now + 360, "exp is too far in the future")
    check(0 < len(str(claims.get("jti", ""))) <= 256, "jti missing or out of bounds")
    return claims
