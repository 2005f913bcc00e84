"""The retries of failed passes: which failures, when, and for how long."""

from __future__ import annotations

import time

from pryv import RateLimitedError, ServerError
from pryv.addons import RetryPolicy, is_transient, require_seconds
from pryv_monitor.changes import Change

_BACKOFF = RetryPolicy(backoff=1, max_backoff=60)
_TRIES = 3
"""How often callbacks may fail for the same change."""


class ErrorTolerance:
    """Counts failures in a row.

    Args:
        seconds: How long after the last success transient failures are tolerated; the last try begins as this time
            ends. If the platform asks to wait for longer than is left, that is not waited for.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = require_seconds(seconds, "error_tolerance", endless=True)
        self._failing_change: Change | None = None
        self.succeeded()

    def succeeded(self) -> None:
        """Record a success."""
        self._success = time.monotonic()
        self._failures = 0
        self._failures_of_change = 0

    def failed(self, error: Exception, failing_change: Change | None) -> float:
        """Record a failure, and return the seconds to wait before the next try.

        Args:
            error: What was raised.
            failing_change: The change whose callback raised it; `None` if it was no callback.

        Raises:
            Exception: `error` itself, if it is not tolerated.
        """
        self._failures += 1
        is_same = failing_change is not None and failing_change == self._failing_change
        self._failures_of_change = self._failures_of_change + 1 if is_same else 1
        self._failing_change = failing_change
        final = not is_transient(error) if failing_change is None else self._failures_of_change >= _TRIES
        left = self._seconds - (time.monotonic() - self._success)
        asked = error.retry_after or 0.0 if isinstance(error, (RateLimitedError, ServerError)) else 0.0
        if final or left <= 0 or asked > left:
            raise error
        return min(_BACKOFF.wait(self._failures, asked), left)
