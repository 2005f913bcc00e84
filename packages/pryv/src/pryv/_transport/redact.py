"""Keeping secrets out of whatever people may read."""

from __future__ import annotations

import re
from typing import Any

_MASK = "***"
_CREDENTIALS = re.compile(r"(?<=://)[^@/\s]+(?=@)")
_SECRET_PARAM = re.compile(r"(?<=[?&])(auth|readToken|token|password)=[^&\s\"']+")


def redact(text: str, *secrets: str | None) -> str:
    """Return `text` with the secrets given, and any credentials in URLs, masked."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, _MASK)
    return _SECRET_PARAM.sub(rf"\1={_MASK}", _CREDENTIALS.sub(_MASK, text))


def redact_data(value: Any, *secrets: str | None) -> Any:
    """Return JSON data with every string in it, keys included, redacted."""
    if isinstance(value, str):
        return redact(value, *secrets)
    if isinstance(value, list):
        return [redact_data(item, *secrets) for item in value]
    if isinstance(value, dict):
        return {redact(str(key), *secrets): redact_data(item, *secrets) for key, item in value.items()}
    return value
