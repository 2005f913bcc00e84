"""The values of an event in frames and in CSV files."""

from __future__ import annotations

import math
from typing import Any

from pryv._transport.fast_json import encode_each

COLUMNS = ("id", "time", "duration", "type", "stream_ids", "content", "content_text", "modified", "trashed")
"""The default columns."""


_TEXTS = (str, type(None))
_NUMBERS = (int, float)


def as_texts(values: list[Any]) -> list[str | None]:
    """Return strings and `None` as they are, and other values as JSON."""
    texts = iter(encode_each([value for value in values if not isinstance(value, _TEXTS)]))
    return [value if isinstance(value, _TEXTS) else next(texts) for value in values]


def content_texts(contents: list[Any]) -> list[str | None]:
    """Return contents as `as_texts`, and `None` for a number that a float can hold."""
    return as_texts([None if isinstance(content, _NUMBERS) and _is_float(content) else content for content in contents])


def as_float(value: Any) -> float:
    """Return a number as float; NaN for anything else, and for a number that no float holds."""
    try:
        return float(value) if is_number(value) else math.nan
    except OverflowError:
        return math.nan


def string_items(value: Any) -> tuple[str, ...] | None:
    """Return the strings in a list, `None` if it is no list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else None


def is_number(value: Any) -> bool:
    """Return whether a value is a number of JSON."""
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def _is_float(value: float) -> bool:
    return isinstance(value, float) or (is_number(value) and math.isfinite(as_float(value)))
