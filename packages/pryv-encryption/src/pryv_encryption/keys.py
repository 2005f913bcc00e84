"""Keys: how new ones are made, and the shapes they come in."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_pem_private_key,
    load_pem_public_key,
)

from pryv.addons import SecretText
from pryv_encryption import _base64

Jwk = dict[str, str]
"""A key on the curve P-256 as a JSON Web Key (RFC 7518, 6.2)."""

CURVE = ec.SECP256R1()
SYMMETRIC_SIZE = 32
"""Bytes of a key of AES-256."""
POINT_SIZE = 65
"""Bytes of an uncompressed point of P-256: `04`, x, y (SEC 1, 2.3.3)."""

_NUMBER_SIZE = 32
_TO_STANDARD = str.maketrans("-_", "+/")
_PEM = b"-----BEGIN "
"""Text may stand before it, such as that of `openssl pkcs12` (RFC 7468, 2)."""


@attrs.frozen
class KeyPair:
    """A key pair on the curve P-256: the private key decrypts data that were encrypted with the public key.

    It cannot be pickled.

    Attributes:
        public_key: The public key as a JSON Web Key, for those who encrypt.
        private_key: The private key as a JSON Web Key. It is a secret: its `repr` is masked, its JSON is not.
    """

    public_key: Jwk
    private_key: Jwk = attrs.field(repr=False)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key pair cannot be pickled: it contains a private key")


def generate_key() -> bytes:
    """Return a new key for `aes-256-gcm`: 32 random bytes."""
    return AESGCM.generate_key(8 * SYMMETRIC_SIZE)


def generate_key_pair() -> KeyPair:
    """Return a new key pair for `ecies-aes-256-gcm`."""
    numbers = ec.generate_private_key(CURVE).private_numbers()
    point = numbers.public_numbers
    public_key = {"kty": "EC", "crv": "P-256", "x": _urlsafe(point.x), "y": _urlsafe(point.y)}
    return KeyPair(public_key, {**public_key, "d": SecretText(_urlsafe(numbers.private_value))})


def symmetric_key(key: object) -> bytes:
    """Return a key of 32 bytes, from bytes or Base64.

    Raises:
        TypeError: it is neither bytes nor a string.
        ValueError: it is not Base64, or has another length.
    """
    data = _data(key)
    if len(data) != SYMMETRIC_SIZE:
        raise ValueError(f"the key has {len(data)} bytes, it needs {SYMMETRIC_SIZE}")
    return data


def public_key(key: object) -> ec.EllipticCurvePublicKey:
    """Return a public key on P-256: a JWK, an uncompressed point, its Base64, PEM, an object, or that of a pair.

    Raises:
        TypeError: it is none of these.
        ValueError: it is none of these, or a private key.
    """
    key = _side(key, "publicKey")
    if isinstance(key, Mapping):
        if "d" in key:
            raise ValueError("a public key is needed, and this is a private one")
        return _public_numbers(key).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        data = _data(key)
        key = _loaded(load_pem_public_key, data) if _PEM in data else point(data)
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != CURVE.name:
        raise ValueError("not a public key on P-256")
    return key


def point(data: bytes) -> ec.EllipticCurvePublicKey:
    """Return the public key of an uncompressed point of P-256.

    Raises:
        ValueError: it is not such a point.
    """
    try:
        if len(data) == POINT_SIZE:
            return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, data)
    except ValueError:
        pass
    raise ValueError("not an uncompressed point of P-256")


def private_key(key: object) -> ec.EllipticCurvePrivateKey:
    """Return a private key on P-256: a JWK, PKCS#8, its Base64, PEM, an object, or that of a pair.

    Raises:
        TypeError: it is none of these.
        ValueError: it is none of these, or a public key.
    """
    key = _side(key, "privateKey")
    if isinstance(key, Mapping):
        if "d" not in key:
            raise ValueError("a private key is needed, and this is a public one")
        return ec.EllipticCurvePrivateNumbers(_number(key, "d"), _public_numbers(key)).private_key()
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        data = _data(key)
        load = load_pem_private_key if _PEM in data else load_der_private_key
        key = _loaded(partial(load, password=None), data)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != CURVE.name:
        raise ValueError("not a private key on P-256")
    return key


def _side(key: object, side: str) -> object:
    """Return the key of a pair for one side; any other value is returned unchanged."""
    if isinstance(key, KeyPair):
        return key.public_key if side == "publicKey" else key.private_key
    if not isinstance(key, Mapping) or "kty" in key:
        return key
    if key.get(side) is None:
        raise ValueError(f"the key pair has no {side}")
    return key[side]


def _data(key: object) -> bytes:
    if isinstance(key, str):
        return key.encode("ascii", "replace") if _PEM.decode() in key else _base64.decode(key)
    if isinstance(key, (bytes, bytearray, memoryview)):
        return bytes(key)
    raise TypeError(f"a key of type {type(key).__name__} cannot be used here")


def _public_numbers(jwk: Mapping[Any, Any]) -> ec.EllipticCurvePublicNumbers:
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256"):
        raise ValueError("not a JWK of a key on P-256")
    return ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), CURVE)


def _number(jwk: Mapping[Any, Any], name: str) -> int:
    text = str(jwk.get(name)).translate(_TO_STANDARD)
    try:
        data = _base64.decode(text)
    except ValueError:
        data = b""
    if len(data) != _NUMBER_SIZE:
        raise ValueError(f'"{name}" of the JWK is not {_NUMBER_SIZE} bytes in URL-safe Base64')
    return int.from_bytes(data, "big")


def _urlsafe(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(_NUMBER_SIZE, "big")).decode().rstrip("=")


def _loaded(load: Callable[[bytes], object], data: bytes) -> object:
    """Return the result of a parser, `None` if it fails."""
    try:
        return load(data)
    except (TypeError, ValueError, UnsupportedAlgorithm):  # an encrypted key is a TypeError
        return None
