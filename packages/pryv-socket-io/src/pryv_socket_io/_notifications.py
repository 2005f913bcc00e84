"""Deliver notifications in order, to callbacks and iterators."""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from pryv import PryvConnectionError, PryvError
from pryv.addons import SignalSafeCondition, require_callback

CHANGES = ("eventsChanged", "streamsChanged", "accessesChanged", "accessUpdated", "notificationsChanged")
"""The notifications that the platform sends."""

NAMES = (*CHANGES, "disconnect", "reconnect", "error")

MAX_PENDING = 10_000
"""The most notifications that wait for callbacks, and for iterators."""

_MAX_PENDING_SIZE = 4_000_000
"""The most characters in the payloads of waiting notifications."""

_CALLBACKS_BEHIND = f"more than {MAX_PENDING} notifications, or large ones, wait for callbacks; later ones are dropped"
_ITERATORS_BEHIND = (
    f"more than {MAX_PENDING} notifications, or large ones, wait for an iterator; later ones go to callbacks only"
)

Callback = Callable[[Any], object]

_log = logging.getLogger("pryv.socket")


@attrs.frozen
class Notification:
    """A notification.

    Attributes:
        name: Its name, such as `eventsChanged` or `disconnect`.
        payload: Its data; `None` for most names.
    """

    name: str
    payload: Any = None


class Callbacks:
    """The callbacks registered for each name.

    There is no lock, which a fork could leave locked: each operation on a list is atomic.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, list[Callback]] = {name: [] for name in NAMES}

    def add(self, name: str, callback: Callback) -> None:
        """Register a callback.

        Raises:
            TypeError: it is not callable, or is a coroutine or generator function.
            ValueError: there is no notification with this name.
        """
        require_callback(callback, "callback")
        self._named(name).append(callback)

    def remove(self, name: str, callback: Callback) -> None:
        """Remove a callback. One that is not registered is ignored.

        Raises:
            ValueError: there is no notification with this name.
        """
        callbacks = self._named(name)
        with contextlib.suppress(ValueError):
            while True:
                callbacks.remove(callback)

    def of(self, name: str) -> tuple[Callback, ...]:
        """Return the callbacks for a name, in the order of registration."""
        return tuple(self._named(name))

    def _named(self, name: str) -> list[Callback]:
        if name not in self._by_name:
            raise ValueError(f"there is no notification {name!r}; the names are {', '.join(NAMES)}")
        return self._by_name[name]


class Backlog:
    """A queue of notifications, limited in number and in size."""

    def __init__(self) -> None:
        self._waiting: collections.deque[tuple[int, Notification]] = collections.deque()
        self._size = 0
        self._closed = False
        self._condition = SignalSafeCondition()
        self._lock = threading.RLock()

    def put(self, notification: Notification, *, force: bool = False) -> bool:
        """Add a notification, and return whether there was room for it; with `force`, there always is.

        After `close`, it is ignored.
        """
        size = _size(notification)
        with self._lock:
            if self._closed:
                return True
            if not force and (len(self._waiting) >= MAX_PENDING or self._size + size > _MAX_PENDING_SIZE):
                return False
            self._waiting.append((size, notification))
            self._size += size
        self._condition.notify_all()
        return True

    def get(self, timeout: float | None = None) -> Notification | None:
        """Return the next notification; `None` after `timeout` seconds, or if the queue is closed and empty."""
        taken: list[Notification] = []
        self._condition.wait_for(lambda: self._take(taken) or self._closed, timeout)
        return taken[0] if taken else None

    def clear(self) -> None:
        """Drop all notifications."""
        with self._lock:
            self._waiting.clear()
            self._size = 0

    def close(self) -> None:
        """Accept no more notifications. Those in the queue can still be taken."""
        self._closed = True
        self._condition.notify_all()

    def _take(self, taken: list[Notification]) -> bool:
        with self._lock:
            if not self._waiting:
                return False
            size, notification = self._waiting.popleft()
            self._size -= size
        taken.append(notification)
        return True


class Inbox(Backlog):
    """The notifications for iterators."""

    def __init__(self) -> None:
        super().__init__()
        self._pid = os.getpid()
        self._error: PryvError | None = None

    def finish(self, error: PryvError | None = None) -> None:
        """Let iterators end, or raise `error`, after the notifications that are left. Later calls have no effect."""
        if not self._closed:
            self._error = error
        self.close()

    def iterate(self, timeout: float | None) -> Iterator[Notification]:
        """Yield notifications as they arrive, until there are none for `timeout` seconds, or `finish` was called."""
        while (notification := self._next(timeout)) is not None:
            yield notification

    def _next(self, timeout: float | None) -> Notification | None:
        if self._pid != os.getpid():
            raise PryvConnectionError("notifications: the socket was opened in another process", sent=False)
        notification = self.get(timeout)
        if notification is None and self._closed and self._error is not None:
            raise self._error
        return notification


class Dispatcher:
    """Delivers notifications on a separate thread, so that slow callbacks block nothing else.

    Args:
        callbacks: The callbacks.
        before_delivery: Called with each notification before its delivery.
    """

    def __init__(self, callbacks: Callbacks, before_delivery: Callable[[Notification], None]) -> None:
        self.inbox = Inbox()
        self.thread = threading.Thread(target=self._run, name="pryv-socket-callbacks", daemon=True)
        self._callbacks = callbacks
        self._before_delivery = before_delivery
        self._backlog = Backlog()
        self._reported: set[str] = set()
        self._error: PryvError | None = None

    def put(self, notification: Notification) -> None:
        """Add a notification. Those of the platform are dropped if too many wait."""
        if self._backlog.put(notification, force=notification.name not in CHANGES):
            self._reported.discard(_CALLBACKS_BEHIND)
        elif _CALLBACKS_BEHIND not in self._reported:
            self._backlog.put(self._report(_CALLBACKS_BEHIND), force=True)

    def finish(self, error: PryvError | None = None) -> None:
        """Deliver the waiting notifications, then the error, and end the thread."""
        self._error = error
        self._backlog.close()

    def stop(self, last: Notification) -> None:
        """Drop the waiting notifications, deliver a last one, and end the thread."""
        self._backlog.clear()
        self._backlog.put(last, force=True)
        self._backlog.close()

    def _run(self) -> None:
        while (notification := self._backlog.get()) is not None:
            self._before_delivery(notification)
            self._deliver(notification)
        self.inbox.finish(self._error)
        if self._error is not None:
            self._run_callbacks(Notification("error", self._error))

    def _deliver(self, notification: Notification) -> None:
        if self.inbox.put(notification):
            self._reported.discard(_ITERATORS_BEHIND)
        elif _ITERATORS_BEHIND not in self._reported:
            self._deliver(self._report(_ITERATORS_BEHIND))
        self._run_callbacks(notification)

    def _run_callbacks(self, notification: Notification) -> None:
        for callback in self._callbacks.of(notification.name):
            error = _error_of(callback, notification)
            if error is not None and notification.name != "error":
                self._deliver(Notification("error", error))

    def _report(self, problem: str) -> Notification:
        """Return the notification of a problem, and remember that it was reported."""
        self._reported.add(problem)
        _log.warning("%s", problem)
        return Notification("error", PryvError(problem))


def parse_notification(name: str, arguments: Sequence[Any]) -> Notification | None:
    """Return an event of the platform as a notification; `None` if its arguments are not as documented."""
    payload = arguments[0] if arguments else None
    if name in ("eventsChanged", "streamsChanged", "accessesChanged"):
        return Notification(name)
    if not isinstance(payload, dict):
        return None
    if name == "accessUpdated":
        return Notification(name, payload) if isinstance(payload.get("accessId"), str) else None
    keys = payload.get("keys")
    if name == "notificationsChanged" and isinstance(keys, list) and all(isinstance(key, str) for key in keys):
        return Notification(name, payload)
    return None


def _size(notification: Notification) -> int:
    return len(repr(notification.payload)) if isinstance(notification.payload, dict) else 0


def _error_of(callback: Callback, notification: Notification) -> BaseException | None:
    try:
        callback(notification.payload)
    except BaseException as error:  # noqa: BLE001  (a callback may raise anything, SystemExit too)
        _log.error("a callback for %s failed", notification.name, exc_info=error)
        return error
    return None
