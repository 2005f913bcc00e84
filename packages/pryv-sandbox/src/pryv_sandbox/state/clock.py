"""The clock of the platform."""

from __future__ import annotations

import time


class Clock:
    """The time of the machine plus ``skew`` seconds, with millisecond resolution."""

    def __init__(self) -> None:
        self.skew = 0.0

    def now(self) -> float:
        """Now, in seconds since the epoch."""
        return round(time.time() + self.skew, 3)
