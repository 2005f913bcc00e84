"""Keep secrets out of messages, logs and reprs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pryv.errors import ERRORS

_MASK = "***"
_CREDENTIALS = re.compile(r"(:/{1,2})[^/\s]+(?=@)")
"""Those in a URL, also in one that was taken for a path, where `pathlib` drops a slash."""
_SECRET_PARAM = re.compile(r"(?<=[?&])(auth|readToken|token|password)=[^&\s\"']+")
_SIGNED = re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]+")
"""A proof or an assertion: a JSON Web Signature (RFC 7515), whose header begins with `{"`. It begins where no other of
its characters is before it, so that each part of a text is searched once."""
_SECRET_MEMBER = re.compile(r".*(password|token|secret)|recoverycode|passphrase", re.IGNORECASE)
"""The names of members with values that only the user and the platform may know."""
_IDS = tuple(value for name, value in vars(ERRORS).items() if name.isupper())
_LONG = 8
"""A secret with at least this many characters does not occur in other words by chance."""


def redact(text: str, *secrets: str | None) -> str:
    """Return `text` with secrets masked: those in `secrets`, any credentials in URLs, and signed proofs.

    A short secret, such as a password of one letter, is masked as a whole word only, not inside other words.

    Args:
        text: Text for a message, a log or a repr.
        secrets: Tokens, passwords, keys; their percent-encoded and JSON-encoded forms are masked too.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in _forms(secret):
            pattern = re.escape(form) if len(form) >= _LONG else rf"(?<!\w){re.escape(form)}(?!\w)"
            text = re.sub(pattern, _MASK, text)
    return _SIGNED.sub(_MASK, _SECRET_PARAM.sub(rf"\1={_MASK}", _CREDENTIALS.sub(rf"\1{_MASK}", text)))


def _forms(secret: str) -> set[str]:
    """Return a secret as plain text, in its form in URLs, and in its form in JSON."""
    in_json = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    return {secret, quote(secret, safe="", errors="replace"), *in_json}


def secrets_in(data: Any) -> list[str]:
    """Return the values in JSON data with names such as `password`."""
    found = []
    left = [(data, False)]
    while left:
        value, is_secret = left.pop()
        if isinstance(value, Mapping):
            left += [(item, is_secret or bool(_SECRET_MEMBER.fullmatch(str(name)))) for name, item in value.items()]
        elif isinstance(value, (list, tuple)):
            left += [(item, is_secret) for item in value]
        elif is_secret and isinstance(value, (str, int)) and not isinstance(value, bool):
            found.append(str(value))
    return found


def mask_secrets(data: Any) -> Any:
    """Return JSON data with what they hold under names such as `password` masked, for people to read."""
    if isinstance(data, Mapping):
        return {
            name: _MASK if _SECRET_MEMBER.fullmatch(str(name)) else mask_secrets(value) for name, value in data.items()
        }
    return [mask_secrets(item) for item in data] if isinstance(data, (list, tuple)) else data


def redact_error(body: Mapping[str, Any], *secrets: str | None, sent: Any = None) -> dict[str, Any]:
    """Return an error of the API, redacted except for its `id` if that is one of the API's error ids.

    Args:
        body: The error.
        secrets: As in `redact`.
        sent: The data of the request: their values with names such as `password` are masked too.
    """
    secrets = (*secrets, *secrets_in(sent))
    return {
        key: value if key == "id" and value in _IDS else redact_data(value, *secrets) for key, value in body.items()
    }


def redact_data(value: Any, *secrets: str | None) -> Any:
    """Return JSON data with every string redacted, including keys; data that are nested too deeply are masked.

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
