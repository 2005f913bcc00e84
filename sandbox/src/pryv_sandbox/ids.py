"""Identifiers and tokens."""

from __future__ import annotations

import secrets
import string

_LETTERS = string.ascii_lowercase
_ALPHANUMERIC = string.ascii_lowercase + string.digits


def new_id() -> str:
    """A random item id: a letter, then 23 letters or digits."""
    number = secrets.randbits(128)
    number, first = divmod(number, 26)
    characters = [_LETTERS[first]]
    for _ in range(23):
        number, index = divmod(number, 36)
        characters.append(_ALPHANUMERIC[index])
    return "".join(characters)


def new_token() -> str:
    """A random access token."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(24))
