"""Checks of arguments, before anything is done."""

from __future__ import annotations

from typing import Final

from pryv.addons import require_seconds

_LONGEST: Final = 366 * 86_400
"""Seconds of an interval: longer ones may lead beyond the dates that PostgreSQL knows, and fail every pass."""


def require_interval(value: object, name: str) -> None:
    """Refuse an argument that is no number of seconds above 0, a year at most.

    Raises:
        TypeError: it is not a number.
        ValueError: it is out of range.
    """
    if require_seconds(value, name, above_zero=True) > _LONGEST:
        raise ValueError(f"{name} is a number of seconds, at most those of a year")


def require_count(value: object, name: str) -> None:
    """Refuse an argument that is no whole number above 0.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is less than 1.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is a whole number, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} is a whole number, at least 1")
