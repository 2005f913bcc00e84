"""Items as data and as JSON text."""

from __future__ import annotations

import json
import re
from typing import Any

_ACCOUNT_FIELDS = (":_system:", ":system:")
_GENERATED_FIELDS = frozenset(("time", "created", "modified", "integrity"))

_MODIFIED = re.compile(r'"modified"[ \t\n\r]*:[ \t\n\r]*(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)')

decode = json.loads
encode = json.JSONEncoder(separators=(",", ":")).encode
"""Return the compact JSON text of a value, in ASCII: lone surrogates have no UTF-8."""

Item = tuple[Any, str]
"""An event, a deletion or the tree of streams, and its JSON text as the platform sent it."""


def is_account_field(event_id: str) -> bool:
    """Return whether an event is a field of the account, which the platform generates at each read."""
    return event_id.startswith(_ACCOUNT_FIELDS)


def is_another_version(text: Any, item: dict[str, Any]) -> bool:
    """Return whether the text of an event certainly has another time of change than an event, without parsing it.

    Of all members named `modified`, in a text in which the name is not spelled with escapes, one is that of the event.
    Of a value that is no text, which a damaged file may have, nothing is certain.
    """
    modified = item.get("modified")
    if not isinstance(modified, (int, float)) or is_account_field(item["id"]):
        return False
    if not isinstance(text, str) or "\\u" in text:
        return False
    times = _MODIFIED.findall(text)
    return bool(times) and float(modified) not in map(float, times)


def stable_fields(item: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event or deletion that are equal at each read, if it has not changed."""
    if is_account_field(item["id"]):
        return {key: value for key, value in item.items() if key not in _GENERATED_FIELDS}
    return item
