"""The monitor of an account."""

from __future__ import annotations

import inspect
import math
import os
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final

from pryv import Connection
from pryv.addons import SignalSafeEvent, redact, require_methods, require_seconds
from pryv.types import EventsParams, Untyped
from pryv_monitor._deduplication import DeduplicatingMirror
from pryv_monitor._driver import Driver
from pryv_monitor._listeners import Callback, Listeners
from pryv_monitor._scope import Scope
from pryv_monitor._setup import Setup
from pryv_monitor._source import Source
from pryv_monitor.changes import Change, SyncReport
from pryv_monitor.protocols import Mirror
from pryv_monitor.stores import AnchorStore, MemoryAnchorStore
from pryv_monitor.update_methods import EventsTimer, UpdateMethod

OVERLAP: Final = 15.0
"""Seconds. The platform changes the event of a series 10.6 s after its points, and gives it their time as `modified`:
https://github.com/pryv/open-pryv.io/blob/master/components/hfs-server/src/metadata_updater.ts
"""

_DEFAULT_INTERVAL = 5.0
_LONGEST_SCOPE = 200
"""Characters of a scope that are shown."""


class Monitor:
    """Delivers the changes in a scope of an account, and never loses one.

    After a pass, every change in scope that was visible on the platform when the pass began has been delivered. A
    change delivered in a committed pass is never delivered again. A pass that fails or is stopped is not committed: the
    next one delivers its changes again.

    The platform does not report that an event was moved out of the scope. A mirror finds out when the whole scope is
    read again (`sync(full=True)`).

    After a fork, a started monitor goes on in the parent process; in the child process it is not started.

    Args:
        connection_or_api_endpoint: The account.
        scope: Parameters of `events.get`, all but `limit` and `skip`; `None` for all that the access may read.
        anchor_store: Stores the progress of the monitor; by default in memory, if there is no mirror.
        mirror: A local copy to keep up to date, which also stores the progress.
        overlap: How late a change may become visible: the most seconds between its time on the platform, and the moment
            it can be read. A change that becomes visible later than that may be lost.
        wait: Seconds to wait for another monitor that uses the store or mirror. `stop` ends the wait.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: both a store and a mirror are given, the scope has `limit`, `skip` or a parameter that the API does
            not know, a time in it is not a number, or a number of seconds is negative.
    """

    def __init__(
        self,
        connection_or_api_endpoint: Connection | str,
        scope: EventsParams | Untyped | None = None,
        *,
        anchor_store: AnchorStore | None = None,
        mirror: Mirror | None = None,
        overlap: float = OVERLAP,
        wait: float = 0,
    ) -> None:
        if anchor_store is not None and mirror is not None:
            raise ValueError("a mirror is its own anchor store: pass one of the two")
        if anchor_store is not None:
            require_methods(anchor_store, "anchor_store", "an AnchorStore", "lock", "load", "save")
        if mirror is not None:
            require_methods(mirror, "mirror", "a Mirror", "lock", "load", "begin")
        overlap = require_seconds(overlap, "overlap")
        wait = require_seconds(wait, "wait", endless=True)
        connection = connection_or_api_endpoint
        if not isinstance(connection, (Connection, str)):
            raise TypeError(f"a monitor follows a pryv.Connection or an endpoint, not {type(connection).__name__}")
        self.connection = Connection(connection) if isinstance(connection, str) else connection
        self._listeners = Listeners()
        self._setup = Setup(
            source=Source(self.connection, Scope.of(scope)),
            mirror=DeduplicatingMirror(anchor_store or MemoryAnchorStore(), overlap) if mirror is None else mirror,
            keeps_copy=mirror is not None,
            listeners=self._listeners,
            overlap=overlap,
            wait=wait,
        )
        self._has_update_method = False
        self._driver: Driver | None = None
        self._pid = os.getpid()
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        scope = redact(repr(dict(self.scope)), self.connection.token)[:_LONGEST_SCOPE]
        return f"<Monitor {self.connection.endpoint} {scope}{', started' if self.started else ''}>"

    def __enter__(self) -> Monitor:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def scope(self) -> Mapping[str, Any]:
        """The parameters of `events.get` that events are read with."""
        return self._setup.source.scope.params

    @property
    def started(self) -> bool:
        """Whether the monitor follows the account, from `start`, `run` or the first of `changes` to their end."""
        driver = self._own_driver()
        return driver is not None and driver.follows and not driver.stopped

    def on(self, name: str, callback: Callback) -> Monitor:
        """Register a callback, which gets one argument.

        Args:
            name: The kind of callback. Each gets an argument when:

                - `event`: an event was created or updated; the event
                - `eventDelete`: an event was deleted; the deletion, with its `id`. Without a mirror it may name an
                  event that was never in the scope, with one also an event that has left it
                - `streams`: the streams changed; the whole tree
                - `commit`: the delivered changes are about to be committed; the anchor. Flush the output of other
                  callbacks here: if it raises, nothing is committed
                - `ready`: a pass of `start`, `run` or `changes` succeeded; its `SyncReport`
                - `error`: a pass failed; the exception. If it is tolerated, the pass is retried
                - `stop`: `start`, `run` or `changes` ended; the exception that ended it, or `None`
                - `accessUpdated`: an access was updated (with `SocketUpdates` only); the notification
            callback: The callback. It may call methods of the monitor.

        Returns:
            The monitor.

        Raises:
            TypeError: `callback` is not callable, or is a coroutine or generator function.
            ValueError: the name is unknown.
        """
        self._listeners.add(name, callback)
        return self

    def on_access_updated(self, callback: Callback) -> Monitor:
        """Register a callback for `accessUpdated`; see `on`."""
        return self.on("accessUpdated", callback)

    def add_update_method(self, method: UpdateMethod) -> Monitor:
        """Add an update method, which asks for passes, and return the monitor.

        Raises:
            TypeError: it is not an update method.
            RuntimeError: the method belongs to another monitor.
        """
        if not isinstance(method, UpdateMethod):
            raise TypeError(f"method is an UpdateMethod, not {type(method).__name__}")
        method.set_monitor(self)
        self._has_update_method = True
        return self

    def sync(self, *, full: bool = False, error_tolerance: float = 0) -> SyncReport:
        """Make one pass: deliver the changes since the last pass, and commit them.

        Args:
            full: Read the whole scope again. A mirror drops events that left it, and calls `eventDelete` for
                each of them. Without a mirror, all events are delivered again.
            error_tolerance: Seconds for which a pass with a transient failure is retried.

        Raises:
            RuntimeError: the monitor is started, or in a pass.
            AnchorError: the anchor is locked, damaged, or belongs to another account or scope.
            ContendedError: another worker has updated the mirror in the meantime. The pass is not retried.
            PryvError: the platform refused, or cannot be read.
            OSError: the anchor cannot be written.
            Exception: a callback raised it.
        """
        return self._new_driver(error_tolerance, follows=False).sync(full=full)

    def adopt(self, *, force: bool = False) -> Monitor:
        """Change the owner of the anchor from another access to the same account to this access.

        The next pass reads the whole scope again, because the new access may see other data. If the anchor belongs to
        this access already, or there is no anchor, this does nothing. It is not needed if only the username or the host
        name of the account has changed.

        Args:
            force: Adopt the anchor even if the platform or the username differs: the account was moved or renamed, and
                the access is new too.

        Returns:
            The monitor.

        Raises:
            RuntimeError: the monitor is started, or in a pass.
            AnchorMismatchError: the anchor is of another scope, or of another account.
            AnchorError: it is locked or damaged, or cannot be written.
            PryvError: the platform cannot be reached.
        """
        self._new_driver(0, follows=False).adopt(force=force)
        return self

    def start(self, *, error_tolerance: float = math.inf) -> Monitor:
        """Follow the account on a new thread, and return when the first pass has ended.

        If the monitor is started already, this does nothing. Callbacks are called on that thread.

        Args:
            error_tolerance: Seconds since the last successful pass for which transient failures are tolerated: the
                `error` callbacks are called and the pass is retried. Other failures end the monitor, and so does a
                change whose callbacks fail three times.

        Returns:
            The monitor.

        Raises:
            RuntimeError: the monitor is in a pass of `sync`.
            AnchorError: the anchor is locked, damaged, or belongs to another account or scope.
            PryvError: the first pass failed, and this is not tolerated.
        """
        if not self.started:
            self._new_driver(error_tolerance).start()
        return self

    def run(self, stop: threading.Event | SignalSafeEvent | None = None, *, error_tolerance: float = math.inf) -> None:
        """Follow the account on this thread until `stop` is set, or `stop()` is called.

        Without an update method, it makes a pass every 5 seconds.

        Args:
            stop: An event that ends it. In a signal handler, set a `pryv.addons.SignalSafeEvent` or call `stop()`.
            error_tolerance: As in `start`.

        Raises:
            TypeError: an argument has the wrong type.
            RuntimeError: the monitor is started, or in a pass.
            Exception: the failure that ended it (see `start`), or the exception that a callback raised three times for
                the same change.
        """
        require_seconds(error_tolerance, "error_tolerance", endless=True)
        wait = getattr(stop, "wait", None)
        if stop is not None and (not callable(wait) or inspect.iscoroutinefunction(wait)):
            raise TypeError(f"stop is a threading.Event, not {type(stop).__module__}.{type(stop).__name__}")
        self._ensure_update_method()
        driver = self._new_driver(error_tolerance)
        if stop is not None:
            watcher = threading.Thread(
                target=_stop_when_set, args=(stop, driver), name="pryv-monitor-stop", daemon=True
            )
            driver.start_thread(watcher)
        driver.follow()

    def changes(self, timeout: float | None = None, *, error_tolerance: float = math.inf) -> Iterator[Change]:
        """Follow the account and yield its changes. Callbacks for changes are not called.

        A pass is committed when the item after its last one is requested. Without an update method, it makes a pass
        every 5 seconds.

        Args:
            timeout: Seconds without a change after which it ends; `None` for never. A pass that is under way then is
                completed first.
            error_tolerance: As in `start`.

        Raises:
            TypeError: an argument is not a number.
            ValueError: an argument is negative.
            RuntimeError: the monitor is started, or in a pass.
            PryvError: a failure ended it; see `start`.
        """
        require_seconds(error_tolerance, "error_tolerance", endless=True)
        if timeout is not None:
            timeout = require_seconds(timeout, "timeout", endless=True)
        return self._changes(timeout, error_tolerance)

    def _changes(self, timeout: float | None, error_tolerance: float) -> Iterator[Change]:
        self._ensure_update_method()
        yield from self._new_driver(error_tolerance, timeout=timeout).changes()

    def stop(self) -> Monitor:
        """End `start`, `run` or `changes`; a running pass is not committed.

        When this returns, no callback of a monitor that was started with `start` is running, except one that called it.

        Returns:
            The monitor, which can be started again.
        """
        driver = self._own_driver()
        if driver is not None and driver.follows:
            driver.stop()
            driver.join()
        return self

    def update_events(self, *, wait: bool = True) -> Monitor:
        """Ask for a pass. While one is running, any number of calls cause exactly one more.

        Args:
            wait: Whether to return only when the pass has ended, if none is running now.

        Returns:
            The monitor.

        Raises:
            RuntimeError: the monitor is not started.
        """
        driver = self._own_driver()
        if driver is None or not self.started:
            raise RuntimeError("start the monitor before asking for updates")
        driver.request_pass(wait=wait)
        return self

    def update_streams(self, *, wait: bool = True) -> Monitor:
        """Do the same as `update_events`: each pass reads the streams as well."""
        return self.update_events(wait=wait)

    def _notify(self, name: str, argument: Any) -> None:
        self._listeners.notify(name, argument)

    def _own_driver(self) -> Driver | None:
        """Return the driver, unless another process made it: a fork does not copy its threads."""
        return self._driver if self._pid == os.getpid() else None

    def _new_driver(self, error_tolerance: float, *, follows: bool = True, timeout: float | None = None) -> Driver:
        with self._lock:
            driver = self._own_driver()
            if driver is not None and not driver.finished:
                raise RuntimeError("the monitor is started, or in a pass")
            self._driver = Driver(self._setup, error_tolerance, follows=follows, timeout=timeout)
            self._pid = os.getpid()
            return self._driver

    def _ensure_update_method(self) -> None:
        if not self._has_update_method:
            self.add_update_method(EventsTimer(_DEFAULT_INTERVAL))


def _stop_when_set(stop: threading.Event | SignalSafeEvent, driver: Driver) -> None:
    while not driver.stopped:
        if stop.wait(1):
            driver.stop()
