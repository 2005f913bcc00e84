"""The life of a monitor: start, updates, errors, stop."""

import asyncio
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from unittest.mock import AsyncMock

import numpy as np
import pandas as pd
import pytest
from tests.monitor.kept import needs_fork
from tests.monitor.subject import Subject, Traffic, is_untouched, wait_for_count
from tests.waiting import wait_for, within

from pryv import Connection, MissingAddonError, PryvConnectionError, RateLimitedError, RetryPolicy, ServerError
from pryv_monitor import (
    AnchorLockedError,
    EventsTimer,
    MemoryAnchorStore,
    Monitor,
    SocketUpdates,
    SQLiteMirror,
    SyncReport,
    UpdateMethod,
    _tolerance,
)
from pryv_sandbox import Sandbox

SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}


@pytest.fixture
def monitor(subject: Subject) -> Iterator[Monitor]:
    """A monitor of the account, stopped at the end."""
    monitor = Monitor(subject.connection, SCOPE)
    yield monitor
    monitor.stop()


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in events]


def test_the_life_cycle(subject: Subject, monitor: Monitor) -> None:
    seen: list[Any] = []
    told: list[str] = []
    monitor.on("event", seen.append).on("ready", lambda _: told.append("ready")).on(
        "stop", lambda _: told.append("stop")
    )
    first = subject.add(2)
    assert not monitor.started
    assert monitor.start() is monitor
    assert monitor.started
    assert ids(seen) == ids(first)
    assert monitor.start() is monitor
    second = subject.add(1)
    assert monitor.update_events() is monitor
    assert ids(seen) == ids(first + second)
    subject.create_stream("more")
    trees: list[Any] = []
    monitor.on("streams", trees.append)
    assert monitor.update_streams() is monitor
    assert trees == [subject.streams()]
    assert monitor.stop() is monitor
    assert not monitor.started
    assert told == ["ready"] * 3 + ["stop"]
    third = subject.add(1)
    with monitor as same:
        assert same is monitor
        assert ids(seen) == ids(first + second + third)
    assert not monitor.started
    assert monitor.stop() is monitor


def test_updates_are_refused_before_start_and_after_stop(monitor: Monitor) -> None:
    for update in (monitor.update_events, monitor.update_streams):
        with pytest.raises(RuntimeError, match="start"):
            update()
    monitor.start().stop()
    with pytest.raises(RuntimeError, match="start"):
        monitor.update_events()


def test_arguments_are_checked(subject: Subject, mirror: SQLiteMirror) -> None:
    with pytest.raises(ValueError, match="own anchor store"):
        Monitor(subject.connection, anchor_store=MemoryAnchorStore(), mirror=mirror)
    with pytest.raises(ValueError, match="overlap"):
        Monitor(subject.connection, overlap=-1)
    with pytest.raises(ValueError, match="wait"):
        Monitor(subject.connection, wait=float("nan"))
    with pytest.raises(TypeError, match="scope"):
        Monitor(subject.connection, ["pulse"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="follows"):
        Monitor(5)  # type: ignore[arg-type]
    monitor = Monitor(subject.connection)
    with pytest.raises(ValueError, match="eventDeleted"):
        monitor.on("eventDeleted", print)
    with pytest.raises(TypeError, match="callable"):
        monitor.on("event", None)  # type: ignore[arg-type]
    for name in ("event", "accessUpdated", "commit"):
        with pytest.raises(TypeError, match="coroutine"):
            monitor.on(name, AsyncMock())
    with pytest.raises(ValueError, match="error_tolerance"):
        monitor.sync(error_tolerance=-1)
    with pytest.raises(ValueError, match="seconds"):
        EventsTimer(0)
    with pytest.raises(TypeError, match="UpdateMethod"):
        monitor.add_update_method(EventsTimer)  # type: ignore[arg-type]
    for stop in (5, asyncio.Event()):
        with pytest.raises(TypeError, match=r"threading\.Event"):
            monitor.run(stop)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout"):
        monitor.changes(-1)
    with pytest.raises(TypeError, match=r"^mirror is a Mirror, not str$"):
        Monitor(subject.connection, mirror="copy.db")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^anchor_store is an AnchorStore, not the class MemoryAnchorStore$"):
        Monitor(subject.connection, anchor_store=MemoryAnchorStore)  # type: ignore[arg-type]
    wrong: Any
    for wrong in (True, "5"):
        with pytest.raises(TypeError, match="overlap is a number of seconds"):
            Monitor(subject.connection, overlap=wrong)
        with pytest.raises(TypeError, match="seconds is a number of seconds"):
            EventsTimer(wrong)
        with pytest.raises(TypeError, match="timeout is a number of seconds"):
            monitor.changes(wrong)


@pytest.mark.parametrize("parameter", ["fromTime", "toTime", "modifiedSince"])
@pytest.mark.parametrize("value", ["2024-01-01", True, pytest.param(10**400, id="huge")])
def test_the_times_of_a_scope_are_numbers(parameter: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{parameter} is a number of seconds"):
        Monitor("http://token@127.0.0.1:1/alice/", {parameter: value})


@pytest.mark.parametrize("number", [np.float32, np.int64, Fraction])
def test_any_kind_of_number_is_a_number_of_seconds(number: Callable[[int], Any], subject: Subject) -> None:
    seen: list[Any] = []
    monitor = Monitor(subject.connection, SCOPE, overlap=number(15), wait=10**400).on("event", seen.append)
    monitor.sync(error_tolerance=10**400)
    subject.add(1)
    monitor.sync(error_tolerance=number(5))
    assert len(seen) == 1
    assert len(list(monitor.changes(timeout=number(0)))) == 0
    assert type(EventsTimer(number(5)).seconds) is float


def test_a_monitor_shows_what_it_follows(subject: Subject) -> None:
    endpoint, token = subject.connection.endpoint, str(subject.connection.token)
    with Monitor(subject.connection, {"types": ["note/txt"]}) as monitor:
        assert repr(monitor).startswith(f"<Monitor {endpoint} {{")
        assert "'types': ['note/txt']" in repr(monitor)
        assert repr(monitor).endswith("}, started>")
    assert repr(monitor).endswith("}>")
    assert token not in repr(Monitor(subject.connection, {"streams": [token]}))
    assert len(repr(Monitor(subject.connection, {"streams": ["diary"] * 1000}))) < 400


def test_a_scope_may_hold_datetimes_and_numbers_of_numpy(subject: Subject) -> None:
    seconds = 1_700_000_000
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    store = MemoryAnchorStore()
    Monitor(subject.connection, {**SCOPE, "fromTime": moment}, anchor_store=store).sync()
    for same in (float(seconds), pd.Timestamp(moment)):
        Monitor(subject.connection, {**SCOPE, "fromTime": same}, anchor_store=store).sync()
    for other in (datetime(2026, 1, 1), math.nan, Decimal(1)):
        with pytest.raises((TypeError, ValueError), match=r"^fromTime: "):
            Monitor(subject.connection, {**SCOPE, "fromTime": other})


def test_updates_asked_for_while_one_runs_lead_to_exactly_one_more(
    subject: Subject, counted: tuple[Connection, Traffic]
) -> None:
    connection, traffic = counted
    in_handler, go_on = threading.Event(), threading.Event()
    reports: list[SyncReport] = []

    def handle(_: Any) -> None:
        in_handler.set()
        assert go_on.wait(20)

    with Monitor(connection, SCOPE).on("ready", reports.append) as monitor:
        monitor.on("event", handle)
        subject.add(1)
        monitor.update_events(wait=False)
        assert in_handler.wait(20)
        for _ in range(20):
            monitor.update_events()
            monitor.update_streams()
        go_on.set()
        wait_for(lambda: len(reports) == 3)
        monitor.stop()
    assert len(reports) == 3
    assert len([answer for answer in traffic.answers if answer.request.method == "POST"]) == 2, "and the first pass"


def test_handlers_may_call_the_monitor(subject: Subject, monitor: Monitor) -> None:
    calls: list[str] = []
    reports: list[SyncReport] = []

    def handle(_: Any) -> None:
        if not calls:
            calls.append("update")
            monitor.update_events().update_streams().start()
            with pytest.raises(RuntimeError):
                monitor.sync()

    subject.add(1)
    monitor.on("event", handle).on("ready", reports.append).start()
    wait_for(lambda: len(reports) == 2)
    monitor.on("event", lambda _: monitor.stop())
    subject.add(1)
    monitor.update_events()
    wait_for(lambda: not monitor.started)
    monitor.stop().sync()


def test_a_pass_that_was_stopped_is_made_again(subject: Subject, monitor: Monitor) -> None:
    seen: list[Any] = []

    def handle(event: dict[str, Any]) -> None:
        seen.append(event)
        if len(seen) == 2:
            monitor.stop()

    events = subject.add(5)
    monitor.on("event", handle).start()
    assert ids(seen) == ids(events[:2])
    assert monitor.stop().sync().events == 5


@pytest.mark.parametrize("fault", ["stall", "drip"])
def test_stop_ends_any_wait_at_once(fault: str, sandbox: Sandbox, subject: Subject, monitor: Monitor) -> None:
    subject.add(50)
    if fault == "stall":
        sandbox.faults.stall(path="/streams")
    else:
        sandbox.faults.drip(chunk=1, interval=0.2, path="/events")
    thread = threading.Thread(target=monitor.start)
    thread.start()
    wait_for(lambda: not sandbox.faults.armed)
    with within(5):
        monitor.stop()
        thread.join()


def test_stop_ends_the_wait_after_a_failure_at_once(sandbox: Sandbox, subject: Subject) -> None:
    connection = Connection(subject.connection.api_endpoint, retry=None)
    sandbox.faults.status(503, retry_after=300, path="/streams")
    errors: list[Any] = []
    monitor = Monitor(connection, SCOPE).on("error", errors.append).start()
    assert isinstance(errors[0], ServerError)
    assert monitor.started
    with within(5):
        monitor.stop()


@pytest.mark.usefixtures("short_waits")
def test_transient_failures_do_not_end_it(sandbox: Sandbox, subject: Subject) -> None:
    connection = Connection(subject.connection.api_endpoint, retry=None)
    seen: list[Any] = []
    errors: list[Any] = []
    sandbox.faults.status(500, path="/streams")
    sandbox.faults.cut(after_bytes=100, path="/events")
    events = subject.add(3)
    with Monitor(connection, SCOPE).on("event", seen.append).on("error", errors.append):
        wait_for(lambda: len(seen) == 3)
    assert ids(seen) == ids(events)
    assert len(errors) == 2


def test_retry_after_is_respected(sandbox: Sandbox, subject: Subject) -> None:
    connection = Connection(subject.connection.api_endpoint, retry=None)
    sandbox.faults.status(503, retry_after=1, path="/streams")
    begin = time.monotonic()
    Monitor(connection, SCOPE).sync(error_tolerance=60)
    assert time.monotonic() - begin >= 1


@pytest.mark.parametrize("retry_after", [3600, 99_999_999_999])
def test_the_tolerance_limits_retry_after(retry_after: float, sandbox: Sandbox, subject: Subject) -> None:
    connection = Connection(subject.connection.api_endpoint, retry=None)
    for status, follow in (
        (503, lambda monitor: monitor.sync(error_tolerance=60)),
        (429, lambda monitor: monitor.run(error_tolerance=60)),
        (503, lambda monitor: list(monitor.changes(error_tolerance=60))),
        (503, lambda monitor: monitor.start(error_tolerance=60)),
    ):
        sandbox.faults.status(status, retry_after=retry_after, path="/streams")
        with within(5), pytest.raises((RateLimitedError, ServerError)) as failed:
            follow(Monitor(connection, SCOPE))
        error: Any = failed.value
        assert error.retry_after == min(retry_after, 86_400)


def test_a_wait_without_limit_is_a_day_at_most(
    sandbox: Sandbox, subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Connection(subject.connection.api_endpoint, retry=None)
    sandbox.faults.status(503, retry_after=99_999_999_999, path="/streams")
    monitor = Monitor(connection, SCOPE).start()
    wait_for(lambda: "the next begins in 86400.0 s" in caplog.text)
    with within(5):
        monitor.stop()


@pytest.mark.parametrize("tolerance", [0.3, 1])
def test_the_last_attempt_begins_at_the_end_of_the_tolerance(tolerance: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tolerance, "_BACKOFF", RetryPolicy(backoff=20, max_backoff=20))
    with (
        Connection("http://token@127.0.0.1:9/user/", retry=None) as connection,
        within(15, at_least=tolerance),
        pytest.raises(PryvConnectionError),
    ):
        Monitor(connection, SCOPE).sync(error_tolerance=tolerance)


@pytest.mark.usefixtures("short_waits")
def test_retry_after_of_an_exception_of_a_callback_is_ignored(subject: Subject) -> None:
    class ElsewhereError(Exception):
        retry_after = "tomorrow"

    def handle(event: dict[str, Any]) -> None:
        seen.append(event)
        if len(seen) == 1:
            raise ElsewhereError

    seen: list[Any] = []
    subject.add(1)
    with Monitor(subject.connection, SCOPE).on("event", handle):
        wait_for(lambda: len(seen) == 2)


def test_the_tolerance_ends(sandbox: Sandbox, subject: Subject) -> None:
    connection = Connection(subject.connection.api_endpoint, retry=None)
    sandbox.faults.status(500, times=100, path="/streams")
    errors: list[Any] = []
    monitor = Monitor(connection, SCOPE).on("error", errors.append)
    with pytest.raises(ServerError):
        monitor.sync()
    with pytest.raises(ServerError):
        monitor.run(error_tolerance=0)
    assert len(errors) == 2
    with pytest.raises(ServerError):
        monitor.run(error_tolerance=0.01)
    assert not monitor.started


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("verb", ["run", "start"])
def test_a_callback_that_always_fails_ends_it_after_three_attempts(verb: str, subject: Subject) -> None:
    subject.add(3)
    seen: list[Any] = []
    errors: list[Any] = []
    ends: list[Any] = []

    def handle(event: dict[str, Any]) -> None:
        seen.append(event)
        if event["content"] == 61:
            raise LookupError("unheard of")

    monitor = Monitor(subject.connection, SCOPE).on("event", handle).on("error", errors.append).on("stop", ends.append)
    if verb == "run":
        with pytest.raises(LookupError, match="unheard of"):
            monitor.run()
    else:
        monitor.start()
        wait_for(lambda: ends)
    assert [event["content"] for event in seen] == [60, 61] * 3
    assert len(errors) == 3
    assert isinstance(ends[0], LookupError)
    wait_for(lambda: not monitor.started)


@pytest.mark.usefixtures("short_waits")
def test_a_callback_that_fails_once_does_not_end_it(subject: Subject) -> None:
    subject.add(5)
    tried: set[str] = set()
    reports: list[SyncReport] = []

    def handle(event: dict[str, Any]) -> None:
        if event["id"] not in tried:
            tried.add(event["id"])
            raise LookupError("not now")

    with Monitor(subject.connection, SCOPE).on("event", handle).on("ready", reports.append):
        wait_for(lambda: reports)
    assert reports[0].events == 5


@pytest.mark.usefixtures("short_waits")
def test_callbacks_for_errors_cannot_end_it(sandbox: Sandbox, subject: Subject) -> None:
    connection = Connection(subject.connection.api_endpoint, retry=None)
    sandbox.faults.status(500, path="/streams")
    seen: list[Any] = []

    def fail(_: Any) -> None:
        raise LookupError

    subject.add(1)
    with Monitor(connection, SCOPE).on("error", fail).on("stop", fail).on("event", seen.append):
        wait_for(lambda: seen)
    assert len(seen) == 1


@pytest.mark.parametrize("how", ["event", "method"])
def test_run_blocks_until_stopped(how: str, subject: Subject) -> None:
    stop = threading.Event()
    ready = threading.Event()
    monitor = Monitor(subject.connection, SCOPE).on("ready", lambda _: ready.set())
    thread = threading.Thread(target=monitor.run, args=[stop])
    thread.start()
    assert ready.wait(20)
    assert monitor.started
    if how == "event":
        stop.set()
    else:
        monitor.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert not monitor.started


@pytest.mark.parametrize("name", ["event", "ready"])
def test_a_callback_that_exits_ends_it(name: str, subject: Subject, monitor: Monitor) -> None:
    ends: list[Any] = []
    subject.add(1)
    monitor.on(name, sys.exit).on("stop", ends.append)
    with pytest.raises(SystemExit):
        monitor.start()
    assert [type(end) for end in ends] == [SystemExit]
    assert not monitor.started


def test_a_callback_for_stop_that_exits_does_not_keep_it_from_starting(monitor: Monitor) -> None:
    monitor.on("stop", sys.exit)
    for _ in range(2):
        assert monitor.start().started
        assert not monitor.stop().started


@needs_fork
def test_in_a_forked_process_it_is_not_started(monitor: Monitor) -> None:
    monitor.start()
    child = os.fork()
    if child == 0:
        try:
            assert not monitor.started
            with pytest.raises(RuntimeError, match="start"):
                monitor.update_events()
            with pytest.raises(AnchorLockedError):
                monitor.stop().sync()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert monitor.update_events().started


def test_a_missing_add_on_is_an_error_before_the_first_pass(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pryv_socket_io", None)
    with pytest.raises(MissingAddonError, match=r"pryv-monitor\[socket\]"):
        monitor.add_update_method(SocketUpdates())


def test_a_timer_asks_for_updates(subject: Subject, monitor: Monitor) -> None:
    seen: list[Any] = []
    monitor.add_update_method(EventsTimer(0.05)).on("event", seen.append).start()
    for count in (1, 2, 3):
        subject.add(1)
        wait_for_count(lambda: seen, count)
    monitor.stop()
    assert len({event["id"] for event in seen}) == 3


def test_custom_update_methods(subject: Subject, monitor: Monitor) -> None:
    class ByHand(UpdateMethod):
        calls: list[str]

        def ready(self) -> None:
            self.calls.append("ready")

        def stop(self) -> None:
            self.calls.append("stop")

    method = ByHand()
    method.calls = []
    seen: list[Any] = []
    assert monitor.add_update_method(method) is monitor
    assert method.monitor is monitor
    monitor.on("event", seen.append).start()
    subject.add(1)
    monitor.update_events()
    assert len(seen) == 1
    late = ByHand()
    late.calls = []
    monitor.add_update_method(late)
    assert late.calls == ["ready"]
    monitor.stop()
    assert method.calls == ["ready", "ready", "stop"]
    with pytest.raises(RuntimeError, match="one monitor"):
        Monitor(subject.connection).add_update_method(method)


def test_changes_are_committed_when_the_next_is_asked_for(subject: Subject) -> None:
    events = subject.add(3)
    store = MemoryAnchorStore()
    monitor = Monitor(subject.connection, SCOPE, anchor_store=store).add_update_method(EventsTimer(0.05))
    changes = monitor.changes(timeout=0.5)
    got = [next(changes) for _ in range(4)]
    assert [change.kind for change in got] == ["streams", "event", "event", "event"]
    assert [change.data for change in got[1:]] == events
    assert is_untouched(store)
    assert monitor.started
    assert list(changes) == []
    assert not is_untouched(store)
    assert not monitor.started
    subject.delete(events[0])
    again = Monitor(subject.connection, SCOPE, anchor_store=store)
    assert [change.kind for change in again.changes(timeout=0.1)] == ["eventDelete"]
    assert list(again.changes(timeout=0.1)) == []


def test_changes_left_early_are_not_committed(subject: Subject) -> None:
    subject.add(3)
    store = MemoryAnchorStore()
    for _ in range(2):
        changes = Monitor(subject.connection, SCOPE, anchor_store=store).changes()
        assert [next(changes).kind for _ in range(3)] == ["streams", "event", "event"]
        changes.close()  # type: ignore[attr-defined]
    assert is_untouched(store)
    with store.lock():
        pass


def test_changes_end_when_stopped(subject: Subject) -> None:
    monitor = Monitor(subject.connection, SCOPE)
    changes = monitor.changes()
    assert next(changes).kind == "streams"
    threading.Timer(0.1, monitor.stop).start()
    assert list(changes) == []


def test_a_store_is_locked_while_it_is_used_and_no_longer(subject: Subject) -> None:
    store = MemoryAnchorStore()
    one, other = (Monitor(subject.connection, SCOPE, anchor_store=store) for _ in range(2))
    one.sync()
    with one:
        with pytest.raises(AnchorLockedError):
            other.sync()
        with pytest.raises(AnchorLockedError):
            other.start()
        assert not other.started
        with pytest.raises(RuntimeError):
            one.sync()
    other.sync()


def test_an_unreachable_platform_is_an_error(sandbox: Sandbox, subject: Subject) -> None:
    connection = Connection(subject.connection.api_endpoint, retry=None)
    with sandbox.faults.refuse(), pytest.raises(PryvConnectionError):
        Monitor(connection).sync()


def test_threads_end_with_the_monitor(subject: Subject) -> None:
    before = set(threading.enumerate())
    for _ in range(3):
        with Monitor(subject.connection, SCOPE).add_update_method(EventsTimer(0.05)):
            pass
        Monitor(subject.connection, SCOPE).sync()
    wait_for(lambda: not set(threading.enumerate()) - before)


@pytest.mark.parametrize("how", ["start", "run", "changes"])
def test_stop_ends_the_wait_for_a_store_at_once(how: str, subject: Subject) -> None:
    class Store(MemoryAnchorStore):
        asked = 0

        def lock(self) -> Any:
            self.asked += 1
            return super().lock()

    store = Store()
    stops: list[Any] = []
    monitor = Monitor(subject.connection, SCOPE, anchor_store=store, wait=60).on("stop", stops.append)
    thread = threading.Thread(target=lambda: list(monitor.changes()) if how == "changes" else getattr(monitor, how)())
    with store.lock():
        thread.start()
        wait_for(lambda: store.asked > 2)
        with within(5):
            monitor.stop()
            thread.join()
    assert stops == [None]
    assert monitor.sync().streams_changed


def test_a_locked_store_is_waited_for(subject: Subject) -> None:
    store = MemoryAnchorStore()
    monitor = Monitor(subject.connection, SCOPE, anchor_store=store, wait=60)
    with store.lock():
        thread = threading.Thread(target=monitor.start)
        thread.start()
        wait_for(lambda: monitor.started)
        assert store.load() is None
    thread.join()
    assert monitor.stop().sync().streams_changed is False
    with store.lock(), pytest.raises(AnchorLockedError):
        Monitor(subject.connection, SCOPE, anchor_store=store, wait=0.1).sync()


def test_an_access_whose_streams_are_deleted_is_followed_further(subject: Subject, mirror: SQLiteMirror) -> None:
    account = subject.connection
    app = account.accesses.create({"name": "app", "permissions": [{"streamId": "pulse", "level": "read"}]})
    events = subject.add(2)
    with Connection(str(app["apiEndpoint"])) as connection:
        assert Monitor(connection, mirror=mirror).sync().events == 2
        for permanently in (False, True):
            account.streams.delete("pulse", permanently=permanently, merge_events_with_parent=False)
        assert "events" not in connection.get("events", {"state": "all", "modifiedSince": 0, "includeDeletions": True})
        deleted: list[Any] = []
        monitor = Monitor(connection, mirror=mirror).on("eventDelete", deleted.append)
        monitor.sync(error_tolerance=0)
        monitor.sync(error_tolerance=0)
    assert sorted(deletion["id"] for deletion in deleted) == sorted(event["id"] for event in events)
    assert list(mirror.events({"state": "all"})) == []


@pytest.mark.parametrize("refused", ["pryv-monitor-reader", "pryv-monitor", "pryv-monitor-stop"])
def test_start_may_be_repeated_after_a_failed_thread(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if thread.name == refused:
            raise RuntimeError("can't start new thread")
        start(thread)

    monitor = Monitor(subject.connection)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", limited)
        with pytest.raises(RuntimeError, match="new thread"):
            monitor.run(threading.Event()) if refused == "pryv-monitor-stop" else monitor.start()
    assert not monitor.started
    with monitor:
        assert monitor.started
    assert monitor.sync()
