"""Identifiers and tokens."""

from __future__ import annotations

import random
import secrets
import string

_ALPHANUMERIC = string.ascii_lowercase + string.digits


def new_id() -> str:
    """A random item id: a letter, then 23 letters or digits."""
    return random.choice(string.ascii_lowercase) + "".join(random.choices(_ALPHANUMERIC, k=23))


def new_token() -> str:
    """A random access token."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(24))
