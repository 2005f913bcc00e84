"""The callbacks that programs register with a monitor."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from pryv.addons import require_callback

Callback = Callable[[Any], object]

NAMES: Final = ("event", "eventDelete", "streams", "error", "commit", "ready", "stop", "accessUpdated")
_log = logging.getLogger("pryv_monitor")


class Listeners:
    """Callbacks by the name of what they are called for."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callback]] = {name: [] for name in NAMES}

    def add(self, name: str, callback: Callback) -> None:
        """Register a callback.

        Raises:
            TypeError: it is not callable, or is a coroutine or generator function.
            ValueError: the name is unknown.
        """
        if name not in NAMES:
            raise ValueError(f"a monitor has no {name!r}; it has {', '.join(NAMES)}")
        require_callback(callback, "callback")
        self._callbacks[name].append(callback)

    def of(self, name: str) -> tuple[Callback, ...]:
        """Return the callbacks for a name."""
        return tuple(self._callbacks[name])

    def call(self, name: str, argument: Any) -> None:
        """Call the callbacks for a name.

        Raises:
            Exception: what a callback raises.
        """
        for callback in self.of(name):
            callback(argument)

    def notify(self, name: str, argument: Any) -> None:
        """Call the callbacks for a name, and log what they raise: they cannot end the monitor."""
        for callback in self.of(name):
            _call(name, callback, argument)


def _call(name: str, callback: Callback, argument: Any) -> None:
    try:
        callback(argument)
    except Exception:  # noqa: BLE001
        _log.exception("a callback for %s failed", name)
