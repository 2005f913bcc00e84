"""When a request is retried, and after how long."""

from __future__ import annotations

import random
from typing import Any

import attrs

from pryv._arguments import require_seconds

from .dates import moment_of


def _check_attempts(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"RetryPolicy.{field.name} is a whole number, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"RetryPolicy.{field.name} is at least 1")


def _backoff(value: float) -> float:
    return require_seconds(value, "RetryPolicy.backoff", endless=True)


def _max_backoff(value: float) -> float:
    return require_seconds(value, "RetryPolicy.max_backoff", endless=True)


def _deadline(value: float) -> float:
    return require_seconds(value, "RetryPolicy.deadline", above_zero=True, endless=True)


@attrs.frozen
class RetryPolicy:
    """How idempotent requests are retried.

    Attributes:
        attempts: Attempts in all, at least 1.
        backoff: Upper bound of the first wait, in seconds. It doubles with each further wait; the wait itself is random
            between 0 and the bound (full jitter).
        max_backoff: Limit of that bound, in seconds.
        deadline: Seconds from the start of a call after which no further attempt begins.

    Raises:
        TypeError: an argument is not a number.
        ValueError: a number is out of range.
    """

    attempts: int = attrs.field(default=3, validator=_check_attempts)
    backoff: float = attrs.field(default=0.5, converter=_backoff)
    max_backoff: float = attrs.field(default=8, converter=_max_backoff)
    deadline: float = attrs.field(default=120, converter=_deadline)

    def wait(self, attempt: int, retry_after: float | None = None) -> float:
        """Return the seconds to wait after a failed attempt.

        Args:
            attempt: The number of the attempt, from 1.
            retry_after: Seconds that the server asks to wait: the lower bound.
        """
        jitter = random.uniform(0, min(self.max_backoff, self.backoff * 2 ** min(attempt - 1, 30)))
        return max(jitter, retry_after or 0)


LONGEST = 86_400.0
"""The longest wait that a server can ask for, in seconds."""

NO_RETRY = RetryPolicy(attempts=1)


def parse_retry_after(value: str | None, date: str | None, received: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, a day at most; `None` if it says nothing.

    See RFC 9110, section 10.2.3. More than a day counts as a mistake of the server: a wrong date must not block a
    program for years.

    Args:
        value: The header: a number of seconds, or a date.
        date: The response's `Date`: the clock that a date in `value` is compared with.
        received: Local time at which the response came, in seconds; used where there is no `Date`.
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value), LONGEST)
    moment = moment_of(value)
    if moment is None:
        return None
    now = moment_of(date or "")
    return min(max(0.0, moment - (received if now is None else now)), LONGEST)
