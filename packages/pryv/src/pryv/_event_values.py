"""The values of an event in frames and in CSV files."""

from __future__ import annotations

import json
import math
from typing import Any

COLUMNS = ("id", "time", "duration", "type", "stream_ids", "content", "content_text", "modified", "trashed")
"""The default columns."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def as_json(value: Any) -> str:
    """Return a string as it is, and any other value as JSON."""
    return value if isinstance(value, str) else _encode(value)


def as_float(value: Any) -> float:
    """Return a number as float; NaN for anything else, and for a number that no float holds."""
    try:
        return float(value) if is_number(value) else math.nan
    except OverflowError:
        return math.nan


def content_text(value: Any) -> str | None:
    """Return a content as text, `None` for none and for a number that a float can hold."""
    if value is None or type(value) is float:
        return None
    return None if is_number(value) and math.isfinite(as_float(value)) else as_json(value)


def string_items(value: Any) -> tuple[str, ...] | None:
    """Return the strings in a list, `None` if it is no list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else None


def is_number(value: Any) -> bool:
    """Return whether a value is a number of JSON."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
