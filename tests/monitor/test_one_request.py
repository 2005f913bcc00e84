"""A pass reads the streams and what changed with one request, and with two where one will not do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import requests
import responses
from tests.monitor.kept import save
from tests.monitor.subject import BATCH, Subject, Traffic

from pryv import Connection, InvalidAccessTokenError, Limits, RateLimitedError, ServerError
from pryv_monitor import Anchor, FileAnchorStore, Monitor, SQLiteMirror, _one_request
from pryv_sandbox import Sandbox

SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}
META = {"apiVersion": "2.0.0", "serverTime": 1.0, "serial": "1"}
LATER = {**META, "serverTime": time.time() + 1000}
"""As of a platform whose response is complete."""
DAY = 86_400


class Followed:
    """An account followed by a mirror and by an anchor alone, after the first pass of each."""

    def __init__(self, subject: Subject, directory: Path, scope: dict[str, Any], **options: Any) -> None:
        self.subject = subject
        self.scope = scope
        self.session = requests.Session()
        self.traffic = Traffic(self.session)
        connection = Connection(subject.connection.api_endpoint, session=self.session, **{"retry": None, **options})
        self.mirror = SQLiteMirror(directory / "mirror")
        self.store = FileAnchorStore(directory / "anchor")
        self.seen: list[str] = []
        self.gone: list[str] = []
        plain = Monitor(connection, scope, anchor_store=self.store, overlap=0)
        plain.on("event", lambda event: self.seen.append(event["id"]))
        plain.on("eventDelete", lambda deletion: self.gone.append(deletion["id"]))
        self.monitors = (Monitor(connection, scope, mirror=self.mirror, overlap=0), plain)
        self.sync()
        self.seen.clear()

    def sync(self) -> list[int]:
        """Make a pass with each monitor; return the numbers of requests."""
        counts = []
        for monitor in self.monitors:
            self.traffic.answers.clear()
            monitor.sync()
            counts.append(len(self.traffic.answers))
        return counts


Follow = Callable[..., Followed]


@pytest.fixture
def follow(subject: Subject, tmp_path: Path) -> Iterator[Follow]:
    made: list[Followed] = []

    def make(scope: dict[str, Any] = SCOPE, **options: Any) -> Followed:
        made.append(Followed(subject, tmp_path, scope, **options))
        return made[-1]

    yield make
    for followed in made:
        followed.session.close()


IMPROPER: dict[str, tuple[int, Any]] = {
    "no such page": (404, b"<html>Not found</html>"),
    "no such method": (405, b""),
    "not implemented": (501, b"<html>Unsupported method ('POST')</html>"),
    "a failure": (500, {"error": {"id": "unexpected-error", "message": "Unexpected error"}}),
    "a page of a failure": (500, b"<html>Internal Server Error</html>"),
    "forbidden": (403, {"error": {"id": "forbidden", "message": "No."}}),
    "another server": (200, b"<html>Welcome</html>"),
    "no results": (200, {"meta": META}),
    "empty results": (200, {"meta": META, "results": []}),
    "results that are none": (200, {"meta": META, "results": None}),
    "one result": (200, {"meta": META, "results": [{"streams": []}]}),
    "three results": (200, {"meta": META, "results": [{"streams": []}, {"events": []}, {"events": []}]}),
    "no time": (200, {"results": [{"streams": []}, {"events": []}]}),
    "no events": (200, {"meta": META, "results": [{"streams": []}, {}]}),
    "deletions without events": (200, {"meta": LATER, "results": [{"streams": []}, {"eventDeletions": []}]}),
    "events without deletions": (200, {"meta": LATER, "results": [{"streams": []}, {"events": []}]}),
    "an error for the streams": (200, {"meta": META, "results": [{"error": {"id": "forbidden"}}, {"events": []}]}),
    "an error for the events": (200, {"meta": META, "results": [{"streams": []}, {"error": {"id": "forbidden"}}]}),
    "an odd error": (200, {"meta": META, "results": [{"error": "forbidden"}, {"events": []}]}),
    "an odd event": (200, {"meta": META, "results": [{"streams": []}, {"events": [7]}]}),
    "the results in another order": (200, {"meta": META, "results": [{"events": []}, {"streams": []}]}),
}


@pytest.mark.parametrize("response", IMPROPER)
def test_a_platform_without_proper_batches_is_read_with_two_requests(
    response: str, sandbox: Sandbox, subject: Subject, follow: Follow
) -> None:
    (old,) = subject.add(1)
    followed = follow()
    (event,) = subject.add(1)
    subject.delete(old)
    status, body = IMPROPER[response]
    sandbox.faults.status(status, times=2, path=BATCH, body=body)
    assert followed.sync() == [3, 3]
    assert followed.seen == [event["id"]]
    assert followed.gone == [old["id"]]
    subject.assert_mirrored(followed.mirror, SCOPE)
    assert followed.sync() == [2, 2], "it is remembered, for a day"
    for store in (followed.mirror, followed.store):
        anchor: Any = store.load()
        with store.lock():
            save(store, attrs.evolve(anchor, refused=anchor.refused - DAY))
    assert followed.sync() == [1, 1]


def test_more_changes_than_one_request_reads_are_read_with_two(
    subject: Subject, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_one_request, "MOST", 5)
    followed = follow()
    few = subject.add(4)
    assert followed.sync() == [1, 1]
    assert [cast("Anchor", store.load()).changes for store in (followed.mirror, followed.store)] == [4, 4]
    many = subject.add(6)
    assert followed.sync() == [3, 3]
    assert followed.seen == [event["id"] for event in (*few, *many)], "each is delivered once"
    subject.assert_mirrored(followed.mirror, SCOPE)
    assert followed.sync() == [2, 2], "there may be many again"
    assert followed.sync() == [1, 1]


def test_too_many_deletions_are_read_with_two_requests(
    subject: Subject, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_one_request, "MOST", 5)
    events = subject.add(8)
    followed = follow()
    for event in events:
        subject.delete(event)
    assert followed.sync() == [3, 3]
    subject.assert_mirrored(followed.mirror, SCOPE)


def test_a_platform_with_a_lower_limit_is_asked_again(sandbox: Sandbox, subject: Subject, follow: Follow) -> None:
    followed = follow()
    (event,) = subject.add(1)
    error = {"id": "too-many-results", "message": "Your request gave too many results"}
    body = {"meta": META, "results": [{"streams": []}, {"error": error}]}
    sandbox.faults.status(200, times=2, path=BATCH, body=body)
    assert followed.sync() == [3, 3]
    assert followed.seen == [event["id"]]
    assert followed.sync() == [1, 1]


BROKEN: dict[str, Callable[[Sandbox], None]] = {
    "reset": lambda sandbox: sandbox.faults.cut(times=2, path=BATCH),
    "cut": lambda sandbox: sandbox.faults.cut(after_bytes=200, times=2, path=BATCH),
    "timeout": lambda sandbox: sandbox.faults.stall(times=2, path=BATCH),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_response_fails_one_pass(fault: str, sandbox: Sandbox, subject: Subject, follow: Follow) -> None:
    followed = follow(timeout=(5, 1) if fault == "timeout" else (5, 60))
    (event,) = subject.add(1)
    BROKEN[fault](sandbox)
    received = 3 if fault == "cut" else 2
    assert followed.sync() == [received, received]
    assert followed.seen == [event["id"]]
    subject.assert_mirrored(followed.mirror, SCOPE)
    assert followed.sync() == [1, 1]


def test_the_size_of_a_response_does_not_matter(subject: Subject, follow: Follow) -> None:
    followed = follow(limits=Limits(response=4000))
    events = subject.add(100)
    assert followed.sync() == [1, 1]
    assert followed.seen == [event["id"] for event in events]


def test_a_tree_larger_than_an_event_may_be_is_read_with_two_requests(subject: Subject, follow: Follow) -> None:
    followed = follow(limits=Limits(event=2000))
    subject.connection.api_one("streams.update", {"id": "notes", "update": {"clientData": {"a": "x" * 3000}}})
    (event,) = subject.add(1)
    assert followed.sync() == [3, 3]
    assert followed.seen == [event["id"]]
    subject.assert_mirrored(followed.mirror, SCOPE)


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"streams": ["pulse", ":_audit:accesses"]},
        {"streams": [{"any": ["pulse", "notes"], "not": ["notes"]}]},
        {"streams": ["pulse", *(f"stream-{number}" for number in range(700))]},
        {"types": [f"frequency/{number}" for number in range(30)] + ["frequency/bpm"]},
        {"content": [{"path": "$", "gte": 61}]},
        {"fromTime": 1_600_000_001},
        {"toTime": 1_600_000_001, "includeDeletions": False},
        {"state": "trashed"},
    ],
    ids=str,
)
def test_any_scope_is_read_with_one_request(scope: dict[str, Any], subject: Subject, follow: Follow) -> None:
    if len(scope.get("streams", ())) > 100:
        calls = [{"method": "streams.create", "params": {"id": name, "name": name}} for name in scope["streams"][1:]]
        subject.connection.api(calls)
    gone, trashed, *_ = subject.add(4)
    followed = follow(scope)
    subject.add(3)
    subject.delete(gone)
    subject.connection.delete(f"events/{trashed['id']}")
    found = {"state": "all", **scope}
    known = {event["id"] for event in followed.mirror.events({"state": "all"})}
    assert followed.sync() == [1, 1]
    now = {event["id"]: event for event in subject.connection.iter_events(found) if not event["id"].startswith(":")}
    kept = {event["id"]: event for event in followed.mirror.events({"state": "all"}) if not event["id"].startswith(":")}
    if ":_audit:accesses" in scope.get("streams", ()):  # each read of the log is in the log
        assert {name for name in now if not name.startswith("audit")} <= {*kept, *now}
    elif scope.get("includeDeletions", True):
        assert kept == now
    else:
        assert {*now} <= {*kept} <= {*now} | known


class Platform:
    """An account without streams, on a platform with a clock that goes as it is told to."""

    endpoint = "http://127.0.0.1:1/alice/"

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.time = 100.0
        self.events: list[dict[str, Any]] = []
        self.during_batch: Callable[[], object] = lambda: None
        for method, path in (("GET", "streams"), ("GET", "events"), ("POST", "")):
            mock.add_callback(method, self.endpoint + path, self._respond)
        mock.add("GET", f"{self.endpoint}access-info", status=404)

    def write(self, event_id: str, modified: float) -> None:
        self.events.append(
            {"id": event_id, "time": 1.0, "streamIds": ["d"], "type": "note/txt", "content": "", "modified": modified}
        )

    def _respond(self, request: Any) -> tuple[int, dict[str, str], str]:
        if request.method == "GET":
            since = float(request.params.get("modifiedSince", 0))
            return 200, {}, json.dumps({"streams": [], **self._after(since), "meta": {"serverTime": self.time}})
        _, call = json.loads(request.body)
        changed = self._after(call["params"]["modifiedSince"])
        self.during_batch()
        return 200, {}, json.dumps({"meta": {"serverTime": self.time}, "results": [{"streams": []}, changed]})

    def _after(self, since: float) -> dict[str, Any]:
        return {"events": [event for event in self.events if event["modified"] > since], "eventDeletions": []}


@pytest.fixture
def platform() -> Iterator[Platform]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Platform(mock)


@pytest.mark.parametrize("kind", ["mirror", "anchor"])
def test_writes_during_the_request_are_found(kind: str, platform: Platform, tmp_path: Path) -> None:
    """The platform takes the time in the response to a batch at its end, after the changes were read."""
    seen: list[str] = []

    def sync() -> None:
        store: dict[str, Any] = {"mirror": SQLiteMirror(tmp_path / "m")}
        if kind == "anchor":
            store = {"anchor_store": FileAnchorStore(tmp_path / "a")}
        with Connection(platform.endpoint, retry=None) as connection:
            monitor = Monitor(connection, overlap=10, **store).on("event", lambda event: seen.append(event["id"]))
            monitor.sync()

    sync()
    for number in range(3):

        def slow(number: int = number) -> None:
            platform.time += 100
            platform.write(f"during {number}", platform.time - 50)

        platform.during_batch = slow
        sync()
    platform.during_batch = lambda: None
    sync()
    assert seen == [f"during {number}" for number in range(3)]
    sync()
    sync()
    assert len(seen) == 3


def test_a_token_that_was_revoked_costs_one_request(subject: Subject, tmp_path: Path) -> None:
    access = subject.connection.api_one(
        "accesses.create", {"name": "m", "permissions": [{"streamId": "pulse", "level": "read"}]}, "access"
    )
    with requests.Session() as session:
        endpoint = subject.connection.api_endpoint.replace(str(subject.connection.token), access["token"])
        monitor = Monitor(Connection(endpoint, session=session))
        monitor.sync()
        subject.connection.delete(f"accesses/{access['id']}")
        traffic = Traffic(session)
        with pytest.raises(InvalidAccessTokenError):
            monitor.sync()
        assert len(traffic.answers) == 1


@pytest.mark.parametrize(
    ("status", "retry_after"), [(429, None), (429, 300), (500, 300), (502, None), (503, None), (504, None), (520, 300)]
)
def test_a_platform_that_is_busy_or_asks_to_wait_gets_no_other_request(
    status: int, retry_after: float | None, sandbox: Sandbox, subject: Subject
) -> None:
    with requests.Session() as session:
        monitor = Monitor(Connection(subject.connection.api_endpoint, session=session, retry=None), SCOPE)
        monitor.sync()
        traffic = Traffic(session)
        sandbox.faults.status(status, retry_after=retry_after, path=BATCH)
        with pytest.raises((RateLimitedError, ServerError)):
            monitor.sync()
        assert len(traffic.answers) == 1
