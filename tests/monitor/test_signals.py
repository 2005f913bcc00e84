"""A signal handler can stop a monitor at any point of the main thread."""

import contextlib
import threading

from tests.interruptions import interruptions
from tests.monitor.subject import Subject

from pryv import _signals
from pryv.addons import SignalSafeEvent
from pryv_monitor import Monitor, UpdateMethod, _driver, _schedule, monitor

MODULES = (monitor, _driver, _schedule, _signals, threading)


def test_stop_in_a_signal_handler_while_it_runs(subject: Subject) -> None:
    follower = Monitor(subject.connection).add_update_method(UpdateMethod())
    for _ in interruptions(follower.run, follower.stop, *MODULES, begun=lambda: follower.started):
        assert not follower.started


def test_stop_by_an_event_in_a_signal_handler(subject: Subject) -> None:
    events: list[SignalSafeEvent] = []
    follower = Monitor(subject.connection).add_update_method(UpdateMethod())

    def run() -> None:
        events.append(SignalSafeEvent())
        follower.run(events[-1])

    for _ in interruptions(run, lambda: events[-1].set(), *MODULES, begun=lambda: follower.started):
        assert not follower.started


def test_stop_in_a_signal_handler_while_it_starts(subject: Subject) -> None:
    follower = Monitor(subject.connection).add_update_method(UpdateMethod())
    for _ in interruptions(follower.start, follower.stop, *MODULES):
        follower.stop()
        assert not follower.started


def test_stop_in_a_signal_handler_during_update_events(subject: Subject) -> None:
    follower = Monitor(subject.connection).add_update_method(UpdateMethod()).start()

    def ask() -> None:
        with contextlib.suppress(RuntimeError):
            follower.update_events()

    for _ in interruptions(ask, follower.stop, *MODULES):
        follower.start()
    follower.stop()
    assert not follower.started
