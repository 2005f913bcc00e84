"""When a request is tried again, and how long it waits before."""

from __future__ import annotations

import random
from datetime import timezone
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


LONGEST = 86_400.0
"""Seconds that a server can ask to wait."""

NO_RETRY = RetryPolicy(attempts=1)


def parse_retry_after(value: str | None, date: str | None, received: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, a day at most; `None` if it says nothing.

    See RFC 9110, section 10.2.3. More than a day is taken for a mistake, which must hold up nobody for years.

    Args:
        value: The header: a number of seconds, or a date.
        date: The response's `Date`, by whose clock the other date is judged.
        received: Local time at which the response came, in seconds; it stands in for a `Date` that there is not.
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value), LONGEST)
    moment = _moment_of(value)
    if moment is None:
        return None
    now = _moment_of(date or "")
    return min(max(0.0, moment - (received if now is None else now)), LONGEST)


def _moment_of(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
