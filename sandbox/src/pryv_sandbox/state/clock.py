"""The platform's own time."""

from __future__ import annotations

import time


class Clock:
    """Wall-clock time in seconds at millisecond resolution, ``skew`` seconds off the machine's."""

    def __init__(self) -> None:
        self.skew = 0.0

    def now(self) -> float:
        """Now, in seconds since the epoch."""
        return round(time.time() + self.skew, 3)
