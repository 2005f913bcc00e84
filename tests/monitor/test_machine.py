"""After any operations in any order, the mirror equals the platform, and no committed change is delivered again."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, precondition, rule
from tests.monitor.subject import EVENTS, Subject

from pryv import ApiError, Connection, PryvError
from pryv_monitor import FileAnchorStore, Monitor, SQLiteMirror, _pass
from pryv_sandbox import Sandbox

SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}
STREAMS = st.sampled_from(["pulse", "notes", "child"])
TIMES = st.sampled_from([0.0, 1e9, 1e9 + 0.001, 2e9])
FEW = 8
LATENESS = st.sampled_from([0, 0.001, 1, 9.5])


class CrashError(Exception):
    """Stands for the end of a process in the middle of a pass: nothing of what it holds is used again."""


class Account(RuleBasedStateMachine):
    """An account that is changed and followed."""

    sandbox: Sandbox
    events: Bundle[dict[str, Any]] = Bundle("events")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.subject = Subject(Connection(self.sandbox.create_account().api_endpoint, retry=None))
        self.subject.create_stream("child", "pulse")
        self.has_child = True
        self.skewed = self.set_back = False
        self.committed: set[tuple[str, float, str]] = set()
        self.delivered: set[tuple[str, float, str]] = set()

    def teardown(self) -> None:
        self.sandbox.faults.clear()
        self.subject.connection.close()
        shutil.rmtree(self.directory)

    def stream(self, wanted: str) -> str:
        return wanted if wanted != "child" or self.has_child else "pulse"

    @rule(target=events, stream=STREAMS, time=TIMES, count=st.integers(1, 4), late=LATENESS)
    def create(self, stream: str, time: float, count: int, late: float) -> Any:
        with self.stamped(late):
            return multiple(*self.subject.add(count, streamIds=[self.stream(stream)], time=time))

    @rule(event=events, content=st.integers(0, 3), late=LATENESS)
    def update(self, event: dict[str, Any], content: int, late: float) -> None:
        with self.stamped(late):
            self.subject.update(event, content=content)

    @rule(event=events, stream=STREAMS, time=TIMES, late=LATENESS)
    def move(self, event: dict[str, Any], stream: str, time: float, late: float) -> None:
        with self.stamped(late):
            self.subject.update(event, streamIds=[self.stream(stream)], time=time)

    @rule(event=events, late=LATENESS)
    def trash_or_delete(self, event: dict[str, Any], late: float) -> None:
        with self.stamped(late):
            self.subject.connection.delete(f"events/{event['id']}")

    @contextlib.contextmanager
    def stamped(self, late: float) -> Iterator[None]:
        """Writes in this context become visible a number of seconds after their timestamp."""
        self.sandbox.faults.skew -= late
        with contextlib.suppress(ApiError):  # the event is deleted, or in the trash
            yield
        self.sandbox.faults.skew += late

    @rule(name=st.integers(0, 2))
    def rename_stream(self, name: int) -> None:
        self.subject.connection.api_one("streams.update", {"id": "notes", "update": {"name": f"Notes {name}"}})

    @precondition(lambda self: self.has_child)
    @rule(merge=st.booleans())
    def delete_stream(self, merge: bool) -> None:
        for _ in range(2):
            self.subject.connection.delete("streams/child", {"mergeEventsWithParent": merge})
        self.has_child = False

    @rule(seconds=st.sampled_from([-7200, -30, 0, 5, 7200]))
    def skew(self, seconds: int) -> None:
        """Sets the platform's clock; one that was set back stays so until a pass has seen it."""
        now = self.sandbox.faults.skew
        if seconds < now or not self.set_back:
            self.sandbox.faults.skew = seconds
            self.set_back = self.set_back or seconds < now
            self.skewed = True

    @rule(after=st.integers(0, 5))
    def crash(self, after: int) -> None:
        for monitor in self.monitors():
            self.delivered = set()
            left = [after]

            def count(_: Any, left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] < 0:
                    raise CrashError

            try:
                monitor.on("event", count).sync()
            except CrashError:
                continue
            self.committed |= self.delivered

    @rule(place=st.integers(0, 3000))
    def fail(self, place: int) -> None:
        for monitor in self.monitors():
            self.sandbox.faults.cut(after_bytes=place, path=EVENTS)
            self.delivered = set()
            try:
                monitor.sync()
            except PryvError:
                continue
            finally:
                skew, self.sandbox.faults.skew = self.sandbox.faults.skew, 0
                self.sandbox.faults.clear()
                self.sandbox.faults.skew = skew
            self.committed |= self.delivered

    @rule()
    def sync(self) -> None:
        for monitor in self.monitors():
            self.delivered = set()
            monitor.sync()
            self.committed |= self.delivered
        self.set_back = False
        self.subject.assert_mirrored(SQLiteMirror(self.directory / "mirror"), SCOPE)

    @rule()
    def sync_in_full(self) -> None:
        mirror = SQLiteMirror(self.directory / "mirror")
        Monitor(self.subject.connection, SCOPE, mirror=mirror).sync(full=True)
        self.subject.assert_mirrored(mirror, SCOPE)

    def monitors(self) -> list[Monitor]:
        """Monitors as new processes would make them: one of a mirror, one of an anchor alone."""
        mirrored = Monitor(self.subject.connection, SCOPE, mirror=SQLiteMirror(self.directory / "mirror"))
        plain = Monitor(self.subject.connection, SCOPE, anchor_store=FileAnchorStore(self.directory / "anchor"))
        plain.on("event", self.deliver)
        return [mirrored, plain]

    def deliver(self, event: dict[str, Any]) -> None:
        change = (event["id"], event["modified"], str(event))
        assert self.skewed or change not in self.committed, "a committed change came again"
        self.delivered.add(change)


@pytest.mark.parametrize("examples", [FEW, pytest.param(300, marks=pytest.mark.long)])
def test_any_order_of_operations(examples: int, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pass, "WINDOW", 3)
    monkeypatch.setattr("pryv_monitor._source._BATCH", 2)
    machine: Any = type("Account", (Account,), {"sandbox": sandbox})
    machine.TestCase.settings = settings(
        max_examples=examples,
        stateful_step_count=25,
        derandomize=examples == FEW,
        suppress_health_check=list(HealthCheck),
    )
    machine.TestCase().runTest()
