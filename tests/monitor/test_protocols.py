"""Mirrors other than SQLite's: their contract, and what a monitor does with one that several workers update."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.monitor.buffered import BufferedMirror, BufferedTransaction
from tests.monitor.subject import Subject, wait_for_count

from pryv import Connection
from pryv.cli import exit_code
from pryv_monitor import Anchor, ContendedError, Monitor, SQLiteMirror
from pryv_monitor.changes import Kind
from pryv_monitor.testing import check_mirror

SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}


def test_the_mirror_of_sqlite_keeps_the_contract(tmp_path: Path) -> None:
    numbers = itertools.count()
    check_mirror(lambda: SQLiteMirror(tmp_path / f"{next(numbers)}.db"))


def test_a_mirror_that_buffers_keeps_the_contract() -> None:
    check_mirror(BufferedMirror)


class ForgetsItsAnchor(BufferedTransaction):
    def commit(self, anchor: Anchor) -> Anchor:
        before = self.mirror.content.anchor
        committed = super().commit(anchor)
        self.mirror.content.anchor = before
        return committed


class CommitsAtOnce(BufferedTransaction):
    def apply(self, kind: Kind, items: Sequence[tuple[Any, str]]) -> list[Any]:
        new = super().apply(kind, items)
        self.mirror.content = attrs.evolve(self.content.copy(), version=self.mirror.content.version)
        return new


class RollsNothingBack(BufferedTransaction):
    def rollback(self) -> None:
        if not hasattr(self, "content"):
            super().rollback()


class ReturnsEverything(BufferedTransaction):
    def apply_event(self, event: Any, text: str) -> bool:
        super().apply_event(event, text)
        return True


class TakesTheFirstVersion(BufferedTransaction):
    def apply(self, kind: Kind, items: Sequence[tuple[Any, str]]) -> list[Any]:
        return super().apply(kind, list(reversed(items)))


class SeesOnlyWhatDiffers(BufferedTransaction):
    def apply_event(self, event: Any, text: str) -> bool:
        before = self.content.events.get(event["id"])
        differs = super().apply_event(event, text)
        if before is not None and not differs:
            self.content.events[event["id"]] = before
        return differs


class ReturnsAllDeletions(BufferedTransaction):
    def apply_deletion(self, deletion: Any, text: str) -> bool:
        super().apply_deletion(deletion, text)
        return True


class ReturnsKnownDeletionsOnly(BufferedTransaction):
    def apply_deletion(self, deletion: Any, text: str) -> bool:
        return self.content.events.pop(deletion["id"], None) is not None


class DropsNothing(BufferedTransaction):
    def dropped(self) -> Iterator[list[Any]]:
        yield from ()


class DropsInSilence(BufferedTransaction):
    def dropped(self) -> Iterator[list[Any]]:
        list(super().dropped())
        yield from ()


class NeverNeedsAFullRead(BufferedTransaction):
    def needs_full_read(self) -> bool:
        return False


class OverwritesAnother(BufferedTransaction):
    def commit(self, anchor: Anchor) -> Anchor:
        self.before = self.mirror.content
        return super().commit(anchor)


class CutsAtNul(BufferedTransaction):
    def apply_event(self, event: Any, text: str) -> bool:
        return super().apply_event(event, text.replace("\\u0000", ""))


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        (ForgetsItsAnchor, "the anchor after a commit"),
        (CommitsAtOnce, "the events before the first commit"),
        (RollsNothingBack, "after a rollback"),
        (ReturnsEverything, "events after a commit"),
        (TakesTheFirstVersion, "the last of two versions|new events"),
        (SeesOnlyWhatDiffers, "a full reading drops"),
        (ReturnsAllDeletions, "deletions of known events"),
        (ReturnsKnownDeletionsOnly, "a deletion after a crash"),
        (DropsNothing, "a full reading drops"),
        (DropsInSilence, "a full reading drops"),
        (NeverNeedsAFullRead, "needs a full read"),
        (OverwritesAnother, "expected ContendedError"),
        (CutsAtNul, "odd values"),
    ],
)
def test_a_mirror_that_breaks_the_contract_is_found(defect: type[BufferedTransaction], message: str) -> None:
    make: Any = type("Broken", (BufferedMirror,), {"transaction": defect})
    with pytest.raises(AssertionError, match=message):
        check_mirror(make)


def test_a_monitor_keeps_it_equal_to_the_account(subject: Subject) -> None:
    mirror: Any = BufferedMirror()
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    deletions: list[Any] = []
    monitor.on("eventDelete", deletions.append)
    subject.create_stream("child", "pulse")
    kept, gone, moved, left = subject.add(4, streamIds=["child"])
    assert monitor.sync().events == 4
    subject.update(kept, content=5)
    subject.delete(gone)
    assert (monitor.sync().events, [deletion["id"] for deletion in deletions]) == (1, [gone["id"]])
    subject.assert_mirrored(mirror, SCOPE)
    subject.create_stream("elsewhere")
    subject.update(left, streamIds=["elsewhere"])
    assert monitor.sync(full=True).event_deletions == 1
    for _ in range(2):
        subject.connection.delete("streams/child", {"mergeEventsWithParent": True})
    monitor.sync()
    subject.assert_mirrored(mirror, SCOPE)
    assert {event["id"] for event in mirror.events()} == {kept["id"], moved["id"]}


class Contended:
    """A mirror to which another worker commits while a pass of this one is under way, a number of times."""

    def __init__(self, subject: Subject, times: int) -> None:
        self.mirror = BufferedMirror()
        self.other = Monitor(subject.connection, SCOPE, mirror=self.mirror)
        self.subject = subject
        self.times = times

    def monitor(self) -> Monitor:
        return Monitor(self.subject.connection, SCOPE, mirror=self.mirror).on("event", self.interfere)

    def interfere(self, _: Any) -> None:
        if self.times:
            self.times -= 1
            self.subject.add(1)
            self.other.sync()


def test_a_pass_that_loses_its_commit_commits_nothing(subject: Subject) -> None:
    contended = Contended(subject, times=0)
    monitor = contended.monitor()
    monitor.sync()
    subject.add(2)
    contended.times = 1
    with pytest.raises(ContendedError) as caught:
        monitor.sync(error_tolerance=60)
    assert (caught.value.retryable, exit_code(caught.value)) == (True, 75)
    subject.assert_mirrored(contended.mirror, SCOPE)  # as the other left it
    assert monitor.sync().events == 0


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("how", ["start", "changes"])
def test_a_monitor_that_follows_goes_on_from_what_another_committed(how: str, subject: Subject) -> None:
    contended = Contended(subject, times=0)
    errors: list[Exception] = []
    reports: list[Any] = []
    monitor = contended.monitor().on("error", errors.append).on("ready", reports.append)
    subject.add(2)
    contended.times = 2
    if how == "start":
        with monitor:
            wait_for_count(lambda: reports, 1)
    else:
        for change in monitor.changes(timeout=0.5):
            if change.kind == "event":
                contended.interfere(change.data)
    assert contended.times == 0
    assert errors == []
    subject.assert_mirrored(contended.mirror, SCOPE)


def test_a_pass_without_changes_need_not_be_committed(subject: Subject) -> None:
    mirror = BufferedMirror()
    subject.add(1)
    reports: list[Any] = []
    with Monitor(subject.connection, SCOPE, mirror=mirror).on("ready", reports.append) as monitor:
        committed = mirror.content.anchor
        for _ in range(2):
            monitor.update_events()
        assert mirror.content.anchor == committed
        assert (mirror.skipped, mirror.loaded) == (2, 1)  # the monitor knows the anchor from which it goes on
        assert reports[0].anchor.since < reports[1].anchor.since < reports[2].anchor.since
        (event,) = subject.add(1)
        monitor.update_events()
    assert [event["id"] for event in mirror.events()][-1] == event["id"]
    assert mirror.content.anchor == reports[3].anchor


def test_events_are_dropped_only_by_a_full_reading_that_is_not_repeated(subject: Subject) -> None:
    calls: list[str] = []

    class Transaction(BufferedTransaction):
        def needs_full_read(self) -> bool:
            calls.append("needs_full_read")
            return calls == ["needs_full_read"]

        def dropped(self) -> Iterator[list[Any]]:
            calls.append("dropped")
            return super().dropped()

    mirror = BufferedMirror()
    mirror.transaction = Transaction
    Monitor(subject.connection, SCOPE, mirror=mirror).sync()
    assert calls == ["needs_full_read", "needs_full_read", "dropped"]


def test_racing_workers_commit_each_change_once(subject: Subject) -> None:
    mirror = BufferedMirror()
    rounds, committed, lost = 10, list[int](), list[ContendedError]()
    barrier = threading.Barrier(3)

    def work() -> None:
        with Connection(subject.connection.api_endpoint) as connection:
            monitor = Monitor(connection, SCOPE, mirror=mirror)
            for _ in range(rounds):
                if barrier.wait(20) == 0:
                    subject.add(2)
                barrier.wait(20)
                try:
                    committed.append(monitor.sync().events)
                except ContendedError as error:
                    lost.append(error)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    Monitor(subject.connection, SCOPE, mirror=mirror).sync()
    assert sum(committed) == 2 * rounds
    assert lost
    subject.assert_mirrored(mirror, SCOPE)


@pytest.mark.parametrize(("name", "commits"), [("event", 2), ("eventDelete", 1), (None, 1)])
def test_a_pass_without_listeners_for_events_makes_one_commit(name: str | None, commits: int, subject: Subject) -> None:
    mirror = BufferedMirror()
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    if name is not None:
        monitor.on(name, print)
    monitor.sync()
    before = mirror.content.version
    subject.add(1)
    assert monitor.sync().events == 1
    assert mirror.content.version - before == commits
