"""When a monitor makes its next pass."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from pryv.addons import SignalSafeCondition


class Schedule:
    """Shared by the thread that makes the passes, and those that ask for a pass or for the end.

    Args:
        timeout: Seconds without a change after which it ends; `None` for never.

    Attributes:
        stopped: Whether the end was requested.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self.stopped = False
        self._condition = SignalSafeCondition()
        self._requested = False
        self._idle = False
        self._passes = 0
        self._timeout = math.inf if timeout is None else timeout
        self.restart_timeout()

    def restart_timeout(self) -> None:
        """Start the time without a change anew."""
        self._end = time.monotonic() + self._timeout

    def stop(self) -> None:
        """Request the end: every wait ends at once."""
        self.stopped = True
        self._condition.notify_all()

    def request_pass(self, *, wait: bool) -> None:
        """Ask for a pass. If one is running, or is tried again, one more follows; if not, this can wait for it."""
        is_idle, number = self._idle, self._passes + 1  # read before, as the pass may begin and end meanwhile
        self._requested = True
        self._condition.notify_all()
        if wait and is_idle:
            self._wait_for_pass(number)

    def wait_for_first_pass(self) -> None:
        """Wait until a pass has ended, whether it succeeded or not."""
        self._wait_for_pass(1)

    def pass_ended(self) -> None:
        """Notify those who wait for a pass."""
        self._passes += 1
        self._condition.notify_all()

    def wait_for_request(self) -> bool:
        """Wait until a pass is requested; return `False` at the end."""
        self._idle = True
        self._wait(lambda: self._requested, self._end)
        self._idle = False
        is_due = self._requested and not self.stopped
        self._requested = False
        return is_due

    def pause(self, seconds: float) -> bool:
        """Wait before a failed pass is tried again; return `False` at the end."""
        end = time.monotonic() + seconds
        self._wait(lambda: False, min(end, self._end))
        return not self.stopped and end < self._end

    def _wait_for_pass(self, number: int) -> None:
        self._condition.wait_for(lambda: self.stopped or self._passes >= number)

    def _wait(self, condition: Callable[[], bool], end: float) -> None:
        timeout = None if end == math.inf else max(0.0, end - time.monotonic())
        self._condition.wait_for(lambda: self.stopped or condition(), timeout)
