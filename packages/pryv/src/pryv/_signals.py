"""Waiting that a signal handler may end, wherever it interrupts the thread that waits.

A handler runs on the main thread, between two instructions of what that thread was doing. `threading.Event` and
`threading.Condition` are not made for this. The interrupted thread may hold their lock, and then the handler waits for
itself; or it may have looked at the state already, and then waits for a change that the handler has made before.
`queue.SimpleQueue` is [reentrant](https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put), and an item put
before anyone waits is not lost.
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
        """Let every thread that waits look at the state again; call it after each change."""
        for wakeups in tuple(self._waiting):
            wakeups.put(None)

    def wait_for(self, predicate: Callable[[], object], timeout: float | None = None) -> bool:
        """Wait until `predicate` is true, and return whether it is.

        Args:
            predicate: Looks at the state.
            timeout: Seconds to wait at most; `None`: for ever.
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
    """Does as `threading.Event`."""

    def __init__(self) -> None:
        self._is_set = False
        self._changed = SignalSafeCondition()

    def is_set(self) -> bool:
        """Return whether it was set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake the threads that wait."""
        self._is_set = True
        self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, and return whether it is.

        Args:
            timeout: Seconds to wait at most; `None`: for ever.
        """
        return self._changed.wait_for(self.is_set, timeout)
