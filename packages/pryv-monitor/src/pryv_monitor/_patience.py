"""How failed passes are taken: which are tried again, when, and for how long."""

from __future__ import annotations

import math
import time

from pryv import RateLimitedError, ServerError
from pryv.addons import RetryPolicy, is_transient
from pryv_monitor.changes import Change

_BACKOFF = RetryPolicy(backoff=1, max_backoff=60)
_SAME_CHANGE = 3


class Patience:
    """Counts failures in a row.

    Args:
        tolerance: Seconds since the last success for which passing failures are tolerated; the last try begins as they
            end. A platform that asks to wait for longer is not waited for.
    """

    def __init__(self, tolerance: float) -> None:
        if math.isnan(tolerance) or tolerance < 0:
            raise ValueError("error_tolerance is a number of seconds, at least 0")
        self._tolerance = tolerance
        self._culprit: Change | None = None
        self.succeeded()

    def succeeded(self) -> None:
        """Note a success."""
        self._success = time.monotonic()
        self._failures = 0
        self._same = 0

    def failed(self, error: Exception, culprit: Change | None) -> float:
        """Return the seconds to wait after a failure, before the next try.

        Args:
            error: What went wrong.
            culprit: The change whose handler raised it, `None` if it was not a handler.

        Raises:
            Exception: `error` itself, if patience is over.
        """
        self._failures += 1
        self._same = self._same + 1 if culprit is not None and culprit == self._culprit else 1
        self._culprit = culprit
        over = self._same >= _SAME_CHANGE if culprit is not None else not is_transient(error)
        left = self._tolerance - (time.monotonic() - self._success)
        asked = error.retry_after or 0.0 if isinstance(error, (RateLimitedError, ServerError)) else 0.0
        if over or left <= 0 or asked > left:
            raise error
        return min(_BACKOFF.wait(self._failures, asked), left)
