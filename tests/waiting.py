"""Waiting for what another thread or process does, and not for long, however busy the machine is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        pause.wait(0.005)


@contextmanager
def within(seconds: float, *, at_least: float = 0.0) -> Iterator[None]:
    """Check how long a block takes; where several processes share each processor, it may take as many times longer."""
    begin = time.monotonic()
    yield
    taken = time.monotonic() - begin
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    assert at_least <= taken < seconds * max(1.0, load)
