"""Signals: Ctrl-C ends a command with exit code 130 and without a traceback; a command may handle its termination."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from pryv.cli._start import end_at_once

_REPEATED = 1.0
"""Seconds in which a second signal is taken for the same one: timeout(1), for example, sends it twice."""


def on_terminate(callback: Callable[[], object]) -> None:
    """Call a function when the process is told to terminate (SIGTERM), if this is the main thread, to which signals go.

    Args:
        callback: The function; it may raise `SystemExit`.
    """
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGTERM, lambda *_: callback())


class Interrupts:
    """A context in which the first interrupt raises `KeyboardInterrupt`, and a later one ends the program at once.

    The interrupted code may convert the exception to another one, as the creation of a class may
    (https://github.com/python/cpython/issues/77757), or drop it with a message, as finalizers do: see `happened`.

    Attributes:
        happened: Whether there was an interrupt.
    """

    def __init__(self) -> None:
        self.happened = False
        self._time = 0.0
        self._hook = sys.unraisablehook
        self._handler = signal.getsignal(signal.SIGINT)

    def __enter__(self) -> Interrupts:
        """Begin to handle interrupts, unless the process ignores them or has another handler."""
        self._handle(self._interrupt, self._end_if_dropped)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle(self._handler, self._hook)

    def _handle(self, handler: Any, hook: Any) -> None:
        if self._handler in (signal.default_int_handler, end_at_once):
            with contextlib.suppress(ValueError):  # not the main thread, to which interrupts go
                signal.signal(signal.SIGINT, handler)
                sys.unraisablehook = hook

    def _interrupt(self, *_: object) -> None:
        now = time.monotonic()
        if not self.happened:
            self.happened, self._time = True, now
            raise KeyboardInterrupt
        if now - self._time > _REPEATED:
            end_at_once()

    def _end_if_dropped(self, dropped: sys.UnraisableHookArgs) -> None:
        if self.happened and issubclass(dropped.exc_type, KeyboardInterrupt):
            end_at_once()
        self._hook(dropped)
