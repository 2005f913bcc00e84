"""After any operations in any order, a program that stores the delivered changes has the contents of the account."""

import contextlib
import errno
import io
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, multiple, precondition, rule
from tests.monitor.subject import EVENTS, Subject

from pryv import ApiError, Connection, PryvError
from pryv_monitor import Change, FileAnchorStore, Monitor, SQLiteMirror, _pass, cli
from pryv_monitor.changes import Kind
from pryv_sandbox import Sandbox

ALL: dict[str, Any] = {"streams": ["pulse", "notes", "elsewhere"]}
PART: dict[str, Any] = {"streams": ["pulse", "notes"]}
KINDS: tuple[Kind, ...] = ("event", "eventDelete", "streams")
STREAMS = st.sampled_from(["pulse", "notes", "child", "elsewhere"])
TIMES = st.sampled_from([-1e300, 0.0, 1e9, 1e9 + 0.001, 2e9, 1.7e18])
RARELY = st.sampled_from([False, False, False, True])
LONG_AGO = 60
"""Seconds; so much more than the overlap that what was changed before is not looked at once more."""
FEW = 16


class FailedError(Exception):
    """A callback that cannot handle a change."""


class Listener:
    """Stores the delivered events, like a program that knows nothing else of the account."""

    scope = ALL

    def __init__(self, subject: Subject, directory: Path) -> None:
        self.subject = subject
        self.file = directory / type(self).__name__
        self.events: dict[str, dict[str, Any]] = {}
        self.left: int | None = None

    def take(self, change: Change) -> None:
        if change.kind == "event":
            self.events[change.data["id"]] = change.data
        elif change.kind == "eventDelete":
            self.events.pop(change.data["id"], None)
        self.count()

    def take_data(self, kind: Kind, data: Any) -> None:
        self.take(Change(kind, data))

    def count(self) -> None:
        """Fail after a number of changes was delivered."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise FailedError

    def sync(self, *, full: bool = False) -> None:
        """Make a pass."""
        monitor = self.monitor()
        for kind in KINDS:
            monitor.on(kind, partial(self.take_data, kind))
        monitor.sync(full=full)

    def leave(self, after: int) -> None:
        """Begin a pass and leave it after some changes."""
        changes: Any = self.monitor().changes(timeout=0)
        with contextlib.closing(changes):
            for _, change in zip(range(after), changes, strict=False):
                self.take(change)

    def monitor(self) -> Monitor:
        return Monitor(self.subject.connection, ALL, anchor_store=FileAnchorStore(self.file))


class OfAnchor(Listener):
    """Gets the changes of a monitor that has only an anchor."""


class OfMirror(Listener):
    """Gets the changes of a monitor with a mirror, including events that leave its scope."""

    scope = PART

    def monitor(self) -> Monitor:
        return Monitor(self.subject.connection, self.scope, mirror=SQLiteMirror(self.file))


class OfLines(Listener):
    """Reads the lines that the command writes."""

    def sync(self, *, full: bool = False) -> None:
        lines = Lines(self.take)
        out: Any = io.TextIOWrapper(lines)
        command = ["sync", "--endpoint", self.subject.connection.api_endpoint, "--error-tolerance", "0", "--quiet"]
        command += ["--anchor", str(self.file), "--jsonl", "--scope", json.dumps(self.scope), *["--full"] * full]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as said:
            code = cli.main(command)
        if lines.full:
            raise FailedError
        if code:
            raise PryvError(said.getvalue())


class Lines(io.RawIOBase):
    """Standard output that is read line by line, until the disk is full."""

    full = False

    def __init__(self, take: Callable[[Change], None]) -> None:
        super().__init__()
        self.take = take

    def writable(self) -> bool:
        return True

    def write(self, text: Any) -> int:
        try:
            for line in bytes(text).splitlines():
                self.take(Change(**json.loads(line)))
        except FailedError:
            self.full = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        return len(text)


class History(RuleBasedStateMachine):
    """An account that is changed, and followed by those who listen."""

    sandbox: Sandbox
    events: Bundle[dict[str, Any]] = Bundle("events")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.subject = Subject(Connection(self.sandbox.create_account().api_endpoint, retry=None))
        self.subject.create_stream("child", "pulse")
        self.subject.create_stream("elsewhere")
        self.has_child = True
        self.vanished: set[str] = set()
        self.listeners = [kind(self.subject, self.directory) for kind in (OfAnchor, OfMirror, OfLines)]

    def teardown(self) -> None:
        self.sync(full=True)
        self.sandbox.faults.clear()
        self.subject.connection.close()
        shutil.rmtree(self.directory)

    @rule(target=events, stream=STREAMS, time=TIMES, count=st.integers(1, 4))
    def create(self, stream: str, time: float, count: int) -> Any:
        return multiple(*self.subject.add(count, streamIds=[self.stream(stream)], time=time))

    @rule(event=events, content=st.integers(0, 3))
    def update(self, event: dict[str, Any], content: int) -> None:
        with contextlib.suppress(ApiError):  # it is deleted, or in the trash
            self.subject.update(event, content=content)

    @rule(event=events, stream=STREAMS, time=TIMES)
    def move(self, event: dict[str, Any], stream: str, time: float) -> None:
        with contextlib.suppress(ApiError):
            self.subject.update(event, streamIds=[self.stream(stream)], time=time)

    @rule(event=events)
    def trash(self, event: dict[str, Any]) -> None:
        with contextlib.suppress(ApiError):
            self.subject.update(event, trashed=True)

    @rule(event=consumes(events), long_ago=st.booleans())
    def delete(self, event: dict[str, Any], long_ago: bool) -> None:
        self.trash(event)
        with contextlib.suppress(ApiError):  # its stream is deleted
            self.subject.connection.delete(f"events/{event['id']}")
        self.sandbox.faults.skew += LONG_AGO * long_ago

    @precondition(lambda self: self.has_child)
    @rule(merge=st.booleans())
    def delete_stream(self, merge: bool) -> None:
        """Delete a stream; what of it is in the trash is not there any more, of which the platform does not tell."""
        self.vanished |= self.subject.events({"streams": ["child"], "state": "trashed"}).keys()
        for _ in range(2):
            self.subject.connection.delete("streams/child", {"mergeEventsWithParent": merge})
        self.has_child = False

    @initialize(after=st.integers(0, 5))
    def begin(self, after: int) -> None:
        """The first reading fails after some changes, the earliest of which are deleted."""
        events = [event for stream in ("pulse", "notes") for event in self.subject.add(2, streamIds=[stream])]
        self.fail(full=False, after=after)
        for event in events[: after // 2]:
            self.delete(event, long_ago=True)

    @rule(full=RARELY, after=st.integers(0, 6), long_ago=st.booleans())
    def deliver_in_vain(self, full: bool, after: int, long_ago: bool) -> None:
        """A pass fails after some changes, perhaps after it told of an event that is deleted then."""
        (event,) = self.subject.add(1, time=-2e300)  # which is read first
        self.fail(full=full, after=after)
        self.delete(event, long_ago=long_ago)

    @rule(full=RARELY, after=st.integers(0, 6))
    def fail(self, full: bool, after: int) -> None:
        for listener in self.listeners:
            listener.left = after
            with contextlib.suppress(FailedError):
                listener.sync(full=full)
            listener.left = None

    @rule(full=RARELY, place=st.integers(0, 3000))
    def cut(self, full: bool, place: int) -> None:
        for listener in self.listeners:
            self.sandbox.faults.cut(after_bytes=place, path=EVENTS)
            with contextlib.suppress(PryvError):
                listener.sync(full=full)
            skew = self.sandbox.faults.skew
            self.sandbox.faults.clear()
            self.sandbox.faults.skew = skew

    @rule(after=st.integers(0, 6))
    def leave(self, after: int) -> None:
        for listener in self.listeners:
            listener.leave(after)

    @rule(full=RARELY)
    def sync(self, full: bool) -> None:
        for listener in self.listeners:
            listener.sync(full=full)
            there = self.subject.events(listener.scope)
            known = listener.events
            if not isinstance(listener, OfMirror):
                known = {key: event for key, event in known.items() if key not in self.vanished - there.keys()}
            if full:
                assert known == there, type(listener).__name__
            elif isinstance(listener, OfMirror):
                assert there.keys() <= known.keys(), type(listener).__name__
                assert known.keys() - there.keys() <= self.subject.events().keys() | self.vanished
            else:
                assert known.keys() == there.keys(), type(listener).__name__

    def stream(self, wanted: str) -> str:
        return wanted if wanted != "child" or self.has_child else "pulse"


@pytest.mark.parametrize("examples", [FEW, pytest.param(500, marks=pytest.mark.long)])
def test_listeners_have_the_contents_of_the_account(
    examples: int, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the command is run in this process
    monkeypatch.setattr(_pass, "WINDOW", 3)
    monkeypatch.setattr("pryv_monitor._source._BATCH", 2)
    machine: Any = type("History", (History,), {"sandbox": sandbox})
    machine.TestCase.settings = settings(
        max_examples=examples,
        stateful_step_count=20,
        derandomize=examples == FEW,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # to make a history shorter takes longer than a test may
    )
    machine.TestCase().runTest()
