"""The driver of `sync`, `start`, `run` and `changes`, which makes passes until it ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

from pryv_monitor._pass import Pass
from pryv_monitor._reader import InterruptibleReader, Reader, StoppedError
from pryv_monitor._schedule import Schedule
from pryv_monitor._setup import Setup
from pryv_monitor._tolerance import ErrorTolerance
from pryv_monitor.anchor import Anchor
from pryv_monitor.changes import Change, SyncReport
from pryv_monitor.errors import AnchorLockedError, ContendedError

_LOCK_INTERVAL = 0.05
_log = logging.getLogger("pryv_monitor")


class Driver:
    """Makes the passes of one call of `sync`, `start`, `run` or `changes`.

    Args:
        setup: The configuration of the monitor.
        error_tolerance: Seconds since the last success for which transient failures are tried again.
        follows: Whether it goes on after a pass. It then reads on a second thread, so that `stop` can interrupt it.
        timeout: Seconds without a change after which it ends; `None` for never.

    Attributes:
        follows: Whether it goes on after a pass.
        finished: Whether it has ended, and called the `stop` callbacks.
    """

    def __init__(
        self, setup: Setup, error_tolerance: float, *, follows: bool = True, timeout: float | None = None
    ) -> None:
        self.follows = follows
        self.finished = False
        self._setup = setup
        self._tolerance = ErrorTolerance(error_tolerance)
        self._schedule = Schedule(timeout)
        self._reader = InterruptibleReader() if follows else Reader()
        self._thread: threading.Thread | None = None
        self._anchor: Anchor | None = None
        self._handling: Change | None = None
        self._error: BaseException | None = None

    @property
    def stopped(self) -> bool:
        """Whether the end was requested."""
        return self._schedule.stopped

    def stop(self) -> None:
        """Request the end: every wait ends at once."""
        self._schedule.stop()
        self._reader.interrupt()

    def join(self) -> None:
        """Wait for the end of the thread that `start` made, if there is one and this is another."""
        thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join()

    def request_pass(self, *, wait: bool) -> None:
        """Ask for a pass; see `Schedule.request_pass`."""
        self._schedule.request_pass(wait=wait)

    def sync(self, *, full: bool) -> SyncReport:
        """Make one pass.

        Raises:
            Exception: a failure that is not tolerated, or an exception of a callback.
        """
        with self._running():
            generation = self._next_generation() if full else 1
            while (report := self._try_sync(generation)) is None:
                pass
        return report

    def adopt(self, *, force: bool) -> None:
        """Give the anchor the identity of this account, and have the next pass read the whole scope.

        Raises:
            AnchorError: the anchor is of another scope or account, or cannot be written.
            PryvError: the platform cannot be reached.
        """
        with self._running():
            source, mirror = self._setup.source, self._setup.mirror
            anchor = mirror.load()
            if anchor is None:
                return
            adopted = source.owner.adopted(anchor, self._reader, force=force)
            if adopted.identity != anchor.identity:
                adopted = source.scope.start_over(adopted, adopted.since)
                mirror.begin(adopted, adopted.since).commit(adopted)

    def start(self) -> None:
        """Follow the account on a new thread, and return when the first pass has ended.

        Raises:
            Exception: the failure that ended the first pass.
        """
        self._thread = threading.Thread(target=self._work, name="pryv-monitor", daemon=True)
        self.start_thread(self._thread)
        self._schedule.wait_for_first_pass()
        if self._error is not None:
            self._thread.join()
            raise self._error

    def start_thread(self, thread: threading.Thread) -> None:
        """Start a thread of the monitor.

        Raises:
            RuntimeError: the system allows no more threads; the monitor can be started again later.
        """
        try:
            thread.start()
        except RuntimeError:
            self.stop()
            self._reader.close()
            self.finished = True
            raise

    def follow(self) -> None:
        """Make passes until stopped.

        Raises:
            Exception: a failure that is not tolerated.
        """
        with suppress(StoppedError), self._running():
            while self._make_pass():
                pass

    def changes(self) -> Iterator[Change]:
        """Make passes until stopped, and yield their changes.

        Raises:
            Exception: a failure that is not tolerated.
        """
        with suppress(StoppedError), self._running():
            while (yield from self._yield_pass()):
                pass

    @contextmanager
    def _running(self) -> Iterator[None]:
        try:
            with self._locked():
                yield
        except (StoppedError, GeneratorExit):
            raise
        except BaseException as error:
            self._error = error
            raise
        finally:
            self.stop()
            self._reader.close()
            try:
                if self.follows:
                    self._setup.listeners.notify("stop", self._error)
            finally:  # a callback may raise `SystemExit`
                self.finished = True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the mirror; if another monitor has it, try again for as long as the setup says."""
        end = time.monotonic() + self._setup.wait
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(self._setup.mirror.lock())
                    break
                except AnchorLockedError:
                    if time.monotonic() >= end:
                        raise
                if not self._schedule.pause(_LOCK_INTERVAL):
                    raise StoppedError
            yield

    def _work(self) -> None:
        try:
            self.follow()
        except BaseException as error:  # noqa: BLE001  (`start` raises it, if it still waits)
            _log.error("the monitor ended: %s", type(error).__name__)

    def _next_generation(self) -> int:
        anchor = self._setup.mirror.load()
        return 1 if anchor is None else anchor.generation + 1

    def _try_sync(self, generation: int) -> SyncReport | None:
        """Make a pass and return its report; after a failure that is tolerated, wait and return `None`."""
        try:
            return self._pass(generation)
        except ContendedError:
            raise
        except Exception as error:
            if self._handling is not None:
                raise
            self._schedule.pause(self._failed(error))
            return None

    def _make_pass(self) -> bool:
        """Make a pass, and wait until the next one is due; return `False` at the end."""
        try:
            self._succeeded(self._pass())
        except StoppedError:
            return False
        except Exception as error:  # noqa: BLE001  (`_failed` raises it, if it is not tolerated)
            return self._schedule.pause(self._failed(error))
        return self._schedule.wait_for_request()

    def _yield_pass(self) -> Generator[Change, None, bool]:
        """Make a pass like `_make_pass`, and yield the changes."""
        try:
            with closing(self._new_pass(lambda: True)) as batches:
                for kind, items in batches:
                    for item in items:
                        self._check()
                        yield Change(kind, item)
                        self._schedule.restart_timeout()
            self._succeeded(self._committed(batches))
        except StoppedError:
            return False
        except Exception as error:  # noqa: BLE001  (`_failed` raises it, if it is not tolerated)
            return self._schedule.pause(self._failed(error))
        return self._schedule.wait_for_request()

    def _pass(self, generation: int = 1) -> SyncReport:
        """Make a pass, and call the callbacks for its changes."""
        listeners = self._setup.listeners
        with closing(self._new_pass(lambda: bool(listeners.of("event")), generation)) as batches:
            for kind, items in batches:
                self._check()
                callbacks = listeners.of(kind)
                for item in items if callbacks else ():
                    self._check()
                    self._handling = Change(kind, item)
                    for callback in callbacks:
                        callback(item)
                    self._handling = None
        return self._committed(batches)

    def _new_pass(self, is_listened_to: Callable[[], bool], generation: int = 1) -> Pass:
        setup = self._setup
        anchor = setup.mirror.load() if self._anchor is None else self._anchor
        self._anchor = None  # loaded again if the pass fails: it may have committed a part, or lost to another worker's
        return Pass(setup, self._reader, anchor, generation, is_listened_to)

    def _committed(self, batches: Pass) -> SyncReport:
        report = batches.report()
        self._anchor = report.anchor
        return report

    def _succeeded(self, report: SyncReport) -> None:
        self._setup.listeners.call("ready", report)
        self._tolerance.succeeded()
        self._schedule.pass_ended()

    def _failed(self, error: Exception) -> float:
        """Return how long to wait before the next try.

        Raises:
            Exception: `error` itself, if it is not tolerated.
        """
        failing_change, self._handling = self._handling, None
        if not isinstance(error, ContendedError):
            self._setup.listeners.notify("error", error)
        wait = self._tolerance.failed(error, failing_change)
        _log.warning("a pass failed (%s), the next begins in %.1f s", type(error).__name__, wait)
        self._schedule.pass_ended()
        return wait

    def _check(self) -> None:
        if self.stopped:
            raise StoppedError
