"""JSON texts that can be compared."""

from __future__ import annotations

import json
from typing import Any

import orjson

_ACCOUNT_FIELDS = (":_system:", ":system:")
_MADE_UP_WHEN_READ = frozenset(("time", "created", "modified", "integrity"))


def encode(value: Any) -> str:
    """Return the compact JSON text of a value."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # an integer of more than 64 bits, or half a surrogate pair
        return json.dumps(value, separators=(",", ":"))


def decode(text: str) -> Any:
    """Return the value of a JSON text."""
    return json.loads(text)


def is_account_field(event_id: str) -> bool:
    """Tell whether an event is a field of the account itself, which the platform makes up at each read."""
    return event_id.startswith(_ACCOUNT_FIELDS)


def essence(item: dict[str, Any]) -> str:
    """Return the text of all that makes two readings of an event, or of a deletion, the same."""
    if is_account_field(item["id"]):
        item = {key: value for key, value in item.items() if key not in _MADE_UP_WHEN_READ}
    return encode(item)
