"""Keys on the curve P-256, and what they sign: JSON Web Signatures with ES256 (RFC 7515, RFC 7518)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pryv._display import SecretText
from pryv.errors import MissingAddonError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_BYTES = 32
"""Bytes of a coordinate, of the private number, and of each half of a signature."""
_NUMBER = re.compile("[A-Za-z0-9_-]{43}")
_NO_KEY = "a private key is a JWK with kty EC, crv P-256, x, y and d"


def base64url(data: bytes) -> str:
    """Return data in base64url without padding."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


class SigningKey:
    """A private key on the curve P-256. Its `repr` shows nothing of it; a pickle holds it.

    Attributes:
        public_jwk: The public key, as a JWK (RFC 7517).
    """

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        public = key.public_key().public_numbers()
        self._key = key
        self._algorithm = ECDSA(SHA256())
        self._decode = decode_dss_signature
        self.public_jwk = {"kty": "EC", "crv": "P-256", "x": _text(public.x), "y": _text(public.y)}

    def __reduce__(self) -> tuple[Any, ...]:
        return key_from_jwk, (self.private_jwk(),)

    def private_jwk(self) -> dict[str, str]:
        """Return the private key as a JWK."""
        number = SecretText(_text(self._key.private_numbers().private_value))
        return {**self.public_jwk, "d": number}

    def signed(self, header: str, claims: Mapping[str, Any]) -> str:
        """Return claims as a signed compact JWS.

        Args:
            header: The protected header, encoded (see `encoded`); its `alg` is ES256.
            claims: The payload.
        """
        text = f"{header}.{encoded(claims)}"
        r, s = self._decode(self._key.sign(text.encode("ascii"), self._algorithm))
        return f"{text}.{base64url(r.to_bytes(_BYTES, 'big') + s.to_bytes(_BYTES, 'big'))}"


def encoded(data: Mapping[str, Any]) -> str:
    """Return a part of a JWS: JSON in base64url."""
    return base64url(json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode())


def new_key() -> SigningKey:
    """Return a new key.

    Raises:
        MissingAddonError: the extra is not installed.
    """
    ec = require_cryptography()
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def key_from_jwk(jwk: Mapping[str, Any]) -> SigningKey:
    """Return the key in a private JWK; members that are not of the key are ignored.

    Raises:
        MissingAddonError: the extra is not installed.
        TypeError: it is not a dict.
        ValueError: it is not a private key on P-256.
    """
    if not isinstance(jwk, Mapping):
        kind = type(jwk).__name__
        del jwk  # or a traceback would hold the key
        raise TypeError(f"a JWK is a dict, not {kind}")
    key = _parsed(jwk)
    del jwk
    if key is None:
        raise ValueError(_NO_KEY)
    return SigningKey(key)


def key_from_pem(pem: str | bytes) -> SigningKey:
    """Return the key in a PEM file without a passphrase (PKCS #8 or SEC 1).

    Raises:
        MissingAddonError: the extra is not installed.
        ValueError: it is not a private key on P-256.
    """
    key = _loaded(pem)
    del pem  # or a traceback would hold the key
    if key is None:
        raise ValueError("a private key is an EC key on P-256, in PEM without a passphrase")
    return SigningKey(key)


def _parsed(jwk: Mapping[str, Any]) -> EllipticCurvePrivateKey | None:
    ec = require_cryptography()
    numbers = [_number(jwk.get(name)) for name in ("x", "y", "d")]
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256") or None in numbers:
        return None
    x, y, d = numbers
    try:
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1())
        key: EllipticCurvePrivateKey = ec.EllipticCurvePrivateNumbers(d, public).private_key()
    except ValueError:
        return None
    return key


def _loaded(pem: str | bytes) -> EllipticCurvePrivateKey | None:
    require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode() if isinstance(pem, str) else pem, None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1) else None


def _text(number: int) -> str:
    return base64url(number.to_bytes(_BYTES, "big"))


def _number(text: Any) -> int | None:
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        return None
    return int.from_bytes(base64.urlsafe_b64decode(f"{text}="), "big")


def require_cryptography() -> Any:
    """Return the module with the elliptic curves.

    Raises:
        MissingAddonError: the extra is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric import ec
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cryptography":
            raise
        raise MissingAddonError('keys of DPoP and of clients need an extra: pip install "pryv[dpop]"') from None
    return ec
