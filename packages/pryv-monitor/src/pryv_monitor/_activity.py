"""One stretch of following an account, from its start to its stop."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from pryv.addons import SignalSafeCondition
from pryv_monitor._patience import Patience
from pryv_monitor._reader import CalledOffError, InterruptibleReader, Reader
from pryv_monitor.changes import Change


class Activity:
    """What the thread that makes the passes shares with those who ask for passes, or for the end.

    Args:
        patience: How failed passes are taken.
        follows: Whether it goes on after a pass.
        silence: Seconds without a change after which it is over; `None` for any number.

    Attributes:
        patience: How failed passes are taken.
        follows: Whether it goes on after a pass.
        reader: Reads for the passes; `stop` interrupts it if the activity follows, which costs a second thread.
        handling: The change whose callbacks are being called.
        stopped: Whether the end was asked for.
        error: What ended it, if it was an error.
        thread: The thread made for it, if one was.
    """

    def __init__(self, patience: Patience, *, follows: bool, silence: float | None = None) -> None:
        self.patience = patience
        self.follows = follows
        self.reader = InterruptibleReader() if follows else Reader()
        self.handling: Change | None = None
        self.stopped = False
        self.error: Exception | None = None
        self.thread: threading.Thread | None = None
        self._changed = SignalSafeCondition()
        self._wanted = False
        self._idle = False
        self._passes = 0
        self._silence = silence
        self.heard()

    def heard(self) -> None:
        """Begin the time of silence anew."""
        self._until = math.inf if self._silence is None else time.monotonic() + self._silence

    def stop(self) -> None:
        """Ask for the end: every wait is over at once."""
        self.stopped = True
        self._changed.notify_all()
        self.reader.interrupt()

    def check(self) -> None:
        """Go on only if the end was not asked for.

        Raises:
            CalledOffError: it was.
        """
        if self.stopped:
            raise CalledOffError

    def ask(self, *, wait: bool) -> None:
        """Ask for a pass. While one runs, or is tried again, it leads to one more; else it can be waited for."""
        is_idle, number = self._idle, self._passes + 1  # read before, as the pass may begin and end meanwhile
        self._wanted = True
        self._changed.notify_all()
        if wait and is_idle:
            self._wait_for_pass(number)

    def wait_for_first_pass(self) -> None:
        """Wait until a pass has ended, whichever way."""
        self._wait_for_pass(1)

    def _wait_for_pass(self, number: int) -> None:
        self._changed.wait_for(lambda: self.stopped or self._passes >= number)

    def pass_ended(self) -> None:
        """Tell those who wait that a pass has ended."""
        self._passes += 1
        self._changed.notify_all()

    def next_pass(self) -> bool:
        """Wait until a pass is asked for; `False` if it is over."""
        self._idle = True
        self._wait(lambda: self._wanted, self._until)
        self._idle = False
        due = self._wanted and not self.stopped
        self._wanted = False
        return due

    def pause(self, seconds: float) -> bool:
        """Wait before a failed pass is tried again; `False` if it is over."""
        end = time.monotonic() + seconds
        self._wait(lambda: False, min(end, self._until))
        return not self.stopped and end < self._until

    def _wait(self, condition: Callable[[], bool], until: float) -> None:
        timeout = None if until == math.inf else max(0.0, until - time.monotonic())
        self._changed.wait_for(lambda: self.stopped or condition(), timeout)
