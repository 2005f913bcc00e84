"""A task that is interrupted at any of its steps, as a signal handler interrupts the main thread."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any

STUCK = 30.0
"""Seconds after which a task that was interrupted does not end any more."""


def interruptions(
    task: Callable[[], object],
    handler: Callable[[], object],
    *modules: ModuleType,
    begun: Callable[[], object] = lambda: True,
) -> Iterator[None]:
    """Run a task again and again, with `handler` called before the first line of `modules`, then the second…

    It ends when the task has ended, or has waited for a moment, without coming to a line of that number; the handler is
    called then to end the wait. Yields after each run. Lines count from when the task has `begun`.
    """
    for step in itertools.count(1):
        run = _Run(step, handler, {module.__file__ for module in modules}, begun)
        with _ended_if_stuck(), _called_by_a_thread(run):
            before = sys.gettrace()
            sys.settrace(run.trace)
            try:
                task()
            finally:
                sys.settrace(before)
        yield
        if not run.was_reached:
            assert step > 3, "the task has no steps in these modules"
            return


class _Run:
    def __init__(
        self, step: int, handler: Callable[[], object], files: set[str | None], begun: Callable[[], object]
    ) -> None:
        self.was_reached = False
        self._left = step
        self._files = files
        self._handler = handler
        self._begun = begun

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in self._files:
            return None
        if event == "line" and self._left and self._begun():
            self._left -= 1
            if not self._left:
                self.was_reached = True
                self._handler()
        return self.trace

    def end(self) -> None:
        self._left = 0
        self._handler()


@contextmanager
def _called_by_a_thread(run: _Run) -> Iterator[None]:
    """Call the handler of a run that waits; what waits now for a thread of its own goes on at once."""
    done = threading.Event()

    def end() -> None:
        if not done.wait(0.3) and not run.was_reached:
            run.end()

    thread = threading.Thread(target=end)
    thread.start()
    yield
    done.set()
    thread.join()


@contextmanager
def _ended_if_stuck() -> Iterator[None]:
    main = threading.main_thread().ident
    assert threading.get_ident() == main, "signals are handled by the main thread"
    assert main

    def fail(*_: Any) -> None:
        raise AssertionError("the task is stuck")

    before = signal.signal(signal.SIGUSR1, fail)
    timer = threading.Timer(STUCK, signal.pthread_kill, (main, signal.SIGUSR1))
    timer.start()
    begin = time.monotonic()
    try:
        yield
        assert time.monotonic() - begin < STUCK
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGUSR1, before)
