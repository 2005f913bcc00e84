"""Updates by notification, over a real socket."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.monitor.subject import Subject, wait_for_count
from tests.pryv.wire import Recorded
from tests.waiting import wait_for, within

from pryv import Connection, InvalidAccessTokenError, PryvConnectionError
from pryv_monitor import Monitor, SocketUpdates, SyncReport, update_methods
from pryv_sandbox import Sandbox
from pryv_socket_io import SocketIO

SCOPE: dict[str, Any] = {"streams": ["pulse"]}


@contextmanager
def notified(monitor: Monitor) -> Iterator[list[SyncReport]]:
    """Follows by notification; yields the passes, two by now: the first, and the one after the socket was opened."""
    reports: list[SyncReport] = []
    with monitor.add_update_method(SocketUpdates()).on("ready", reports.append):
        wait_for_count(lambda: reports, 2)
        yield reports


def test_a_change_is_delivered_when_it_is_notified(subject: Subject) -> None:
    seen: list[Any] = []
    trees: list[Any] = []
    with notified(Monitor(subject.connection, SCOPE).on("event", seen.append).on("streams", trees.append)):
        for count in (1, 2, 3):
            subject.add(1)
            wait_for_count(lambda: seen, count)
        subject.create_stream("child", "pulse")
        wait_for_count(lambda: trees, 2)


def test_only_changes_in_the_scope_wake_it(subject: Subject) -> None:
    with notified(Monitor(subject.connection, SCOPE)) as reports:
        for _ in range(10):
            subject.add(1, streamIds=["notes"])
        subject.add(1)
        wait_for(lambda: len(reports) > 2)
        assert reports[2].events == 1


def test_streams_made_below_the_scope_are_followed(subject: Subject) -> None:
    seen: list[Any] = []
    trees: list[Any] = []
    with notified(Monitor(subject.connection, SCOPE).on("event", seen.append).on("streams", trees.append)):
        for count, (stream_id, parent_id) in enumerate([("child", "pulse"), ("grandchild", "child")], 1):
            subject.create_stream(stream_id, parent_id)
            wait_for_count(lambda: trees, count + 1)
            subject.add(1, streamIds=[stream_id])
            wait_for_count(lambda: seen, count)


@pytest.mark.parametrize("scope", [None, {"streams": ["*"]}, {"types": ["frequency/bpm"]}])
def test_new_streams_of_the_account_are_followed(scope: dict[str, Any] | None, subject: Subject) -> None:
    seen: list[Any] = []
    trees: list[Any] = []
    with notified(Monitor(subject.connection, scope).on("event", seen.append).on("streams", trees.append)):
        subject.create_stream("more")
        wait_for_count(lambda: trees, 2)
        before = len(seen)
        subject.add(1, streamIds=["more"])
        wait_for_count(lambda: seen, before + 1)
    assert seen[-1]["streamIds"] == ["more"]


@pytest.mark.parametrize("types", [["frequency/bpm"], ["frequency/*"]])
def test_events_of_a_type_in_the_scope_are_followed(types: list[str], subject: Subject) -> None:
    seen: list[Any] = []
    with notified(Monitor(subject.connection, {**SCOPE, "types": types}).on("event", seen.append)):
        subject.add(1)
        wait_for_count(lambda: seen, 1)


def test_on_an_older_platform_every_change_wakes_it() -> None:
    with Sandbox(subscriptions=False) as sandbox, Connection(sandbox.create_account().api_endpoint) as connection:
        subject = Subject(connection)
        seen: list[Any] = []
        trees: list[Any] = []
        monitor = Monitor(connection, SCOPE).on("event", seen.append).on("streams", trees.append)
        with notified(monitor) as reports:
            subject.add(1, streamIds=["notes"])
            wait_for_count(lambda: reports, 3)
            assert not seen
            for count in (1, 2):
                subject.add(1)
                wait_for_count(lambda: seen, count)
            subject.create_stream("child", "pulse")
            wait_for_count(lambda: trees, 2)


def test_a_reconnect_makes_a_pass(sandbox: Sandbox, subject: Subject) -> None:
    seen: list[Any] = []
    with notified(Monitor(subject.connection, SCOPE).on("event", seen.append)):
        with sandbox.faults.refuse():
            pass
        (added,) = subject.add(1)
        wait_for_count(lambda: seen, 1)
    assert [event["id"] for event in seen] == [added["id"]]


def test_it_can_be_started_again(subject: Subject) -> None:
    seen: set[str] = set()
    monitor = Monitor(subject.connection, SCOPE).add_update_method(SocketUpdates())
    monitor.on("event", lambda event: seen.add(event["id"]))
    for count in (1, 2):
        with monitor:
            subject.add(1)
            wait_for_count(lambda: seen, count)
    assert len(seen) == 2


def test_stop_closes_the_socket_at_once(subject: Subject) -> None:
    before = set(threading.enumerate())
    monitor = Monitor(subject.connection, SCOPE).add_update_method(SocketUpdates()).start()
    with within(5):
        monitor.stop()
    wait_for(lambda: not set(threading.enumerate()) - before)


def test_a_stop_before_the_socket_begins_to_open_leaves_none(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    stopped = threading.Event()
    open_socket = SocketIO.open
    monkeypatch.setattr(SocketIO, "open", lambda socket: stopped.wait(20) and open_socket(socket))
    updates = SocketUpdates()
    Monitor(subject.connection, SCOPE).add_update_method(updates)
    updates.ready()
    updates.stop()
    stopped.set()
    wait_for(lambda: not set(threading.enumerate()) - before)
    assert set(threading.enumerate()) <= before


def test_stop_does_not_wait_for_a_socket_to_open(sandbox: Sandbox, subject: Subject) -> None:
    sandbox.faults.stall(path="socket.io")
    before = set(threading.enumerate())
    monitor = Monitor(subject.connection, SCOPE).add_update_method(SocketUpdates())
    with within(5):
        monitor.start()
        wait_for(lambda: not sandbox.faults.armed)
        monitor.stop()
    wait_for(lambda: not set(threading.enumerate()) - before)


@pytest.mark.usefixtures("short_waits")
def test_a_socket_that_cannot_be_opened_is_tried_again(sandbox: Sandbox, subject: Subject) -> None:
    sandbox.faults.cut(path="socket.io", times=2)
    errors: list[Any] = []
    seen: list[Any] = []
    monitor = Monitor(subject.connection, SCOPE).on("error", errors.append).on("event", seen.append)
    with notified(monitor) as reports:
        wait_for_count(lambda: errors, 2)
        wait_for(lambda: len(reports) >= 4)  # the first, two that opened a socket in vain, and when one was open
        subject.add(1)
        wait_for_count(lambda: seen, 1)
    assert [type(error) for error in errors] == [PryvConnectionError] * 2


@pytest.mark.usefixtures("short_waits")
def test_a_socket_that_keeps_failing_is_opened_with_backoff(
    sandbox: Sandbox, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = Recorded()
    monkeypatch.setattr(update_methods, "_BACKOFF", waits)
    sandbox.faults.cut(path="socket.io", times=4)
    with notified(Monitor(subject.connection, SCOPE)) as reports:
        wait_for(lambda: waits.asked == [1, 2, 3, 4])
        wait_for(lambda: not sandbox.faults.armed)
        assert len(reports) >= 4


def test_an_update_of_an_access_is_notified(subject: Subject) -> None:
    told: list[Any] = []
    access = subject.connection.api_one(
        "accesses.create", {"name": "other", "permissions": [{"streamId": "pulse", "level": "read"}]}, "access"
    )
    with notified(Monitor(subject.connection, SCOPE).on_access_updated(told.append)):
        subject.connection.update_access(access["id"], {"name": "renamed"})
        wait_for_count(lambda: told, 1)
    assert told[0]["accessId"].startswith(access["id"])


def test_a_revoked_access_ends_it(subject: Subject) -> None:
    access = subject.connection.api_one(
        "accesses.create", {"name": "mine", "permissions": [{"streamId": "pulse", "level": "read"}]}, "access"
    )
    ends: list[Any] = []
    endpoint = subject.connection.api_endpoint.replace(str(subject.connection.token), access["token"])
    with notified(Monitor(endpoint).on("stop", ends.append)):
        # no pass is under way now: a token that is revoked while it is used may stay in the platform's cache
        subject.connection.delete(f"accesses/{access['id']}")
        subject.add(1)
        wait_for_count(lambda: ends, 1)
    with pytest.raises(InvalidAccessTokenError):
        raise ends[0]
