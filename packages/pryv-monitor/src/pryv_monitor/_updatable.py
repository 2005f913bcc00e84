"""The interface of a monitor for update methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pryv import Connection


class UpdatableMonitor(Protocol):
    """A `Monitor`, as an update method sees it."""

    connection: Connection

    @property
    def scope(self) -> Mapping[str, Any]:
        """The parameters of `events.get` that events are read with."""
        ...

    @property
    def started(self) -> bool:
        """Whether the monitor follows the account."""
        ...

    def on(self, name: str, callback: Callable[[Any], object]) -> object:
        """Register a callback."""
        ...

    def update_events(self, *, wait: bool = True) -> object:
        """Ask for a pass.

        Raises:
            RuntimeError: the monitor is not started.
        """
        ...

    def _notify(self, name: str, argument: Any) -> None:
        """Call the callbacks registered for `name`; what they raise is logged."""
