"""The forms of a timeout."""

from __future__ import annotations

Timeout = float | tuple[float | None, float | None] | None
"""Seconds for connecting and for each step after it (one for both, or a pair); `None` turns one or both off."""

DEFAULT_TIMEOUT: Timeout = (5, 60)

_LONGEST = 2**31 / 1000
"""Seconds beyond which no socket can wait."""


class Default:
    """The type of `DEFAULT`, which means the connection's own setting; `None` turns the setting off."""

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT = Default()

CallTimeout = Timeout | Default
"""The limit for one call."""


def limit_of(timeout: CallTimeout, default: Timeout) -> Timeout:
    """Return the limit for a call: its own, or the default where it has none.

    Raises:
        TypeError: its own is not a number, a pair of numbers or `None`.
        ValueError: a number in it is not above 0, or too large.
    """
    return default if isinstance(timeout, Default) else checked_timeout(timeout)


def read_limit(timeout: Timeout) -> float | None:
    """Return the seconds for each step after connecting."""
    return timeout[1] if isinstance(timeout, tuple) else timeout


def checked_timeout(timeout: Timeout) -> Timeout:
    """Return `timeout`.

    Raises:
        TypeError: it is not a number, a pair of numbers or `None`.
        ValueError: a number in it is not above 0, or too large.
    """
    parts = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    if len(parts) != 2 or not all(part is None or _is_number(part) for part in parts):
        raise TypeError("a timeout is a number of seconds, a pair (connect, read) or None")
    if any(part is not None and not 0 < part < _LONGEST for part in parts):
        raise ValueError("a timeout is above 0 seconds and below 24 days; None turns it off")
    return timeout


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
