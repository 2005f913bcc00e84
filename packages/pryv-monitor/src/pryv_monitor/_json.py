"""JSON texts that can be compared."""

from __future__ import annotations

import json
from typing import Any

_ACCOUNT_FIELDS = (":_system:", ":system:")
_MADE_UP_WHEN_READ = frozenset(("time", "created", "modified", "integrity"))

decode = json.loads
encode = json.JSONEncoder(separators=(",", ":")).encode
"""Return the compact JSON text of a value; in ASCII, so that it may hold half a surrogate pair."""

Item = tuple[Any, str]
"""What was read, an event, a deletion or the tree of streams, and its JSON text."""


def is_account_field(event_id: str) -> bool:
    """Tell whether an event is a field of the account itself, which the platform makes up at each read."""
    return event_id.startswith(_ACCOUNT_FIELDS)


def stable_fields(item: dict[str, Any]) -> dict[str, Any]:
    """Return what of an event, or of a deletion, is the same at each reading of it."""
    if is_account_field(item["id"]):
        return {key: value for key, value in item.items() if key not in _MADE_UP_WHEN_READ}
    return item
