"""A process that is killed at any time loses no change, and repeats no committed pass."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.monitor.subject import EVENTS, Subject, Traffic
from tests.waiting import wait_for

from pryv import Connection, PryvError
from pryv_monitor import Monitor, SQLiteMirror

CHILD = Path(__file__).with_name("child.py")
SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}
WINDOW = 20


class Follower:
    """A process that follows an account, killed and started anew."""

    def __init__(self, endpoint: str, kind: str, directory: Path) -> None:
        self.file, self.journal = directory / "kept", directory / "journal"
        self.arguments = [endpoint, kind, str(self.file), str(self.journal), str(WINDOW)]

    def run_for(self, seconds: float) -> None:
        with self._started() as process:
            time.sleep(seconds)  # the moment of the kill, which is the point
            process.kill()

    def run_to_the_end(self) -> None:
        before = self.journal.stat().st_size if self.journal.exists() else 0
        with self._started() as process:
            try:
                wait_for(lambda: b"\nC\n" in self._journal_from(before), seconds=60)
            finally:
                process.kill()

    def _started(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen([sys.executable, str(CHILD), *self.arguments], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def _journal_from(self, place: int) -> bytes:
        return b"\n" + self.journal.read_bytes()[place:] if self.journal.exists() else b""

    def lines(self) -> list[str]:
        return self.journal.read_text().splitlines() if self.journal.exists() else []

    def known(self) -> set[str]:
        """The ids of the events that are there, for all that was delivered."""
        known: set[str] = set()
        for kind, *words in map(str.split, self.lines()):
            if kind != "C":
                (known.add if kind == "E" else known.discard)(words[0])
        return known

    def committed_twice(self) -> list[str]:
        """Changes delivered again after the commit of the pass that had delivered them."""
        committed: set[str] = set()
        since: list[str] = []
        twice = []
        for line in self.lines():
            if line == "C":
                committed.update(since)
                since = []
            else:
                twice += [line] if line in committed else []
                since.append(line)
        return twice


@pytest.mark.parametrize("kind", ["anchor", "mirror"])
@pytest.mark.parametrize("kills", [2, pytest.param(17, marks=pytest.mark.long)])
def test_kills_in_a_first_reading_lose_nothing(kind: str, kills: int, subject: Subject, tmp_path: Path) -> None:
    chance = random.Random(kills)
    subject.add(150)
    now = {f"E {event['id']} {event['modified']}" for event in subject.events(SCOPE).values()}
    began = 0
    for number in range(kills):
        directory = tmp_path / str(number)
        directory.mkdir()
        follower = Follower(subject.connection.api_endpoint, kind, directory)
        follower.run_for(chance.uniform(0, 0.3))
        began += 0 < len(follower.lines()) <= len(now)
        follower.run_to_the_end()
        assert not now - set(follower.lines())
        if kind == "mirror":
            subject.assert_mirrored(SQLiteMirror(follower.file), SCOPE)
    print(f"{kind}: {kills} kills in the first reading, {began} of them after the first event and before the last")


@pytest.mark.parametrize("kind", ["anchor", "mirror"])
@pytest.mark.parametrize("kills", [3, pytest.param(33, marks=pytest.mark.long)])
def test_kills_lose_nothing(kind: str, kills: int, subject: Subject, tmp_path: Path) -> None:
    follower = Follower(subject.connection.api_endpoint, kind, tmp_path)
    chance = random.Random(kills)
    subject.add(150)
    stop = threading.Event()
    changed: list[dict[str, Any]] = []

    def change() -> None:
        with Connection(subject.connection.api_endpoint) as connection:
            writer = Subject.__new__(Subject)
            writer.connection = connection
            while not stop.is_set():
                changed.extend(writer.add(3))
                writer.update(chance.choice(changed), content=chance.random())
                writer.delete(changed.pop(chance.randrange(len(changed))))

    writing = threading.Thread(target=change)
    writing.start()
    for _ in range(kills):
        follower.run_for(chance.uniform(0, 0.5))
    stop.set()
    writing.join()
    follower.run_to_the_end()
    now = {f"E {event['id']} {event['modified']}" for event in subject.events(SCOPE).values()}
    lost = now - set(follower.lines())
    print(f"{kind}: {kills} kills, {len(now)} events, lost {len(lost)}, twice {len(follower.committed_twice())}")
    assert not lost
    assert follower.known() == subject.events(SCOPE).keys()
    assert not follower.committed_twice()
    if kind == "mirror":
        subject.assert_mirrored(SQLiteMirror(follower.file), SCOPE)


KILLED = """
import os, sys
from pryv_monitor import Monitor, SQLiteMirror
Monitor(sys.argv[1], mirror=SQLiteMirror(sys.argv[2])).on("event", lambda event: os._exit(9)).sync()
"""


@pytest.mark.parametrize("moment", ["first", "later"])
def test_deletions_of_events_delivered_before_a_kill_are_delivered(
    moment: str, subject: Subject, mirror: SQLiteMirror
) -> None:
    """It was never in the mirror, but whoever listens may know it."""
    deletions: list[str] = []
    monitor = Monitor(subject.connection, mirror=mirror)
    monitor.on("eventDelete", lambda deletion: deletions.append(deletion["id"]))
    if moment == "later":
        monitor.sync()
    (event,) = subject.add(1)
    command = [sys.executable, "-c", KILLED, subject.connection.api_endpoint, str(mirror.path)]
    assert subprocess.run(command, check=False).returncode == 9
    subject.delete(event)
    monitor.sync()
    assert deletions == [event["id"]]
    subject.add(1)
    assert subprocess.run(command, check=False).returncode == 9
    monitor.sync()
    assert deletions == [event["id"]], "no deletion that was told is told again"
    (other,) = subject.add(1)
    subject.delete(other)
    monitor.sync(full=True)
    assert deletions == [event["id"]], "of what was neither in the copy nor delivered, nothing is told"


def test_a_failed_pass_after_a_kill_keeps_the_delivered_ids(
    sandbox: Any, subject: Subject, mirror: SQLiteMirror
) -> None:
    deletions: list[str] = []
    connection = Connection(subject.connection.api_endpoint, retry=None)
    monitor = Monitor(connection, mirror=mirror)
    monitor.on("event", print).on("eventDelete", lambda deletion: deletions.append(deletion["id"]))
    monitor.sync()
    (event,) = subject.add(1)
    command = [sys.executable, "-c", KILLED, subject.connection.api_endpoint, str(mirror.path)]
    assert subprocess.run(command, check=False).returncode == 9
    sandbox.faults.status(503, path=EVENTS)
    with pytest.raises(PryvError):
        monitor.sync()
    subject.delete(event)
    monitor.sync()
    assert deletions == [event["id"]]


@pytest.mark.long
def test_a_large_first_reading_cut_five_times(sandbox: Any, subject: Subject, tmp_path: Path) -> None:
    for start in range(0, 200_000, 10_000):
        calls = [
            {
                "method": "events.create",
                "params": {"streamIds": ["pulse"], "type": "frequency/bpm", "content": i, "time": 1e9 + i},
            }
            for i in range(start, start + 10_000)
        ]
        subject.connection.api(calls)
    read: list[int] = []
    for cuts in (0, 5):
        with requests.Session() as session:
            traffic = Traffic(session)
            mirror = SQLiteMirror(tmp_path / f"mirror-{cuts}")
            connection = Connection(subject.connection.api_endpoint, session=session, retry=None)
            monitor = Monitor(connection, SCOPE, mirror=mirror, overlap=0)  # what was just written is not read twice
            chance = random.Random(5)
            for _ in range(cuts):
                sandbox.faults.cut(after_bytes=int(chance.uniform(0.05, 0.19) * read[0]), path="/events")
                with pytest.raises(Exception, match=r"cut short|broke"):
                    monitor.sync()
            monitor.sync()
            subject.assert_mirrored(mirror, SCOPE)
        read.append(traffic.bytes_read)
    print(f"200,000 events: {read[0]:,} bytes uncut, {read[1]:,} cut five times: {read[1] / read[0]:.2f} times as many")
    assert read[1] <= 1.3 * read[0]
