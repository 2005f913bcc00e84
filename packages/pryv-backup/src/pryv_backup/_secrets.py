"""Keeps tokens and recovery codes out of a backup."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

_SECRET_NAMES: Final = re.compile(r"token|readToken|mfaToken|recoveryCodes?|password|secret", re.IGNORECASE)
"""The members of accesses, webhooks and profiles that are secrets."""
_READ_TOKEN: Final = "readToken"
_ENDPOINT: Final = re.compile(r"\w*apiEndpoint", re.IGNORECASE)
_CREDENTIALS: Final = re.compile(r"(?<=://)[^@/\s]*@")
_IDS: Final = ("id", "streamId", "streamIds", "parentId", "type")
"""Members in which no token is: one that someone has chosen may be the same text."""
_LONG: Final = 16
"""A token with fewer characters may be part of other texts by chance, and is masked as a member only."""


class Secrets:
    """Masks secrets in what the platform sends.

    Args:
        tokens: The tokens of the account that are known; they are removed wherever they occur.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self._tokens = sorted({token for token in tokens if len(token) >= _LONG}, key=len)[::-1]

    def item(self, data: Any, text: str) -> tuple[Any, str]:
        """Return an event, a deletion or the streams, with their text, without secrets."""
        has_token = any(token in text for token in self._tokens)
        has_writer = _has_writer(data)
        if not (has_token or has_writer or _READ_TOKEN in text or "piendpoint" in text.lower()):
            return data, text
        item = self._masked(text, is_event=True)
        if has_writer:
            item["modifiedBy"] = ""
        return item, json.dumps(item)

    def document(self, data: Any) -> Any:
        """Return a document, such as the list of accesses, without secrets."""
        return self._masked(json.dumps(data), is_event=False)

    def _masked(self, text: str, *, is_event: bool) -> Any:
        """Return JSON data without secrets. It is not recursive: data may be nested as deeply as `json` reads them."""
        data = json.loads(text)
        left = [data]
        while left:
            value = left.pop()
            if isinstance(value, dict):
                members = [(key, _masked_member(key, item, is_event=is_event)) for key, item in value.items()]
                value.clear()
                for key, item in members:
                    if key in _IDS and not isinstance(item, dict):
                        value[key] = item
                    else:
                        value[self._without_tokens(key)] = self._without_tokens(item)
                        left.append(item)
            elif isinstance(value, list):
                value[:] = map(self._without_tokens, value)
                left += value
        return data

    def _without_tokens(self, value: Any) -> Any:
        """Return a text without tokens; anything else is returned unchanged."""
        for token in self._tokens if isinstance(value, str) else ():
            value = value.replace(token, "")
        return value


def _has_writer(item: Any) -> bool:
    """Return whether an item is the event of a series whose `modifiedBy` may be a token: that of who added points.

    See https://github.com/pryv/open-pryv.io/blob/master/components/hfs-server/src/web/op/store_series_data.ts.
    """
    is_series = isinstance(item, dict) and str(item.get("type")).startswith("series:")
    return is_series and item.get("modifiedBy") != item.get("createdBy")


def _masked_member(key: str, value: Any, *, is_event: bool) -> Any:
    """Return the value of a member, masked if it is a secret itself; what is in it stays as it is."""
    is_secret = key == _READ_TOKEN if is_event else _SECRET_NAMES.fullmatch(key)
    if is_secret and value is not None:
        return [] if isinstance(value, list) else ""
    if _ENDPOINT.fullmatch(key) and isinstance(value, str):
        return _CREDENTIALS.sub("", value)
    return value


def unmasked(value: Any, present: Any) -> Any:
    """Return a masked document with the secrets of another one; those that it does not have are left out.

    Args:
        value: The document.
        present: The other one.
    """
    if isinstance(value, list):
        return [unmasked(item, None) for item in value]
    if not isinstance(value, dict):
        return value
    others = present if isinstance(present, dict) else {}
    is_secret = {key: bool(_SECRET_NAMES.fullmatch(key)) and item in ("", []) for key, item in value.items()}
    return {
        key: others[key] if _is_masked_form(key, item, others) else unmasked(item, others.get(key))
        for key, item in value.items()
        if key in others or not is_secret[key]
    }


def _is_masked_form(key: str, value: Any, others: dict[str, Any]) -> bool:
    """Return whether a member is what masking leaves of that of another document."""
    return key in others and _masked_member(key, others[key], is_event=False) == value


def tokens_in(accesses: Any) -> list[str]:
    """Return the tokens in the platform's lists of accesses."""
    found = [access.get("token") for access in accesses if isinstance(access, dict)]
    return [token for token in found if isinstance(token, str)]
