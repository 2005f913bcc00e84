"""Base64 as the JavaScript client reads it: https://infra.spec.whatwg.org/#forgiving-base64-decode."""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64

_BLANKS = str.maketrans("", "", " \t\n\f\r")
_DIGITS = re.compile("[A-Za-z0-9+/]*")
_PADDED = re.compile("[A-Za-z0-9+/]*={0,2}")


def encode(data: bytes) -> str:
    """Return data in standard Base64, with its padding."""
    return b2a_base64(data, newline=False).decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes of standard Base64; white space is skipped, and padding may be missing.

    Raises:
        ValueError: it is not standard Base64.
    """
    if len(text) % 4 == 0 and _PADDED.fullmatch(text):
        return a2b_base64(text)
    digits = text.translate(_BLANKS)
    if len(digits) % 4 == 0:
        digits = digits.removesuffix("=").removesuffix("=")
    if len(digits) % 4 == 1 or not _DIGITS.fullmatch(digits):
        raise ValueError("not standard Base64")
    return a2b_base64(digits + "=" * (-len(digits) % 4))
