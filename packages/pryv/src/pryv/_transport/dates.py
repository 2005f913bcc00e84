"""The dates in headers of responses (RFC 9110, section 5.6.7)."""

from __future__ import annotations

from datetime import timezone
from email.utils import parsedate_to_datetime


def moment_of(date: str) -> float | None:
    """Return a date in seconds since 1970; `None` if it is not one."""
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def clock_ahead(date: str | None, received: float) -> float | None:
    """Return the seconds by which the clock of a `Date` is ahead of the local time `received`, to a second."""
    moment = moment_of(date or "")
    return None if moment is None else moment - received
