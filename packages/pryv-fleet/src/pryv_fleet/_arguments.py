"""Checks of arguments, before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pryv.addons import plain, require_seconds
from pryv_monitor import Monitor

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


def checked_scope(scope: Any) -> Mapping[str, Any] | None:
    """Return a scope as plain data, if a monitor accepts it: each pass of its account would fail otherwise.

    Raises:
        TypeError: it is not a dict, or has a value without a JSON form.
        ValueError: it has `limit`, `skip` or an unknown parameter, or a value that cannot be used.
    """
    if scope is None:
        return None
    Monitor("https://token@host.invalid/", scope)
    return plain(dict(scope))  # type: ignore[no-any-return]
