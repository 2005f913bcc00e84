"""What a program is told, and how: one notification after the other, to its callbacks and its iterators."""

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
from pryv.addons import SignalSafeCondition

CHANGES = ("eventsChanged", "streamsChanged", "accessesChanged", "accessUpdated", "notificationsChanged")
"""The notifications that come from the platform."""

NAMES = (*CHANGES, "disconnect", "reconnect", "error")

KEPT = 10_000
"""How many notifications wait at most for callbacks, and for iterators."""

_KEPT_SIZE = 4_000_000
"""Characters in the payloads of those that wait."""

_TOO_SLOW = f"more than {KEPT} notifications, or large ones, wait for callbacks; the next ones are dropped"
_NOT_TAKEN = f"more than {KEPT} notifications, or large ones, wait for an iterator; the next ones go to callbacks only"

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


class Backlog:
    """Notifications that wait, in order: 10,000 at most, and no more of them than fit into a few megabytes."""

    def __init__(self) -> None:
        self._waiting: collections.deque[tuple[int, Notification]] = collections.deque()
        self._size = 0
        self._closed = False
        self._changed = SignalSafeCondition()
        self._lock = threading.RLock()

    def put(self, notification: Notification, *, always: bool = False) -> bool:
        """Add a notification, and return whether there was room for it; `always` makes room.

        Once closed, it takes no more, without a word.
        """
        size = _size(notification)
        with self._lock:
            if self._closed:
                return True
            if not always and (len(self._waiting) >= KEPT or self._size + size > _KEPT_SIZE):
                return False
            self._waiting.append((size, notification))
            self._size += size
        self._changed.notify_all()
        return True

    def get(self, timeout: float | None = None) -> Notification | None:
        """Return the next notification; `None` if it is closed and empty, or none came for `timeout` seconds."""
        taken: list[Notification] = []
        self._changed.wait_for(lambda: self._take(taken) or self._closed, timeout)
        return taken[0] if taken else None

    def clear(self) -> None:
        """Drop what waits."""
        with self._lock:
            self._waiting.clear()
            self._size = 0

    def close(self) -> None:
        """Take no more. What waits can still be had."""
        self._closed = True
        self._changed.notify_all()

    def _take(self, taken: list[Notification]) -> bool:
        with self._lock:
            if not self._waiting:
                return False
            size, notification = self._waiting.popleft()
            self._size -= size
        taken.append(notification)
        return True


class Inbox(Backlog):
    """Notifications for iterators."""

    def __init__(self) -> None:
        super().__init__()
        self._pid = os.getpid()
        self._error: PryvError | None = None

    def end(self, error: PryvError | None = None) -> None:
        """Take no more; iterators end, or raise `error`, when they have taken what is left. The first time counts."""
        if not self._closed:
            self._error = error
        self.close()

    def take(self, timeout: float | None) -> Iterator[Notification]:
        """Yield notifications as they come, until none came for `timeout` seconds or there will be no more."""
        while (notification := self._next(timeout)) is not None:
            yield notification

    def _next(self, timeout: float | None) -> Notification | None:
        if self._pid != os.getpid():
            raise PryvConnectionError("notifications: the socket is open in another process", sent=False)
        notification = self.get(timeout)
        if notification is None and self._closed and self._error is not None:
            raise self._error
        return notification


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
        self._backlog = Backlog()
        self._reported: set[str] = set()
        self._error: PryvError | None = None

    def put(self, notification: Notification) -> None:
        """Hand a notification on, after those put before; the platform's are dropped where too many wait."""
        if self._backlog.put(notification, always=notification.name not in CHANGES):
            self._reported.discard(_TOO_SLOW)
        elif _TOO_SLOW not in self._reported:
            self._backlog.put(self._report(_TOO_SLOW), always=True)

    def finish(self, error: PryvError | None = None) -> None:
        """Hand on what waits, then the error that ended all, and end."""
        self._error = error
        self._backlog.close()

    def stop(self, last: Notification) -> None:
        """Drop what waits, hand on one last notification, and end."""
        self._backlog.clear()
        self._backlog.put(last, always=True)
        self._backlog.close()

    def _run(self) -> None:
        while (notification := self._backlog.get()) is not None:
            self._prepare(notification)
            self._hand_on(notification)
        self.inbox.end(self._error)
        if self._error is not None:
            self._call_back(Notification("error", self._error))

    def _hand_on(self, notification: Notification) -> None:
        if self.inbox.put(notification):
            self._reported.discard(_NOT_TAKEN)
        elif _NOT_TAKEN not in self._reported:
            self._hand_on(self._report(_NOT_TAKEN))
        self._call_back(notification)

    def _call_back(self, notification: Notification) -> None:
        for callback in self._callbacks.of(notification.name):
            error = _raised_by(callback, notification)
            if error is not None and notification.name != "error":
                self._hand_on(Notification("error", error))

    def _report(self, problem: str) -> Notification:
        """Return the error that tells of a problem, which is told once as long as it lasts."""
        self._reported.add(problem)
        _log.warning("%s", problem)
        return Notification("error", PryvError(problem))


def notification_of(name: str, arguments: Sequence[Any]) -> Notification | None:
    """Return the notification that an event of the platform is; `None` if it is not of the form documented."""
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


def _raised_by(callback: Callback, notification: Notification) -> BaseException | None:
    try:
        callback(notification.payload)
    except BaseException as error:  # noqa: BLE001  (a callback may raise anything, SystemExit too)
        _log.error("a callback for %s failed", notification.name, exc_info=error)
        return error
    return None
