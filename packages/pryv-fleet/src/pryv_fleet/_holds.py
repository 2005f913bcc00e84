"""Holds: platforms that have asked not to be called before a time, as all workers see them."""

from __future__ import annotations

import threading
import time
from typing import Final

from pryv import RateLimitedError, ServerError
from pryv_fleet._database import Database

_BETWEEN_LOOKS: Final = 0.03
"""Seconds after which one thread reads again."""
_LONGEST_AGE: Final = 0.05
"""Seconds after which the others wait for it: so long a process may go on after another one was asked to pause."""
_HOLD: Final = """
    UPDATE {schema}.platforms SET not_before = greatest(not_before, now() + make_interval(secs => %s)) WHERE id = %s
"""
_HELD: Final = "SELECT id FROM {schema}.platforms WHERE not_before > now()"


class HeldError(Exception):
    """The platform has asked not to be called now; nothing was sent."""


class Holds:
    """The holds of all platforms; threads share it.

    Args:
        database: The database, where each worker writes the holds that it is asked for.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self._read_at = float("-inf")
        self._own_until: dict[int, float] = {}

    def check(self, platform: int) -> None:
        """Check that a platform may be called now.

        Raises:
            HeldError: it may not.
            DatabaseError: PostgreSQL cannot be reached.
        """
        if self._includes(platform):
            raise HeldError("the platform has asked not to be called now")

    def _includes(self, platform: int) -> bool:
        if self._own_until.get(platform, 0) > time.monotonic():
            return True
        age = time.monotonic() - self._read_at
        if age >= _BETWEEN_LOOKS and self._lock.acquire(blocking=age >= _LONGEST_AGE):
            try:
                self._read()
            finally:
                self._lock.release()
        return platform in self._held

    def _read(self) -> None:
        """Read the holds, unless another thread has done so while this one waited."""
        if time.monotonic() >= self._read_at + _BETWEEN_LOOKS:
            self._held = {key for (key,) in self._database.execute(_HELD)}
            self._read_at = time.monotonic()

    def add(self, platform: int, seconds: float) -> None:
        """Have no worker call a platform for a time. A longer hold stays.

        Raises:
            DatabaseError: PostgreSQL cannot be reached; this process keeps the hold nevertheless.
        """
        until = time.monotonic() + seconds
        self._own_until[platform] = max(until, self._own_until.get(platform, 0))
        self._database.execute(_HOLD, (seconds, platform))


def asked_pause(error: Exception) -> float | None:
    """Return the seconds of the `Retry-After` of a 429 or a 5xx."""
    return error.retry_after if isinstance(error, (RateLimitedError, ServerError)) else None
