"""Keeping secrets out of whatever people may read."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

_MASK = "***"
_CREDENTIALS = re.compile(r"(?<=://)[^@/\s]+(?=@)")
_SECRET_PARAM = re.compile(r"(?<=[?&])(auth|readToken|token|password)=[^&\s\"']+")


def redact(text: str, *secrets: str | None) -> str:
    """Return `text` with the secrets given, and any credentials in URLs, masked.

    Args:
        text: What people may read.
        secrets: Tokens, passwords, keys; they are masked in their percent-encoded form too.
    """
    for secret in filter(None, secrets):
        for form in (secret, quote(secret, safe="")):
            text = text.replace(form, _MASK)
    return _SECRET_PARAM.sub(rf"\1={_MASK}", _CREDENTIALS.sub(_MASK, text))


def redact_data(value: Any, *secrets: str | None) -> Any:
    """Return JSON data with every string in it, keys included, redacted; what is nested too deeply is masked.

    Args:
        value: The data.
        secrets: Tokens, passwords, keys.
    """
    try:
        return _redacted(value, *secrets)
    except RecursionError:
        return _MASK


def _redacted(value: Any, *secrets: str | None) -> Any:
    if isinstance(value, str):
        return redact(value, *secrets)
    if isinstance(value, list):
        return [_redacted(item, *secrets) for item in value]
    if isinstance(value, dict):
        return {redact(str(key), *secrets): _redacted(item, *secrets) for key, item in value.items()}
    return value
