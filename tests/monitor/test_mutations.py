"""Any change to any response of a platform causes a documented exception or a right result: monitors and mirrors."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.monitor.subject import Subject
from tests.peers.mutations import Playback, Use, fuzz, run_command

from pryv import Connection, PryvError, RetryPolicy
from pryv_monitor import Change, FileAnchorStore, MemoryAnchorStore, Monitor, SQLiteMirror, SyncReport
from pryv_monitor.changes import Kind
from pryv_monitor.cli import main

SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}
KINDS: tuple[Kind, ...] = ("event", "eventDelete", "streams")
EXIT_CODES = (0, 1, 69, 75, 77)
"""The exit codes that a response can cause."""
COUNTS = [300, pytest.param(8000, marks=pytest.mark.long)]


class Followed:
    """An account that changed since it was copied into a mirror and an anchor, of which each use has a copy."""

    def __init__(self, subject: Subject, playback: Playback, directory: Path) -> None:
        self.endpoint = playback.here(subject.connection.api_endpoint)
        self.directory = directory
        self.numbers = itertools.count()
        events = subject.add(4)
        subject.delete(events[0])
        subject.add(1, content={"x": ["y", 1.5]}, type="test/any", clientData={"a": 1}, duration=5)
        playback.record(self._follow)
        subject.update(events[1], content=99)
        subject.delete(events[2])
        subject.create_stream("more", "notes")
        subject.add(2, streamIds=["notes", "pulse"])

    def _follow(self) -> None:
        self.monitor(mirror=SQLiteMirror(self.directory / "begun.db")).sync()
        self.monitor(anchor_store=FileAnchorStore(self.directory / "begun.anchor")).sync()

    def monitor(self, **store: Any) -> Monitor:
        return Monitor(Connection(self.endpoint, retry=None, timeout=3), SCOPE, **store)

    def file(self, begun: str | None) -> Path:
        """Return the path of a new copy, or of one that is to be made."""
        path = self.directory / f"{next(self.numbers)}"
        if begun is not None:
            shutil.copy(self.directory / begun, path)
        return path


class Passes:
    """Passes of all kinds; the delivered changes are compared with the report."""

    def __init__(self, followed: Followed) -> None:
        self.followed = followed

    def uses(self) -> dict[str, Use]:
        return {
            "a mirror": Use(lambda: self.mirrored(None), is_told),
            "a mirror again": Use(lambda: self.mirrored("begun.db"), is_told),
            "a mirror in full": Use(lambda: self.mirrored("begun.db", full=True), is_told),
            "an anchor": Use(lambda: self.anchored(None), is_told),
            "an anchor again": Use(lambda: self.anchored("begun.anchor"), is_told),
            "started": Use(self.started, lambda errors: all(isinstance(error, PryvError) for error in errors)),
            "changes": Use(self.changes, lambda changes: all(is_sound(change.kind, change.data) for change in changes)),
        }

    def mirrored(self, begun: str | None, **how: Any) -> Told:
        mirror = SQLiteMirror(self.followed.file(begun))
        try:
            return told(self.followed.monitor(mirror=mirror), **how)
        finally:
            assert all(is_sound("event", event) for event in mirror.events({"state": "all"}))
            assert isinstance(mirror.streams(), list)

    def anchored(self, begun: str | None) -> Told:
        return told(self.followed.monitor(anchor_store=FileAnchorStore(self.followed.file(begun))))

    def started(self) -> list[Exception]:
        monitor = self.followed.monitor(anchor_store=MemoryAnchorStore())
        errors: list[Exception] = []
        over = threading.Event()
        for name in ("ready", "error", "stop"):
            monitor.on(name, lambda _: over.set())
        monitor.on("error", errors.append)
        with monitor:
            assert over.wait(5)
        return errors

    def changes(self) -> list[Change]:
        return list(self.followed.monitor(anchor_store=MemoryAnchorStore()).changes(timeout=0.01))


Told = tuple[SyncReport, list[Change]]


def told(monitor: Monitor, **how: Any) -> Told:
    """Return what a pass reports, and what it delivers."""
    changes: list[Change] = []
    for kind in KINDS:
        monitor.on(kind, partial(hear, changes, kind))
    return monitor.sync(**how), changes


def hear(changes: list[Change], kind: Kind, data: Any) -> None:
    changes.append(Change(kind, data))


def is_told(result: Told) -> bool:
    report, changes = result
    counts = Counter(change.kind for change in changes)
    return (report.events, report.streams_changed) == (counts["event"], counts["streams"] > 0) and all(
        is_sound(change.kind, change.data) for change in changes
    )


def is_sound(kind: Kind, data: Any) -> bool:
    return isinstance(data, list) if kind == "streams" else isinstance(data, dict) and isinstance(data["id"], str)


def of_command_line(followed: Followed) -> dict[str, Use]:
    """Return a use of each command that sends requests to a platform."""

    def use(begun: str | None, target: str, *arguments: str) -> Use:
        def run() -> int:
            options = (target, str(followed.file(begun)), "--error-tolerance", "0", "--scope", '{"streams": ["pulse"]}')
            return run_command(main, ("sync", *options, *arguments))

        return Use(run, lambda code: code in EXIT_CODES)

    return {
        "sync --mirror": use(None, "--mirror"),
        "sync --mirror --full": use(None, "--mirror", "--full", "--jsonl"),
        "sync --anchor": use(None, "--anchor", "--jsonl"),
    }


@pytest.fixture
def followed(subject: Subject, playback: Playback, tmp_path: Path) -> Followed:
    return Followed(subject, playback, tmp_path)


@pytest.mark.parametrize("count", COUNTS)
def test_changed_responses_to_monitors(playback: Playback, followed: Followed, count: int) -> None:
    fuzz(playback, Passes(followed).uses(), count, (PryvError,))


@pytest.mark.parametrize("count", [100, pytest.param(3000, marks=pytest.mark.long)])
def test_changed_responses_to_commands(
    playback: Playback, followed: Followed, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setenv("PRYV_API_ENDPOINT", followed.endpoint)
    monkeypatch.setattr(RetryPolicy, "wait", lambda *_: 0.0)
    fuzz(playback, of_command_line(followed), count, ())
