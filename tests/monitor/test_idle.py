"""A pass in which nothing changed leaves the file of a mirror as it is, and its time is kept all the same."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.monitor.kept import NOBODY, as_somebody_else, event, killed_at, needs_fork, save, take_in
from tests.monitor.subject import Subject, Traffic

from pryv import Connection
from pryv_monitor import Anchor, Monitor, SQLiteMirror, _files, _last_pass, _maintenance
from pryv_sandbox import Sandbox

SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}
HOUR = 3600
needs_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs to become somebody else")


class Commits:
    """Counts the commits to a file by others: https://sqlite.org/pragma.html#pragma_data_version."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path)
        self._version = self._current()

    def _current(self) -> int:
        version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return version

    def made(self) -> bool:
        """Return whether there was one since the last call."""
        before, self._version = self._version, self._current()
        return self._version != before

    def close(self) -> None:
        self._db.close()


def anchor_of(mirror: SQLiteMirror) -> Anchor:
    """The anchor as another process loads it."""
    anchor = SQLiteMirror(mirror.path).load()
    assert anchor is not None
    return anchor


def synced(mirror: SQLiteMirror) -> float:
    return anchor_of(mirror).synced or 0


def beside(mirror: SQLiteMirror) -> Path:
    return mirror.path.with_name(f"{mirror.path.name}-pass")


@pytest.mark.parametrize("scope", [{}, SCOPE], ids=["personal", "streams"])
def test_a_pass_without_changes_commits_nothing(
    scope: dict[str, Any], subject: Subject, counted: tuple[Connection, Traffic], mirror: SQLiteMirror
) -> None:
    """A personal token reads the fields of the account with a new `modified` each time."""
    connection, traffic = counted
    subject.add(3)
    Monitor(connection, scope, mirror=mirror).sync()
    before = anchor_of(mirror)
    content = mirror.path.read_bytes()
    with closing(Commits(mirror.path)) as commits:
        for _ in range(3):
            last = anchor_of(mirror)
            traffic.answers.clear()
            report = Monitor(Connection(connection.api_endpoint), scope, mirror=SQLiteMirror(mirror.path)).sync()
            assert not commits.made()
            assert report.anchor == anchor_of(mirror)
            assert (report.anchor.synced or 0) > (last.synced or 0)
            assert (report.anchor.begun or 0) > (last.begun or 0)
            assert report.anchor.latest > last.latest
        subject.add(1)
        assert Monitor(connection, scope, mirror=mirror).sync().events == 1
        assert commits.made()
    assert anchor_of(mirror).since > before.since
    assert mirror.path.read_bytes() != content


def test_a_pass_of_a_new_process_makes_one_request(
    subject: Subject, counted: tuple[Connection, Traffic], mirror: SQLiteMirror
) -> None:
    connection, traffic = counted
    Monitor(subject.connection, mirror=mirror).sync()
    Monitor(connection, mirror=SQLiteMirror(mirror.path)).sync()
    assert len(traffic.answers) == 1
    (answer,) = traffic.answers
    assert answer.request.method == "POST"


def test_a_change_of_an_account_field_is_committed(subject: Subject, mirror: SQLiteMirror) -> None:
    monitor = Monitor(subject.connection, mirror=mirror)
    monitor.sync()
    with closing(Commits(mirror.path)) as commits:
        subject.connection.put("account", {"language": "fr"})
        assert monitor.sync().events == 1
        assert commits.made()
    assert {event["content"] for event in mirror.events() if event["id"] == ":_system:language"} == {"fr"}


def test_the_anchor_is_committed_with_deletions_and_hourly(
    subject: Subject, mirror: SQLiteMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject.create_stream("elsewhere")
    (event,) = subject.add(1, streamIds=["elsewhere"])
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror, overlap=0)
    monitor.sync()
    monitor.sync()
    with closing(Commits(mirror.path)) as commits:
        subject.delete(event)
        assert monitor.sync().event_deletions == 0
        assert commits.made(), "the platform would report it again in each pass"
        monitor.sync()
        monitor.sync()
        commits.made()
        now = time.time
        for seconds, is_committed in ((HOUR - 60, False), (HOUR + 60, True), (HOUR + 120, False), (0, True)):
            monkeypatch.setattr(time, "time", lambda seconds=seconds: now() + seconds)
            monitor.sync()
            assert commits.made() == is_committed, seconds


def test_the_time_counts_for_the_data_it_belongs_to(subject: Subject, mirror: SQLiteMirror, tmp_path: Path) -> None:
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    monitor.sync()
    older, newer = tmp_path / "older.db", tmp_path / "newer.db"
    shutil.copy(mirror.path, older)
    committed = synced(mirror)
    monitor.sync()
    idle = synced(mirror)
    assert idle > committed
    shutil.copy(beside(mirror), beside(SQLiteMirror(older)))
    assert synced(SQLiteMirror(older)) == idle, "the same data are complete until the same time"
    subject.add(1)
    monitor.sync()
    assert synced(mirror) > idle, "it is older than the data"
    monitor.sync()
    shutil.copy(mirror.path, newer)
    last = beside(mirror).read_bytes()
    shutil.copy(older, mirror.path)
    beside(mirror).write_bytes(last)
    assert synced(mirror) == committed, "it is of newer data"
    assert monitor.sync().events == 1
    subject.assert_mirrored(mirror, SCOPE)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 100_000, b'{"checksum": 1, "pass": "{}"}', None])
def test_a_damaged_file_is_ignored(content: bytes | None, subject: Subject, mirror: SQLiteMirror) -> None:
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    monitor.sync()
    committed = synced(mirror)
    monitor.sync()
    text = beside(mirror).read_text()
    if content is None:
        outer = json.loads(text)
        content = json.dumps({**outer, "pass": outer["pass"].replace('"since": 1', '"since": 2')}).encode()
    beside(mirror).write_bytes(content)
    assert synced(mirror) == committed
    subject.add(1)
    assert monitor.sync().events == 1


@pytest.mark.parametrize("damage", ["longer", "half", "head", "empty", "zeros"])
def test_a_file_that_is_half_written_is_written_again(damage: str, subject: Subject, mirror: SQLiteMirror) -> None:
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    monitor.sync()
    monitor.sync()
    whole = beside(mirror).read_bytes()
    damaged = {"longer": whole * 2, "half": whole[:200], "head": whole[:5], "empty": b"", "zeros": bytes(len(whole))}
    beside(mirror).write_bytes(damaged[damage])
    before = synced(mirror)
    with closing(Commits(mirror.path)) as commits:
        monitor.sync()
        assert not commits.made()
    assert synced(mirror) > before
    assert len(beside(mirror).read_bytes()) == len(whole)


@pytest.mark.parametrize("content", [b"name,place\n", b"{}", b'{"checksum": 1}', b"\0" * 600 + b"data", b"x" * 4096])
def test_another_file_of_that_name_is_left_as_it_is(content: bytes, subject: Subject, mirror: SQLiteMirror) -> None:
    beside(mirror).write_bytes(content)
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    monitor.sync()
    before = synced(mirror)
    with closing(Commits(mirror.path)) as commits:
        monitor.sync()
        assert commits.made()
    assert synced(mirror) > before
    mirror.reset()
    assert not mirror.path.exists()
    assert beside(mirror).read_bytes() == content


def test_without_a_file_beside_it_the_anchor_is_committed(subject: Subject, mirror: SQLiteMirror) -> None:
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    monitor.sync()
    beside(mirror).mkdir()
    with closing(Commits(mirror.path)) as commits:
        before = synced(mirror)
        monitor.sync()
        assert commits.made()
        assert synced(mirror) > before
    mirror.reset()
    assert beside(mirror).is_dir()


def test_a_backup_has_the_time_and_a_reset_removes_it(subject: Subject, mirror: SQLiteMirror, tmp_path: Path) -> None:
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    monitor.sync()
    monitor.sync()
    copy = SQLiteMirror(tmp_path / "copy.db")
    mirror.backup(copy.path)
    assert anchor_of(copy) == anchor_of(mirror)
    assert synced(copy) == synced(mirror)
    mirror.reset()
    assert not beside(mirror).exists()


@needs_root
def test_readers_of_the_mirror_can_read_the_time(subject: Subject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        mirror = SQLiteMirror(Path(directory) / "mirror.db")
        monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
        monitor.sync()
        os.chown(mirror.path, 0, NOBODY)
        mirror.path.chmod(0o640)
        monitor.sync()
        assert (beside(mirror).stat().st_mode & 0o777, beside(mirror).stat().st_gid) == (0o640, NOBODY)
        assert as_somebody_else(lambda: synced(mirror)) == repr(synced(mirror))


@needs_fork
def test_a_kill_at_any_step_keeps_one_time_or_the_other(mirror: SQLiteMirror) -> None:
    first = Anchor("scope", 1.0, synced=1.0)
    with mirror.lock():
        take_in(mirror, [event(1)])
        save(mirror, first)

    def idle() -> None:
        with mirror.lock():
            save(mirror, attrs.evolve(first, since=2.0, synced=2.0))

    seen, step = set(), 1
    while killed_at(step, idle, _last_pass, _files):
        seen.add(synced(mirror))
        assert mirror.counts()["events"] == 1
        beside(mirror).unlink(missing_ok=True)
        step += 1
    assert seen == {1.0, 2.0}
    assert step > 12


def test_later_passes_know_the_time(sandbox: Sandbox, subject: Subject, mirror: SQLiteMirror) -> None:
    """Each reads from where the one before the last began, though none of them was committed."""
    connection = Connection(subject.connection.api_endpoint)
    asked: list[float] = []
    for number in range(4):
        sandbox.faults.skew = 100 * number
        anchor = Monitor(connection, SCOPE, mirror=SQLiteMirror(mirror.path), overlap=0).sync().anchor
        asked.append(anchor.since)
    assert asked[3] - asked[2] == pytest.approx(100, abs=5)
    assert asked[2] - asked[1] == pytest.approx(100, abs=5)
    sandbox.faults.skew = 0


def test_status_knows_the_time(subject: Subject, mirror: SQLiteMirror) -> None:
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    monitor.sync()
    for _ in range(2):
        begin = time.time()
        monitor.sync()
        assert _maintenance.lag(anchor_of(mirror)) <= time.time() - begin
