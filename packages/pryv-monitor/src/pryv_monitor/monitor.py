"""The monitor of an account."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from types import TracebackType
from typing import Any, Final

from pryv import Connection
from pryv.addons import SignalSafeEvent
from pryv_monitor._activity import Activity
from pryv_monitor._ledger import Ledger, Remembering
from pryv_monitor._pass import Pass
from pryv_monitor._patience import Patience
from pryv_monitor._reader import CalledOffError
from pryv_monitor._source import Source
from pryv_monitor.changes import Change, SyncReport
from pryv_monitor.errors import AnchorLockedError
from pryv_monitor.mirror import SQLiteMirror
from pryv_monitor.scope import Scope
from pryv_monitor.stores import AnchorStore, MemoryAnchorStore
from pryv_monitor.update_methods import EventsTimer, UpdateMethod

Callback = Callable[[Any], object]

OVERLAP: Final = 10.0
NAMES: Final = ("event", "eventDelete", "streams", "error", "ready", "stop", "accessUpdated")

_DEFAULT_INTERVAL = 5.0
_LOCK_INTERVAL = 0.05
_log = logging.getLogger("pryv")


class Monitor:
    """Delivers the changes in a scope of an account, and never loses one.

    After a pass, every change in scope that was visible on the platform when the pass began has been delivered; a
    change delivered in a committed pass is never delivered again. A pass that fails, or is stopped, is not committed:
    its changes are delivered again by the next one.

    An event that is moved out of the scope cannot be seen to leave it: the platform does not tell. A mirror finds out
    when the whole scope is read again (`sync(full=True)`).

    Args:
        connection_or_api_endpoint: The account.
        scope: Parameters of `events.get`, all but `limit` and `skip`; `None` for all that the access may read.
        anchor_store: Keeps how far the monitor has come; in memory if neither this nor a mirror is given.
        mirror: A local copy to keep up to date, which also keeps how far it has come.
        overlap: The most seconds that may pass between the time of a change, as the platform stamps it, and the
            moment it can be read. A change that becomes visible later than that may be lost.
        wait: Seconds to wait for another monitor that is using the store or mirror; a `stop` ends it at once.

    Raises:
        TypeError: an argument is of another type.
        ValueError: both a store and a mirror are given, the scope has `limit` or `skip`, or a number of seconds is
            negative.
    """

    def __init__(
        self,
        connection_or_api_endpoint: Connection | str,
        scope: Mapping[str, Any] | None = None,
        *,
        anchor_store: AnchorStore | None = None,
        mirror: SQLiteMirror | None = None,
        overlap: float = OVERLAP,
        wait: float = 0,
    ) -> None:
        if anchor_store is not None and mirror is not None:
            raise ValueError("a mirror is its own anchor store: give one of the two")
        if not 0 <= overlap < math.inf:
            raise ValueError("overlap is a number of seconds, at least 0")
        if not wait >= 0:
            raise ValueError("wait is a number of seconds, at least 0")
        connection = connection_or_api_endpoint
        if not isinstance(connection, (Connection, str)):
            raise TypeError(f"a monitor follows a pryv.Connection or an endpoint, not {type(connection).__name__}")
        self.connection = Connection(connection) if isinstance(connection, str) else connection
        self._source = Source(self.connection, Scope.of(scope))
        self._ledger: Ledger = mirror or Remembering(anchor_store or MemoryAnchorStore(), overlap)
        self._overlap = overlap
        self._wait = wait
        self._listeners: dict[str, list[Callback]] = {name: [] for name in NAMES}
        self._has_update_method = False
        self._activity: Activity | None = None
        self._starting = threading.RLock()

    def __repr__(self) -> str:
        return f"<Monitor {self.connection.endpoint}{' started' if self.started else ''}>"

    def __enter__(self) -> Monitor:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def scope(self) -> Mapping[str, Any]:
        """The parameters of `events.get` that events are read with."""
        return self._source.scope.params

    @property
    def started(self) -> bool:
        """Whether the monitor follows the account, from `start`, `run` or the first of `changes` to their end."""
        activity = self._activity
        return activity is not None and activity.follows and not activity.stopped

    def on(self, name: str, callback: Callback) -> Monitor:
        """Call `callback` with one argument whenever something happens.

        Args:
            name: `event` (the event, created or updated), `eventDelete` (the deletion, with its `id`; without a
                mirror it may name an event that was never in the scope, with one also an event that left it), `streams`
                (the whole tree), `error` (the exception; what is tolerated is tried again), `ready` (the `SyncReport`
                of a pass), `stop` (the exception that ended the monitor, or `None`), `accessUpdated` (the notification;
                `SocketUpdates` only).
            callback: May call the monitor.

        Returns:
            The monitor.

        Raises:
            TypeError: `callback` is not callable.
            ValueError: the name is unknown.
        """
        if name not in NAMES:
            raise ValueError(f"a monitor has no {name!r}; it has {', '.join(NAMES)}")
        if not callable(callback):
            raise TypeError("callback is not callable")
        self._listeners[name].append(callback)
        return self

    def on_access_updated(self, callback: Callback) -> Monitor:
        """Call `callback` with the notification that an access was updated; see `on`."""
        return self.on("accessUpdated", callback)

    def add_update_method(self, method: UpdateMethod) -> Monitor:
        """Let a method ask for updates, and return the monitor.

        Raises:
            RuntimeError: the method belongs to another monitor.
        """
        method.set_monitor(self)
        self._has_update_method = True
        return self

    def sync(self, *, full: bool = False, error_tolerance: float = 0) -> SyncReport:
        """Make one pass: deliver what changed since the last one, and commit it.

        Args:
            full: Read the whole scope again. A mirror drops what is no longer in it, and tells of it by `eventDelete`;
                without one, all is delivered once more.
            error_tolerance: Seconds for which failures that may pass are tried again.

        Raises:
            RuntimeError: the monitor is started, or in a pass.
            AnchorError: the anchor is locked, damaged, or another's.
            PryvError: the platform refused, or cannot be read.
            OSError: the anchor cannot be written.
            Exception: whatever a callback raised.
        """
        activity = self._begin(Patience(error_tolerance), follows=False)
        with self._active(activity):
            before = self._ledger.load() if full else None
            target = before.round + 1 if before else 1
            while (report := self._try_sync(activity, target)) is None:
                pass
        return report

    def start(self, *, error_tolerance: float = math.inf) -> Monitor:
        """Follow the account on a thread of its own, and return when the first pass has ended.

        A started monitor is left as it is. Callbacks are called on that thread.

        Args:
            error_tolerance: Seconds since the last pass that succeeded for which failures that may pass are told to
                the `error` callbacks and tried again; others, and a change whose callbacks fail three times, end it.

        Returns:
            The monitor.

        Raises:
            RuntimeError: the monitor is in a pass of `sync`.
            AnchorError: the anchor is locked, damaged, or another's.
            PryvError: the platform refused the first pass for good.
        """
        if self.started:
            return self
        activity = self._begin(Patience(error_tolerance))
        activity.thread = threading.Thread(target=self._work, args=(activity,), name="pryv-monitor", daemon=True)
        activity.thread.start()
        activity.wait_for_first_pass()
        if activity.error is not None:
            activity.thread.join()
            raise activity.error
        return self

    def run(self, stop: threading.Event | SignalSafeEvent | None = None, *, error_tolerance: float = math.inf) -> None:
        """Follow the account on this thread until `stop` is set, or `stop()` called.

        Where no update method was added, it looks every 5 seconds.

        Args:
            stop: Ends it when set. A signal handler sets a `pryv.addons.SignalSafeEvent`, or calls `stop()`.
            error_tolerance: As in `start`.

        Raises:
            RuntimeError: the monitor is started, or in a pass.
            Exception: what ended it: see `start`; what a callback raised three times for the same change.
        """
        patience = Patience(error_tolerance)
        self._see_to_updates()
        activity = self._begin(patience)
        if stop is not None:
            threading.Thread(target=_watch, args=(stop, activity), name="pryv-monitor-stop", daemon=True).start()
        self._follow(activity)

    def changes(self, timeout: float | None = None, *, error_tolerance: float = math.inf) -> Iterator[Change]:
        """Follow the account and yield its changes; callbacks for changes are not called.

        A pass is committed when the item after its last one is asked for. Where no update method was added, it looks
        every 5 seconds.

        Args:
            timeout: Seconds of silence after which it ends; `None` for never.
            error_tolerance: As in `start`.

        Raises:
            RuntimeError: the monitor is started, or in a pass.
            PryvError: what ended it: see `start`.
        """
        return self._changes(timeout, Patience(error_tolerance))

    def _changes(self, timeout: float | None, patience: Patience) -> Iterator[Change]:
        self._see_to_updates()
        activity = self._begin(patience, silence=timeout)
        with suppress(CalledOffError), self._active(activity):
            while (yield from self._yield_pass(activity)):
                pass

    def stop(self) -> Monitor:
        """End what `start`, `run` or `changes` began; a pass under way is not committed.

        When it returns, no callback of a monitor that was started is running, but the one that called it.

        Returns:
            The monitor, which can be started again.
        """
        activity = self._activity
        if activity is not None and activity.follows:
            activity.stop()
            thread = activity.thread
            if thread is not None and thread.is_alive() and thread is not threading.current_thread():
                thread.join()
        return self

    def update_events(self, *, wait: bool = True) -> Monitor:
        """Ask for a pass. While one runs, any number of such calls lead to exactly one more.

        Args:
            wait: Whether to return only when the pass has ended, if none is running now.

        Returns:
            The monitor.

        Raises:
            RuntimeError: the monitor is not started.
        """
        activity = self._activity
        if activity is None or not self.started:
            raise RuntimeError("start the monitor before asking for updates")
        activity.ask(wait=wait)
        return self

    def update_streams(self, *, wait: bool = True) -> Monitor:
        """Do as `update_events`: a pass looks at the streams as well."""
        return self.update_events(wait=wait)

    def _notify(self, name: str, argument: Any) -> None:
        """Call the callbacks registered for `error`, `stop` or `accessUpdated`; what they raise is logged."""
        for callback in tuple(self._listeners[name]):
            _call(name, callback, argument)

    def _begin(self, patience: Patience, *, follows: bool = True, silence: float | None = None) -> Activity:
        with self._starting:
            if self._activity is not None:
                raise RuntimeError("the monitor is started, or in a pass")
            self._activity = Activity(patience, follows=follows, silence=silence)
            return self._activity

    @contextmanager
    def _active(self, activity: Activity) -> Iterator[None]:
        try:
            with self._locked(activity):
                yield
        except CalledOffError:
            raise
        except Exception as error:
            activity.error = error
            raise
        finally:
            activity.stop()
            activity.reader.close()
            if activity.follows:
                self._notify("stop", activity.error)
            self._activity = None

    @contextmanager
    def _locked(self, activity: Activity) -> Iterator[None]:
        """Lock the ledger; while another has it, ask again for as long as is to be waited."""
        end = time.monotonic() + self._wait
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(self._ledger.lock())
                    break
                except AnchorLockedError:
                    if time.monotonic() >= end:
                        raise
                if not activity.pause(_LOCK_INTERVAL):
                    raise CalledOffError
            yield

    def _work(self, activity: Activity) -> None:
        try:
            self._follow(activity)
        except Exception as error:  # noqa: BLE001  (raised by `start`, if it still waits)
            _log.error("the monitor ended: %s", type(error).__name__)

    def _follow(self, activity: Activity) -> None:
        with suppress(CalledOffError), self._active(activity):
            while self._make_pass(activity):
                pass

    def _make_pass(self, activity: Activity) -> bool:
        """Make a pass and wait until the next one is due; `False` if there is none."""
        try:
            self._ended(activity, self._pass(activity))
        except CalledOffError:
            return False
        except Exception as error:  # noqa: BLE001  (raised again where patience is over)
            return activity.pause(self._failed(activity, error))
        return activity.next_pass()

    def _yield_pass(self, activity: Activity) -> Generator[Change, None, bool]:
        """Do as `_make_pass`, but yield the changes."""
        try:
            with closing(self._new_pass(activity)) as batches:
                for kind, items in batches:
                    for item in items:
                        activity.check()
                        yield Change(kind, item)
                        activity.heard()
            self._ended(activity, batches.report)
        except CalledOffError:
            return False
        except Exception as error:  # noqa: BLE001  (raised again where patience is over)
            return activity.pause(self._failed(activity, error))
        return activity.next_pass()

    def _try_sync(self, activity: Activity, round: int) -> SyncReport | None:
        """Make a pass and return its report, or wait until the next try."""
        try:
            return self._pass(activity, round)
        except Exception as error:
            if activity.handling is not None:
                raise
            activity.pause(self._failed(activity, error))
            return None

    def _new_pass(self, activity: Activity, round: int = 1) -> Pass:
        return Pass(self._source, self._ledger, activity.reader, self._overlap, round=round)

    def _pass(self, activity: Activity, round: int = 1) -> SyncReport:
        with closing(self._new_pass(activity, round)) as batches:
            for kind, items in batches:
                activity.check()
                callbacks = tuple(self._listeners[kind])
                for item in items if callbacks else ():
                    self._handle(activity, Change(kind, item), callbacks)
        return batches.report

    def _handle(self, activity: Activity, change: Change, callbacks: Iterable[Callback]) -> None:
        activity.check()
        activity.handling = change
        for callback in callbacks:
            callback(change.data)
        activity.handling = None

    def _ended(self, activity: Activity, report: SyncReport) -> None:
        for callback in tuple(self._listeners["ready"]):
            callback(report)
        activity.patience.succeeded()
        activity.pass_ended()

    def _failed(self, activity: Activity, error: Exception) -> float:
        """Return how long to wait before the next try, or raise the error."""
        culprit, activity.handling = activity.handling, None
        self._notify("error", error)
        wait = activity.patience.failed(error, culprit)
        _log.warning("a pass failed (%s), the next begins in %.1f s", type(error).__name__, wait)
        activity.pass_ended()
        return wait

    def _see_to_updates(self) -> None:
        if not self._has_update_method:
            self.add_update_method(EventsTimer(_DEFAULT_INTERVAL))


def _call(name: str, callback: Callback, argument: Any) -> None:
    try:
        callback(argument)
    except Exception:  # noqa: BLE001  (whoever is told of an event cannot end the monitor)
        _log.exception("a callback for %s failed", name)


def _watch(stop: threading.Event | SignalSafeEvent, activity: Activity) -> None:
    while not activity.stopped:
        if stop.wait(1):
            activity.stop()
