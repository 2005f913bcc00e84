"""Waiting for what another thread or process does, and not for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        pause.wait(0.005)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done inside takes less time than that."""
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds
