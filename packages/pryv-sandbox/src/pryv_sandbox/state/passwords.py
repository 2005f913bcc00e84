"""Hashed passwords."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_SALT_SIZE = 16


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**8, r=8, p=1)


def hash_password(password: str) -> bytes:
    """A salted hash. It is a fast one, because tests make many accounts, which need no protection."""
    salt = secrets.token_bytes(_SALT_SIZE)
    return salt + _digest(password, salt)


def matches(password: str, hashed: bytes) -> bool:
    """Whether the hash is that of the password."""
    return hmac.compare_digest(_digest(password, hashed[:_SALT_SIZE]), hashed[_SALT_SIZE:])
