"""The values of an event in frames and in CSV files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from numbers import Real
from typing import Any

from pryv._transport.fast_json import encode_each
from pryv.utils import to_timestamp

COLUMNS = ("id", "time", "duration", "type", "stream_ids", "content", "content_text", "modified", "trashed")
"""The default columns."""


_NUMBERS = (int, float, Real)
"""The types of numbers, those of NumPy too; the checks of the first two are fast."""
_TEXT_TYPES = {str, type(None)}
_TEXT_OR_FLOAT_TYPES = {float, *_TEXT_TYPES}
_JSON_TYPES = {bool, list, dict}
"""Types that are neither texts nor numbers; the check whether another type is a number is slow."""


def as_texts(values: Sequence[Any]) -> list[str | None]:
    """Return strings and `None` as they are, and other values as JSON."""
    return _texts(values, [at for at, value in enumerate(values) if type(value) not in _TEXT_TYPES])


def content_texts(contents: Sequence[Any]) -> list[str | None]:
    """Return contents as `as_texts`, and `None` for a number that a float can hold."""
    others = [at for at, content in enumerate(contents) if type(content) not in _TEXT_OR_FLOAT_TYPES]
    return _texts(contents, [at for at in others if type(contents[at]) in _JSON_TYPES or not _is_float(contents[at])])


def _texts(values: Sequence[Any], others: list[int]) -> list[str | None]:
    """Return strings, the JSON of the values at some indexes, and `None` for all others."""
    texts = [value if type(value) is str else None for value in values]
    for at, text in zip(others, encode_each([values[at] for at in others]), strict=True):
        texts[at] = values[at] if isinstance(values[at], str) else text
    return texts


def as_float(value: Any) -> float:
    """Return a number, or an aware datetime in seconds, as float; NaN for anything else."""
    try:
        if is_number(value):
            return float(value)
        return to_timestamp(value) if isinstance(value, datetime) else math.nan
    except (OverflowError, ValueError):
        return math.nan


def string_items(value: Any) -> tuple[str, ...] | None:
    """Return the strings in a list, `None` if it is no list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else None


def is_number(value: Any) -> bool:
    """Return whether a value is a number, and no boolean."""
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def _is_float(value: Any) -> bool:
    return isinstance(value, float) or (is_number(value) and math.isfinite(as_float(value)))
