"""When a request is tried again, and how long it waits before."""

from __future__ import annotations

import random
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import attrs
from attrs import validators


@attrs.frozen
class RetryPolicy:
    """How requests that are safe to repeat are repeated.

    Attributes:
        attempts: Tries in all, at least 1.
        backoff: Upper bound of the first wait, in seconds; it doubles with each further one, and the wait itself is
            drawn at random below it (full jitter).
        max_backoff: What the bound never exceeds, in seconds.
        deadline: Seconds from the start of a call after which no other try begins.

    Raises:
        ValueError: a number is out of range.
    """

    attempts: int = attrs.field(default=3, validator=[validators.instance_of(int), validators.ge(1)])
    backoff: float = attrs.field(default=0.5, validator=validators.ge(0))
    max_backoff: float = attrs.field(default=8, validator=validators.ge(0))
    deadline: float = attrs.field(default=120, validator=validators.gt(0))

    def wait(self, attempt: int, retry_after: float | None = None) -> float:
        """Return the seconds to wait after a try that failed.

        Args:
            attempt: The number of the try, from 1.
            retry_after: Seconds the server asks to wait, a lower bound.
        """
        jitter = random.uniform(0, min(self.max_backoff, self.backoff * 2 ** min(attempt - 1, 30)))
        return max(jitter, retry_after or 0)


NO_RETRY = RetryPolicy(attempts=1)


def parse_retry_after(value: str | None, now: float | None = None) -> float | None:
    """Return the seconds a `Retry-After` header asks for, given as a number or as a date; `None` if it says neither."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    moment = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
    local = datetime.fromtimestamp(time.time() if now is None else now, timezone.utc)
    return max(0.0, (moment - local).total_seconds())
