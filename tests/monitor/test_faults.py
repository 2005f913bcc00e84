"""Every fault, at a first read and in a later pass: no change is lost, and none is delivered twice.

A first read is made with several requests. A later pass is made with one; if its response is broken, two others follow.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import requests
from tests.monitor.subject import EVENTS, STREAMS, Subject

from pryv import Connection, PryvConnectionError, PryvError, ServerError
from pryv_monitor import FileAnchorStore, Monitor, SQLiteMirror
from pryv_sandbox import Sandbox

SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}


@contextlib.contextmanager
def armed(arm: Any) -> Any:
    arm()
    yield


def cut(sandbox: Sandbox, after_bytes: int | None) -> Any:
    return armed(lambda: sandbox.faults.cut(after_bytes=after_bytes, path=EVENTS))


def end_of_events(body: bytes) -> int:
    """Where the list of events ends in an answer."""
    return next(body.rindex(after) for after in (b'],"eventDeletions"', b'],"meta"') if after in body)


FAULTS: dict[str, Callable[[Sandbox, bytes], Any]] = {
    "refused": lambda sandbox, _: sandbox.faults.refuse(),
    "reset": lambda sandbox, _: cut(sandbox, None),
    "cut at the first byte": lambda sandbox, _: cut(sandbox, 1),
    "cut inside an event": lambda sandbox, body: cut(sandbox, body.index(b'"content"', len(body) // 2)),
    "cut after the last event": lambda sandbox, body: cut(sandbox, end_of_events(body)),
    "cut before meta": lambda sandbox, body: cut(sandbox, body.index(b'"meta"')),
    "cut before the last bytes": lambda sandbox, body: cut(sandbox, len(body) - 3),  # the time may be a digit shorter
    "500": lambda sandbox, _: armed(lambda: sandbox.faults.status(500, path=EVENTS)),
    "503 at the streams": lambda sandbox, _: armed(lambda: sandbox.faults.status(503, retry_after=1, path=STREAMS)),
    "503": lambda sandbox, _: armed(lambda: sandbox.faults.status(503, retry_after=1, path=EVENTS)),
    "bad JSON": lambda sandbox, body: armed(
        lambda: sandbox.faults.status(200, body=body[: end_of_events(body)] + b',{"id":}' + body[-200:], path=EVENTS)
    ),
    "another server": lambda sandbox, _: armed(lambda: sandbox.faults.status(200, body=b"<html>", path=STREAMS)),
    "timeout": lambda sandbox, _: armed(lambda: sandbox.faults.stall(path=EVENTS)),
}
FATAL = ("refused", "503 at the streams", "503")
"""The faults after which a later pass does not go on with two requests."""


@pytest.mark.parametrize("moment", ["first", "later"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_loses_and_repeats_nothing(
    fault: str, moment: str, sandbox: Sandbox, subject: Subject, mirror: SQLiteMirror, tmp_path: Any
) -> None:
    timeout = (5, 1) if fault == "timeout" else (5, 60)
    connection = Connection(subject.connection.api_endpoint, timeout=timeout, retry=None)
    seen: list[tuple[str, float]] = []
    gone: list[str] = []
    plain = Monitor(connection, SCOPE, anchor_store=FileAnchorStore(tmp_path / "anchor"), overlap=0)
    plain.on("event", lambda event: seen.append((event["id"], event["modified"])))
    plain.on("eventDelete", lambda deletion: gone.append(deletion["id"]))
    mirrored = Monitor(connection, SCOPE, mirror=mirror, overlap=0)
    old = subject.add(20)
    later: dict[str, Any] = {}
    if moment == "later":
        later = {"modifiedSince": plain.sync().anchor.since, "includeDeletions": True}
        mirrored.sync()
    seen.clear()
    changed = [subject.update(event, content=1) for event in old[:5]] + subject.add(15)
    if moment == "later":
        subject.delete(old[9])
    body = batch_answer(subject, **later) if moment == "later" else answer(subject)
    expected = changed if moment == "later" else list(subject.events(SCOPE).values())
    for monitor in (plain, mirrored):
        if moment == "first" or fault in FATAL:
            with FAULTS[fault](sandbox, body), pytest.raises(PryvError):
                monitor.sync()
        else:
            with FAULTS[fault](sandbox, body):
                assert monitor.sync().events == len(expected)
    if moment == "first" or fault in FATAL:
        assert len(seen) <= len(expected)
        seen.clear()
        gone.clear()
        plain.sync()
        mirrored.sync()
    assert sorted(seen) == sorted((event["id"], event["modified"]) for event in expected)
    assert gone == ([old[9]["id"]] if moment == "later" else [])
    subject.assert_mirrored(mirror, SCOPE)
    assert plain.sync().events == mirrored.sync().events == 0


@pytest.mark.parametrize("kind", ["anchor", "mirror"])
@pytest.mark.parametrize("fails_at", [1, 3, 5])
def test_a_handler_that_fails_in_a_later_pass_gets_its_changes_again(
    fails_at: int, kind: str, subject: Subject, mirror: SQLiteMirror, tmp_path: Any
) -> None:
    store: dict[str, Any] = (
        {"mirror": mirror} if kind == "mirror" else {"anchor_store": FileAnchorStore(tmp_path / "a")}
    )
    monitor = Monitor(subject.connection, SCOPE, overlap=0, **store)
    monitor.sync()
    seen: list[str] = []

    def handle(event: dict[str, Any]) -> None:
        seen.append(event["id"])
        if len(seen) == fails_at:
            raise LookupError("not now")

    events = [event["id"] for event in subject.add(5)]
    with pytest.raises(LookupError, match="not now"):
        monitor.on("event", handle).sync()
    assert seen == events[:fails_at]
    seen.clear()
    again = Monitor(subject.connection, SCOPE, overlap=0, **store).on("event", lambda event: seen.append(event["id"]))
    assert again.sync().events == 5
    assert seen == events
    assert again.sync().events == 0


def answer(subject: Subject, **params: Any) -> bytes:
    """The body of the answer that a monitor gets: of a first reading, or of a later one."""
    query = {"streams": SCOPE["streams"], "state": "all", "fromTime": -1e15, "toTime": 1e15, "sortAscending": True}
    headers = {"Authorization": str(subject.connection.token)}
    url = f"{subject.connection.endpoint}events"
    return requests.get(url, params={**query, **params}, headers=headers, timeout=10).content


def batch_answer(subject: Subject, **params: Any) -> bytes:
    """The body of the answer that a monitor gets in a later pass."""
    query = {"streams": SCOPE["streams"], "state": "all", "fromTime": -1e15, "toTime": 1e15, "sortAscending": True}
    calls = [
        {"method": "streams.get", "params": {"state": "all"}},
        {"method": "events.get", "params": {**query, **params}},
    ]
    headers = {"Authorization": str(subject.connection.token)}
    return requests.post(subject.connection.endpoint, json=calls, headers=headers, timeout=10).content


@pytest.mark.usefixtures("short_waits")
def test_a_pass_is_tried_again_within_its_tolerance(sandbox: Sandbox, subject: Subject) -> None:
    connection = Connection(subject.connection.api_endpoint, retry=None)
    subject.add(3)
    sandbox.faults.status(500, times=3, path=EVENTS)
    errors: list[Exception] = []
    report = Monitor(connection, SCOPE).on("error", errors.append).sync(error_tolerance=30)
    assert report.events == 3
    assert len(errors) == 3


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("status", [408, 425, 511, 529, 404])
def test_a_busy_proxy_is_waited_out(status: int, sandbox: Sandbox, subject: Subject) -> None:
    connection = Connection(subject.connection.api_endpoint, retry=None)
    sandbox.faults.status(status, times=2, path="/streams", body=b"<html>Sign in to the network</html>")
    assert Monitor(connection, SCOPE).sync(error_tolerance=30).anchor


@pytest.mark.usefixtures("short_waits")
def test_a_permanent_error_ends_the_monitor(sandbox: Sandbox, subject: Subject) -> None:
    connection = Connection(subject.connection.api_endpoint, retry=None)
    sandbox.faults.status(501, path="/streams", body={"error": {"id": "unsupported-operation", "message": "No."}})
    with pytest.raises(ServerError, match="unsupported-operation"):
        Monitor(connection, SCOPE).sync(error_tolerance=30)


def test_a_setting_that_cannot_be_used_ends_it_at_once(subject: Subject) -> None:
    with requests.Session() as session:
        session.proxies = {"http": "http://proxy:port"}
        connection = Connection(subject.connection.api_endpoint, session=session)
        errors: list[Exception] = []
        with pytest.raises(PryvConnectionError, match="is not the URL of a proxy"):
            Monitor(connection, SCOPE).on("error", errors.append).run()
        assert len(errors) == 1
