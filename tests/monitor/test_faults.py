"""Every fault, at a first reading and at a later pass: nothing is lost, nothing comes twice."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from tests.monitor.conftest import Subject

from pryv import Connection, PryvError, RetryPolicy
from pryv_monitor import FileAnchorStore, Monitor, SQLiteMirror
from pryv_sandbox import Sandbox

SCOPE = {"streams": ["pulse", "notes"]}


@contextlib.contextmanager
def armed(arm: Any) -> Any:
    arm()
    yield


def cut(sandbox: Sandbox, after_bytes: int | None) -> Any:
    return armed(lambda: sandbox.faults.cut(after_bytes=after_bytes, path="/events"))


FAULTS: dict[str, Callable[[Sandbox, int], Any]] = {
    "refused": lambda sandbox, _: sandbox.faults.refuse(),
    "reset": lambda sandbox, _: cut(sandbox, None),
    "cut at the first byte": lambda sandbox, _: cut(sandbox, 1),
    "cut inside an event": lambda sandbox, size: cut(sandbox, size // 2),
    "cut after the last event": lambda sandbox, size: cut(sandbox, size - 2),
    "cut before meta": lambda sandbox, size: cut(sandbox, size + 3),
    "500": lambda sandbox, _: armed(lambda: sandbox.faults.status(500, path="/events")),
    "503 at the streams": lambda sandbox, _: armed(lambda: sandbox.faults.status(503, retry_after=1, path="/streams")),
    "503": lambda sandbox, _: armed(lambda: sandbox.faults.status(503, retry_after=1, path="/events")),
    "bad JSON": lambda sandbox, _: armed(
        lambda: sandbox.faults.status(200, body=b'{"events":[{"id":"a","time":', path="/events")
    ),
    "another server": lambda sandbox, _: armed(lambda: sandbox.faults.status(200, body=b"<html>", path="/streams")),
    "timeout": lambda sandbox, _: armed(lambda: sandbox.faults.stall(path="/events")),
}


@pytest.mark.parametrize("moment", ["first", "later"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_loses_and_repeats_nothing(
    fault: str, moment: str, sandbox: Sandbox, subject: Subject, mirror: SQLiteMirror, tmp_path: Any
) -> None:
    connection = Connection(subject.connection.api_endpoint, timeout=(5, 0.3), retry=None)
    seen: list[tuple[str, float]] = []
    gone: list[str] = []
    plain = Monitor(connection, SCOPE, anchor_store=FileAnchorStore(tmp_path / "anchor"))
    plain.on("event", lambda event: seen.append((event["id"], event["modified"])))
    plain.on("eventDelete", lambda deletion: gone.append(deletion["id"]))
    mirrored = Monitor(connection, SCOPE, mirror=mirror)
    old = subject.add(20)
    if moment == "later":
        plain.sync()
        mirrored.sync()
    seen.clear()
    changed = [subject.update(event, content=1) for event in old[:5]] + subject.add(15)
    if moment == "later":
        subject.delete(old[9])
    size = sum(len(event) for event in map(_text, changed if moment == "later" else subject.events(SCOPE).values()))
    for monitor in (plain, mirrored):
        with FAULTS[fault](sandbox, size), pytest.raises(PryvError):
            monitor.sync()
    delivered_before_fault = len(seen)
    seen.clear()
    plain.sync()
    mirrored.sync()
    expected = changed if moment == "later" else list(subject.events(SCOPE).values())
    assert sorted(seen) == sorted((event["id"], event["modified"]) for event in expected)
    assert delivered_before_fault <= len(expected)
    assert gone in ([], [old[9]["id"]], [old[9]["id"]] * 2)
    assert bool(gone) is (moment == "later")
    subject.assert_mirrored(mirror, SCOPE)
    assert plain.sync().events == mirrored.sync().events == 0


def _text(event: dict[str, Any]) -> str:
    import json

    return json.dumps(event, separators=(",", ":"))


def test_a_pass_is_tried_again_within_its_tolerance(
    sandbox: Sandbox, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pryv_monitor import _patience

    monkeypatch.setattr(_patience, "_BACKOFF", RetryPolicy(backoff=0.01))
    connection = Connection(subject.connection.api_endpoint, retry=None)
    subject.add(3)
    sandbox.faults.status(500, times=3, path="/events")
    errors: list[Exception] = []
    report = Monitor(connection, SCOPE).on("error", errors.append).sync(error_tolerance=30)
    assert report.events == 3
    assert len(errors) == 3
