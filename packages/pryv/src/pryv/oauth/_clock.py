"""The platform's time: the clock of this machine may be wrong, or be set while a program runs."""

from __future__ import annotations

import re
import time

from pryv._transport.dates import moment_of
from pryv._transport.http import Response

_AGE = re.compile("[0-9]{1,10}")
"""Seconds below 2^31, which is the largest age (RFC 9111, section 1.2.2)."""


class PlatformClock:
    """The platform's time, from the `Date` of its last response and the seconds since then.

    `Date` has whole seconds (RFC 9110, section 5.6.7), so that this clock may be up to a second slow.
    """

    def __init__(self) -> None:
        self._ahead: float | None = None

    def __getstate__(self) -> dict[str, None]:
        return {"_ahead": None}  # the monotonic clock is another one after a restart

    @property
    def is_set(self) -> bool:
        """Whether there was a response."""
        return self._ahead is not None

    def observe(self, response: Response) -> None:
        """Set the clock by a response that has just arrived; without a `Date` in it, by the local time.

        Args:
            response: The response. A cache adds its `Age` (RFC 9111, section 5.1).
        """
        moment = moment_of(response.headers.get("Date", ""))
        age = response.headers.get("Age", "").strip()
        if moment is None:
            moment = response.received
        elif _AGE.fullmatch(age):
            moment += int(age)
        self._ahead = moment - time.monotonic()

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return time.time() if self._ahead is None else self._ahead + time.monotonic()

    @property
    def ahead(self) -> float:
        """The seconds by which it is ahead of the local time."""
        return self.now() - time.time()
