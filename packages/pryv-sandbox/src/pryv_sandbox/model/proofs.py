"""Signed proofs: those of DPoP (RFC 9449), and those by which a client authenticates (RFC 7523); ES256 alone."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

Jwk = dict[str, Any]

_MAX_LENGTH = 4096
_SEGMENT = re.compile("[A-Za-z0-9_-]+")
_COORDINATE = re.compile("[A-Za-z0-9_-]{43}")
_DEFAULT_PORTS = {"http": 80, "https": 443}

DPOP_WINDOW = 120
"""Seconds by which the time of a proof may differ."""
_ASSERTION_SKEW = 60
_ASSERTION_LIFETIME = 300


class ProofError(Exception):
    """A proof is not valid; the response does not say why."""


def _require(condition: bool) -> None:
    if not condition:
        raise ProofError


def digest(text: str) -> str:
    """The SHA-256 digest of a text in base64url, as OAuth has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def thumbprint(jwk: Jwk) -> str:
    """The name of a key (RFC 7638)."""
    return digest('{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}'.format_map(jwk))


def check_dpop(proof: str, method: str, url: str, now: float, access_token: str | None = None) -> tuple[str, str]:
    """The thumbprint of the key of a DPoP proof, and the id of the proof, which may be used once.

    Raises:
        ProofError: it is not valid for this request.
    """
    header, payload, verify = _parse(proof)
    jwk = header.get("jwk")
    _require(header.get("typ") == "dpop+jwt" and _is_public_key(jwk))
    verify([jwk])
    issued, proof_id = payload.get("iat"), _id(payload)
    _require(payload.get("htm") == method)
    _require(isinstance(payload.get("htu"), str) and _comparable(payload["htu"]) == _comparable(url))
    _require(_is_number(issued) and abs(math.floor(now) - issued) <= DPOP_WINDOW)
    _require(access_token is None or payload.get("ath") == digest(access_token))
    return thumbprint(jwk), proof_id


def check_assertion(assertion: str, client_id: str, jwks: list[Jwk], audiences: tuple[str, ...], now: float) -> str:
    """The id of the assertion of a client, which may be used once.

    Raises:
        ProofError: it is not valid.
    """
    header, payload, verify = _parse(assertion)
    named = [jwk for jwk in jwks if jwk.get("kid") == header["kid"]] if header.get("kid") else jwks
    verify(named)
    _require(payload.get("iss") == client_id == payload.get("sub"))
    audience = payload.get("aud")
    _require(any(item in audiences for item in (audience if isinstance(audience, list) else [audience])))
    expires, issued, seconds = payload.get("exp"), payload.get("iat"), math.floor(now)
    _require(_is_number(expires) and seconds - _ASSERTION_SKEW < expires)
    _require(expires <= seconds + _ASSERTION_LIFETIME + _ASSERTION_SKEW)
    _require(issued is None or (_is_number(issued) and issued <= seconds + _ASSERTION_SKEW))
    return _id(payload)


def _parse(text: str) -> tuple[Any, Any, Callable[[list[Jwk]], None]]:
    """The header and payload of a compact JWS, and a function that refuses it unless one of some keys has signed it."""
    segments = text.split(".")
    _require(len(text) <= _MAX_LENGTH and len(segments) == 3 and all(map(_SEGMENT.fullmatch, segments)))
    _require(all(len(segment) % 4 != 1 for segment in segments))
    header, payload, signature = (base64.urlsafe_b64decode(segment + "==") for segment in segments)
    _require(len(signature) == 64)
    head, claims = _object(header), _object(payload)
    _require(head.get("alg") == "ES256")
    signed = text.rpartition(".")[0].encode()

    def verify(keys: list[Jwk]) -> None:
        _require(any(_has_signed(key, signed, signature) for key in keys))

    return head, claims, verify


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ProofError from None
    _require(isinstance(value, dict))
    return value  # type: ignore[no-any-return]


def _is_public_key(jwk: Any) -> bool:
    return (
        isinstance(jwk, dict)
        and (jwk.get("kty"), jwk.get("crv")) == ("EC", "P-256")
        and "d" not in jwk
        and all(isinstance(jwk.get(axis), str) and _COORDINATE.fullmatch(jwk[axis]) for axis in "xy")
    )


def _has_signed(jwk: Jwk, signed: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[axis] + "="), "big") for axis in "xy")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
        key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _id(payload: dict[str, Any]) -> str:
    proof_id = payload.get("jti")
    _require(isinstance(proof_id, str) and 0 < len(proof_id) <= 256)
    return str(proof_id)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf


def _comparable(url: str) -> tuple[str, str | None, int | None, str]:
    """A URL as proofs are compared: without the default port, query and fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        raise ProofError from None
    _require(bool(parts.scheme and parts.hostname))
    return parts.scheme, parts.hostname, port, parts.path or "/"
