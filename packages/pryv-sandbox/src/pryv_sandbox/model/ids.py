"""Identifiers and tokens."""

from __future__ import annotations

import random
import re
import secrets
import string
import unicodedata

_random = random.Random()  # of its own: a program, or hypothesis, that seeds the module's would get the same ids again
_ALPHANUMERIC = string.ascii_lowercase + string.digits


def new_id() -> str:
    """A random item id: a letter, then 23 letters or digits."""
    return _random.choice(string.ascii_lowercase) + "".join(_random.choices(_ALPHANUMERIC, k=23))


def to_id(text: str) -> str:
    """The text as an id: letters without accents, digits, ``-._~``, a dash for spaces. Those of system streams stay."""
    if text.startswith(":"):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s.~-]", "", plain).strip())


def new_token() -> str:
    """A random access token."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(24))
