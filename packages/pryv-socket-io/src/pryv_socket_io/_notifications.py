"""What a program is told, and how: one notification after the other, to its callbacks and its iterators."""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from pryv import PryvConnectionError, PryvError

CHANGES = ("eventsChanged", "streamsChanged", "accessesChanged", "accessUpdated", "notificationsChanged")
"""The notifications that come from the platform."""

NAMES = (*CHANGES, "disconnect", "reconnect", "error")

KEPT = 10_000
"""How many notifications are kept for iterators."""

Callback = Callable[[Any], object]

_log = logging.getLogger("pryv.socket")


@attrs.frozen
class Notification:
    """Something that happened.

    Attributes:
        name: What: `eventsChanged`, `disconnect`…
        payload: What is known about it; `None` for most.
    """

    name: str
    payload: Any = None


class Callbacks:
    """The callbacks registered for each name.

    It needs no lock, which a fork could leave locked: it does one thing at a time with a list.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, list[Callback]] = {name: [] for name in NAMES}

    def add(self, name: str, callback: Callback) -> None:
        """Register a callback.

        Raises:
            TypeError: it is not callable.
            ValueError: there is no notification of that name.
        """
        if not callable(callback):
            raise TypeError("callback is not callable")
        self._named(name).append(callback)

    def remove(self, name: str, callback: Callback) -> None:
        """Forget a callback; one that is not registered is no error.

        Raises:
            ValueError: there is no notification of that name.
        """
        callbacks = self._named(name)
        with contextlib.suppress(ValueError):
            while True:
                callbacks.remove(callback)

    def of(self, name: str) -> tuple[Callback, ...]:
        """Return the callbacks for a name, in the order registered."""
        return tuple(self._named(name))

    def _named(self, name: str) -> list[Callback]:
        if name not in self._by_name:
            raise ValueError(f"no notification is named {name!r}; those that are: {', '.join(NAMES)}")
        return self._by_name[name]


class Inbox:
    """Notifications kept until an iterator takes them."""

    def __init__(self) -> None:
        self._kept: collections.deque[Notification] = collections.deque()
        self._changed = threading.Condition()
        self._pid = os.getpid()
        self._closed = False
        self._error: PryvError | None = None

    def put(self, notification: Notification) -> bool:
        """Keep a notification, and return whether there was room for it."""
        with self._changed:
            if len(self._kept) == KEPT:
                return False
            if not self._closed:
                self._kept.append(notification)
            self._changed.notify()
            return True

    def close(self, error: PryvError | None = None) -> None:
        """Take no more; iterators end, or raise `error`, when they have taken what is left. The first time counts."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()

    def take(self, timeout: float | None) -> Iterator[Notification]:
        """Yield notifications as they come, until none came for `timeout` seconds or the inbox was closed."""
        while (notification := self._next(timeout)) is not None:
            yield notification

    def _next(self, timeout: float | None) -> Notification | None:
        if self._pid != os.getpid():
            raise PryvConnectionError("notifications: the socket is open in another process", sent=False)
        with self._changed:
            self._changed.wait_for(lambda: self._kept or self._closed, timeout)
            if self._kept:
                return self._kept.popleft()
            if self._error is not None:
                raise self._error
            return None


class Dispatcher:
    """Hands notifications on from a thread of its own, so that a callback may take its time.

    Args:
        callbacks: Who to call.
        prepare: Called with each notification before it is handed on.
    """

    def __init__(self, callbacks: Callbacks, prepare: Callable[[Notification], None]) -> None:
        self.inbox = Inbox()
        self.thread = threading.Thread(target=self._run, name="pryv-socket-callbacks", daemon=True)
        self._callbacks = callbacks
        self._prepare = prepare
        self._waiting: queue.SimpleQueue[Notification | None] = queue.SimpleQueue()
        self._overflowed = False
        self._error: PryvError | None = None

    def put(self, notification: Notification) -> None:
        """Hand a notification on, after those put before."""
        self._waiting.put(notification)

    def finish(self, error: PryvError) -> None:
        """Hand on what waits, then the error that ended all, and end."""
        self._error = error
        self._waiting.put(None)

    def stop(self, last: Notification) -> None:
        """Drop what waits, hand on one last notification, and end."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
        self._waiting.put(last)
        self._waiting.put(None)

    def _run(self) -> None:
        while (notification := self._waiting.get()) is not None:
            self._prepare(notification)
            self._hand_on(notification)
        self.inbox.close(self._error)
        if self._error is not None:
            self._call_back(Notification("error", self._error))

    def _hand_on(self, notification: Notification) -> None:
        self._keep(notification)
        self._call_back(notification)

    def _call_back(self, notification: Notification) -> None:
        for callback in self._callbacks.of(notification.name):
            error = _raised_by(callback, notification)
            if error is not None and notification.name != "error":
                self._hand_on(Notification("error", error))

    def _keep(self, notification: Notification) -> None:
        if self.inbox.put(notification):
            self._overflowed = False
        elif not self._overflowed:
            self._overflowed = True
            error = PryvError(f"{KEPT} notifications wait for an iterator; later ones go to callbacks only")
            _log.warning("%s", error)
            self._hand_on(Notification("error", error))


def _raised_by(callback: Callback, notification: Notification) -> BaseException | None:
    try:
        callback(notification.payload)
    except BaseException as error:  # noqa: BLE001  (a callback may raise anything, SystemExit too)
        _log.error("a callback for %s failed", notification.name, exc_info=error)
        return error
    return None
