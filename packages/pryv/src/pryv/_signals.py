"""Waiting that a signal handler can end, at any point where it interrupts the waiting thread.

A handler runs on the main thread, between two of its instructions. `threading.Event` and `threading.Condition` do not
support this. If the interrupted thread holds their lock, the handler deadlocks. If it has already read the state, it
then waits for a change that the handler has already made. `queue.SimpleQueue` is
[reentrant](https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put), and keeps an item that is put before a
thread waits.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable


class SignalSafeCondition:
    """Lets threads wait until a state has changed. It has no lock, so it does not protect that state."""

    def __init__(self) -> None:
        self._waiting: list[queue.SimpleQueue[None]] = []

    def notify_all(self) -> None:
        """Make every waiting thread check the state again; call it after each change."""
        for wakeups in tuple(self._waiting):
            wakeups.put(None)

    def wait_for(self, predicate: Callable[[], object], timeout: float | None = None) -> bool:
        """Wait until `predicate` is true, and return whether it is.

        Args:
            predicate: Returns whether the state is reached.
            timeout: Seconds to wait at most; `None` for no limit.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        wakeups: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._waiting.append(wakeups)
        try:
            while not predicate():
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                with contextlib.suppress(queue.Empty):
                    wakeups.get(timeout=min(remaining, threading.TIMEOUT_MAX))
            return True
        finally:
            self._waiting.remove(wakeups)


class SignalSafeEvent:
    """A `threading.Event` that a signal handler can set."""

    def __init__(self) -> None:
        self._is_set = False
        self._condition = SignalSafeCondition()

    def is_set(self) -> bool:
        """Return whether the event is set."""
        return self._is_set

    def set(self) -> None:
        """Set the event, and wake the waiting threads."""
        self._is_set = True
        self._condition.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set, and return whether it is.

        Args:
            timeout: Seconds to wait at most; `None` for no limit.
        """
        return self._condition.wait_for(self.is_set, timeout)
