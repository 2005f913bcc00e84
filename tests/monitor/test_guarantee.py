"""Every change is delivered once: the changes of a pass, its commit, its number of requests."""

import hashlib
import json
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.accounts import Account
from tests.monitor.subject import Subject, Traffic, is_untouched, own

from pryv import Connection, InvalidAccessTokenError, PryvError
from pryv_monitor import (
    Anchor,
    AnchorCorruptError,
    AnchorError,
    AnchorMismatchError,
    FileAnchorStore,
    MemoryAnchorStore,
    Monitor,
    SQLiteMirror,
    _pass,
)
from pryv_monitor._deduplication import DeduplicatingMirror
from pryv_monitor._scope import START
from pryv_sandbox import Sandbox

SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}
LONG = 60
"""Seconds; more than the overlap."""


class Delivered:
    """What a monitor delivered."""

    def __init__(self, monitor: Monitor) -> None:
        self.events: list[dict[str, Any]] = []
        self.deletions: list[dict[str, Any]] = []
        self.trees: list[Any] = []
        monitor.on("event", self.events.append)
        monitor.on("eventDelete", self.deletions.append)
        monitor.on("streams", self.trees.append)


def test_a_pass_delivers_what_changed_since_the_last(subject: Subject) -> None:
    events = subject.add(3)
    monitor = Monitor(subject.connection, SCOPE)
    delivered = Delivered(monitor)
    report = monitor.sync()
    assert delivered.events == events  # the earliest first
    assert delivered.trees == [subject.streams()]
    assert (report.events, report.event_deletions, report.streams_changed) == (3, 0, True)
    updated = subject.update(events[0], content=99)
    subject.delete(events[1])
    report = monitor.sync()
    assert delivered.events[3:] == [updated]
    assert [deletion["id"] for deletion in delivered.deletions] == [events[1]["id"]]
    assert (report.events, report.event_deletions, report.streams_changed) == (1, 1, False)
    subject.create_stream("more")
    assert monitor.sync().streams_changed
    assert len(delivered.trees) == 2
    report = monitor.sync()
    assert (report.events, report.event_deletions, report.streams_changed) == (0, 0, False)
    assert len(delivered.events) == 4


def test_trashing_is_a_change(subject: Subject) -> None:
    (event,) = subject.add()
    monitor = Monitor(subject.connection, SCOPE)
    delivered = Delivered(monitor)
    monitor.sync()
    subject.connection.delete(f"events/{event['id']}")
    monitor.sync()
    assert [found.get("trashed") for found in delivered.events] == [None, True]


def test_fields_of_the_account_are_delivered_when_they_change(subject: Subject) -> None:
    monitor = Monitor(subject.connection)
    delivered = Delivered(monitor)
    monitor.sync()
    assert any(event["id"].startswith(":") for event in delivered.events)
    for _ in range(2):
        assert monitor.sync().events == 0


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        ({"limit": 5}, "scope has no 'limit'"),
        ({"skip": 0}, "scope has no 'skip'"),
        ({"stream": ["notes"]}, "no parameter stream"),
    ],
)
def test_invalid_scopes_are_refused(scope: dict[str, Any], message: str, subject: Subject) -> None:
    with pytest.raises(ValueError, match=message):
        Monitor(subject.connection, scope)


@pytest.mark.parametrize(
    ("scope", "fits"),
    [
        ({"streams": ["notes"]}, lambda event: "notes" in event["streamIds"]),
        ({"types": ["note/*"]}, lambda event: event["type"] == "note/txt"),
        ({"fromTime": 1_600_000_010, "toTime": 1_600_000_012}, lambda event: 10 <= event["time"] % 100 <= 12),
        ({"fromTime": 1_600_000_010}, lambda event: event["time"] % 100 >= 10),
    ],
)
def test_only_what_is_in_scope_is_delivered(
    scope: dict[str, Any], fits: Callable[[dict[str, Any]], bool], subject: Subject
) -> None:
    monitor = Monitor(subject.connection, {"streams": ["pulse", "notes"], **scope})
    delivered = Delivered(monitor)
    for _ in range(2):
        events = [*subject.add(15), *subject.add(5, streamIds=["notes"], type="note/txt", content="x")]
        delivered.events.clear()
        monitor.sync()
        assert own(delivered.events) == own(filter(fits, events))


def test_modified_since_skips_earlier_changes(subject: Subject) -> None:
    old, gone = subject.add(2)
    floor = Connection(subject.connection.api_endpoint).get("streams")["meta"]["serverTime"]
    new = subject.update(old, content=1)
    subject.delete(gone)
    monitor = Monitor(subject.connection, {**SCOPE, "modifiedSince": floor})
    delivered = Delivered(monitor)
    monitor.sync()
    assert delivered.events == [new]
    assert [deletion["id"] for deletion in delivered.deletions] == [gone["id"]]
    assert monitor.sync().events == 0


@pytest.mark.parametrize("fails_at", [1, 3, 5])
def test_a_handler_that_raises_leaves_the_pass_uncommitted(fails_at: int, subject: Subject) -> None:
    subject.add(5)
    store = MemoryAnchorStore()
    seen: list[str] = []

    def handle(event: dict[str, Any]) -> None:
        seen.append(event["id"])
        if len(seen) == fails_at:
            raise LookupError("not now")

    monitor = Monitor(subject.connection, SCOPE, anchor_store=store).on("event", handle)
    with pytest.raises(LookupError, match="not now"):
        monitor.sync()
    assert is_untouched(store)
    assert monitor.sync().events == 5
    assert set(seen) == set(subject.events(SCOPE))


def test_nothing_is_committed_while_a_handler_runs(subject: Subject, tmp_path: Path) -> None:
    subject.add(3)
    store = FileAnchorStore(tmp_path / "anchor")
    mirror = SQLiteMirror(tmp_path / "mirror")
    looks: list[Any] = []
    Monitor(subject.connection, SCOPE, anchor_store=store).on(
        "event", lambda _: looks.append(is_untouched(store))
    ).sync()
    Monitor(subject.connection, SCOPE, mirror=mirror).on("event", lambda _: looks.extend(mirror.events())).sync()
    assert looks == [True] * 3
    assert not is_untouched(store)
    assert len(list(mirror.events())) == 3


@pytest.mark.parametrize("kind", ["anchor", "mirror"])
def test_output_of_callbacks_can_be_flushed_before_each_commit(
    kind: str, subject: Subject, mirror: SQLiteMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pass, "WINDOW", 2)
    monkeypatch.setattr("pryv_monitor._source._BATCH", 1)
    subject.add(6)
    store = mirror if kind == "mirror" else FileAnchorStore(tmp_path / "a")
    monitor = Monitor(subject.connection, SCOPE, **{"mirror" if kind == "mirror" else "anchor_store": store})  # type: ignore[arg-type]
    buffered: list[str] = []
    flushed: list[str] = []
    failed: list[Anchor] = []

    def flush(anchor: Anchor) -> None:
        if len(flushed) + len(buffered) == 4 and not failed:
            failed.append(anchor)
            raise OSError("the disk is full")
        flushed.extend(buffered)
        buffered.clear()

    monitor.on("event", lambda event: buffered.append(event["id"])).on("commit", flush)
    with pytest.raises(OSError, match="the disk is full"):
        monitor.sync()
    assert len(flushed) == 2
    committed = store.load()
    assert committed is not None
    assert committed.reached == 1_600_000_002
    buffered.clear()
    monitor.sync()
    assert len(flushed) == len(set(flushed)) == 6


def test_a_handler_that_fails_in_the_mirror_undoes_its_pass(subject: Subject, mirror: SQLiteMirror) -> None:
    (event,) = subject.add()
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    monitor.sync()
    before = mirror.load()
    subject.update(event, content=1)

    def fail(_: Any) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        Monitor(subject.connection, SCOPE, mirror=mirror).on("event", fail).sync()
    assert mirror.load() == before
    assert [found["content"] for found in mirror.events()] == [60]
    subject.add()
    with pytest.raises(LookupError):
        Monitor(subject.connection, SCOPE, mirror=mirror).on("event", fail).sync()
    assert monitor.sync().events == 2
    subject.assert_mirrored(mirror, SCOPE)
    with closing(sqlite3.connect(mirror.path)) as db:
        assert db.execute("SELECT * FROM delivered").fetchall() == [], "what was delivered in vain has been committed"


def test_an_anchor_survives_its_process(subject: Subject, tmp_path: Path) -> None:
    subject.add(3)
    path = tmp_path / "anchor"
    assert Monitor(subject.connection, SCOPE, anchor_store=FileAnchorStore(path)).sync().events == 3
    subject.add(2)
    again = Monitor(subject.connection.api_endpoint, SCOPE, anchor_store=FileAnchorStore(path))
    assert again.sync().events == 2
    assert subject.connection.token
    assert all(subject.connection.token not in found.read_text() for found in tmp_path.iterdir())


def test_another_scope_or_account_is_refused(
    subject: Subject, new_account: Callable[[], Account], tmp_path: Path
) -> None:
    for make in (
        lambda: {"anchor_store": FileAnchorStore(tmp_path / "a")},
        lambda: {"mirror": SQLiteMirror(tmp_path / "m")},
    ):
        Monitor(subject.connection, SCOPE, **make()).sync()
        other = new_account()[2]
        for monitor in (Monitor(subject.connection, {"streams": ["pulse"]}, **make()), Monitor(other, SCOPE, **make())):
            with pytest.raises(AnchorMismatchError):
                monitor.sync()
        assert Monitor(subject.connection, SCOPE, **make()).sync().events == 0


def test_an_account_is_the_same_however_its_endpoint_is_spelled(subject: Subject, tmp_path: Path) -> None:
    subject.add(1)
    scheme, _, place = subject.connection.api_endpoint.partition("://")
    token, _, rest = place.partition("@")
    host, _, path = rest.partition("/")
    for make in (
        lambda: {"anchor_store": FileAnchorStore(tmp_path / "a")},
        lambda: {"mirror": SQLiteMirror(tmp_path / "m")},
    ):
        assert Monitor(subject.connection, SCOPE, **make()).sync().events == 1
        spelled = f"{scheme.upper()}://{token}@{host.upper()}/{path.rstrip('/')}"
        assert Monitor(spelled, SCOPE, **make()).sync().events == 0


def test_a_pass_without_changes_costs_one_request(
    subject: Subject, counted: tuple[Connection, Traffic], mirror: SQLiteMirror
) -> None:
    subject.add(50)
    connection, traffic = counted
    for monitor in (Monitor(connection, SCOPE), Monitor(connection, SCOPE, mirror=mirror)):
        monitor.sync()
        traffic.answers.clear()
        monitor.sync()
        assert len(traffic.answers) == 1


def test_a_burst_is_not_fetched_again_once_the_overlap_has_passed(
    subject: Subject, counted: tuple[Connection, Traffic]
) -> None:
    subject.add(50)
    connection, traffic = counted
    store = MemoryAnchorStore()
    monitor = Monitor(connection, SCOPE, overlap=0.3, anchor_store=store)
    assert monitor.sync().events == 50
    end = time.monotonic() + 10
    while (report := monitor.sync()).duplicates and time.monotonic() < end:
        assert report.events == 0
    anchor = store.load()
    assert anchor is not None
    assert anchor.remembered == {}
    traffic.answers.clear()
    assert monitor.sync().duplicates == 0
    assert traffic.bytes_read < 5000


def test_a_write_that_becomes_visible_late_is_found() -> None:
    with Sandbox(visibility_window=0.3) as sandbox:
        connection = Connection(sandbox.create_account().api_endpoint)
        subject = Subject(connection)
        seen: list[str] = []
        monitor = Monitor(connection, SCOPE, overlap=2).on("event", lambda event: seen.append(event["id"]))

        def write() -> None:
            with Connection(connection.api_endpoint) as own_connection:
                writer = Subject.__new__(Subject)
                writer.connection = own_connection
                for _ in range(4):
                    writer.add(1)

        writers = [threading.Thread(target=write) for _ in range(6)]
        for thread in writers:
            thread.start()
        while any(thread.is_alive() for thread in writers):
            monitor.sync()
        monitor.sync()
        assert sorted(seen) == sorted(subject.events(SCOPE))


def test_writes_during_a_pass_are_found(subject: Subject) -> None:
    seen: list[str] = []
    monitor = Monitor(subject.connection, SCOPE, overlap=0.1)
    monitor.sync()

    def handle(event: dict[str, Any]) -> None:
        seen.append(event["id"])
        if len(seen) == 1:
            (written,) = subject.add(1)
            while subject.connection.get("streams")["meta"]["serverTime"] < written["modified"] + 0.3:
                pass

    monitor.on("event", handle)
    subject.add(1)
    monitor.sync()
    monitor.sync()
    assert sorted(seen) == sorted(subject.events(SCOPE))


def test_two_versions_with_one_time_are_both_delivered() -> None:
    texts = [f'{{"id":"a","modified":5.0,"content":{content}}}' for content in (1, 2)]
    versions = [(json.loads(text), text) for text in texts]
    transaction = DeduplicatingMirror(MemoryAnchorStore(), 10).begin(Anchor("f", 4.0), 6.0)
    assert transaction.apply("event", [versions[0]])
    assert transaction.apply("event", [versions[1]])
    assert not transaction.apply("event", [versions[1]])


def test_everything_is_read_again_when_the_platforms_clock_falls(
    sandbox: Sandbox, subject: Subject, mirror: SQLiteMirror
) -> None:
    scope_monitor = Monitor(subject.connection, SCOPE)
    delivered = Delivered(scope_monitor)
    mirrored = Monitor(subject.connection, SCOPE, mirror=mirror)
    sandbox.faults.skew = 3600
    early, gone = subject.add(2)
    scope_monitor.sync()
    mirrored.sync()
    sandbox.faults.skew = -3600
    (late,) = subject.add()
    subject.delete(gone)
    scope_monitor.sync()
    assert {early["id"], late["id"]} <= {event["id"] for event in delivered.events}
    assert [deletion["id"] for deletion in delivered.deletions] == [gone["id"]]
    report = mirrored.sync()
    assert (report.events, report.event_deletions) == (1, 1)
    subject.assert_mirrored(mirror, SCOPE)
    sandbox.faults.skew = 0
    subject.update(late, content=5)
    mirrored.sync()
    subject.assert_mirrored(mirror, SCOPE)
    assert scope_monitor.sync().events == 1
    assert scope_monitor.sync().events == 0


@pytest.mark.parametrize("kind", ["anchor", "mirror"])
@pytest.mark.parametrize("interrupted", [False, True])
def test_starting_over_delivers_earlier_deletions(
    kind: str, interrupted: bool, sandbox: Sandbox, subject: Subject, mirror: SQLiteMirror, tmp_path: Path
) -> None:
    store: dict[str, Any] = (
        {"mirror": mirror} if kind == "mirror" else {"anchor_store": FileAnchorStore(tmp_path / "a")}
    )
    monitor = Monitor(subject.connection, SCOPE, **store)
    delivered = Delivered(monitor)
    kept, gone, gone_meanwhile = subject.add(3)
    monitor.sync()
    sandbox.faults.skew = LONG
    subject.delete(gone)
    sandbox.faults.skew = 2 * LONG
    if interrupted:
        sandbox.faults.cut(after_bytes=10, path="/events")
        with pytest.raises(PryvError):
            monitor.sync(full=True)
        subject.delete(gone_meanwhile)
        sandbox.faults.skew = 3 * LONG
    delivered.events.clear()
    monitor.sync(full=True)
    deletions = [deletion["id"] for deletion in delivered.deletions]
    assert sorted(deletions) == sorted([gone["id"], gone_meanwhile["id"]] if interrupted else [gone["id"]])
    ids = [event["id"] for event in delivered.events]
    assert ids == ([] if kind == "mirror" else [kept["id"]] if interrupted else [kept["id"], gone_meanwhile["id"]])
    assert monitor.sync().event_deletions == 0


def test_the_end_of_a_series_is_not_missed(sandbox: Sandbox, subject: Subject) -> None:
    """The platform changes the event 10.5 seconds after the points, as of the time of the points."""
    series = subject.connection.events.create({"streamIds": ["pulse"], "type": "series:mass/kg"})
    monitor = Monitor(subject.connection, SCOPE)
    delivered = Delivered(monitor)
    monitor.sync()
    subject.connection.add_points_to_hf_event(series["id"], ["deltaTime", "value"], [[3, 70]])
    for skew in (10.1, 10.1, 20):
        sandbox.faults.skew = skew
        monitor.sync()
    assert [event.get("duration") for event in delivered.events] == [None, 3e9]


@pytest.mark.parametrize("kind", ["anchor", "mirror"])
def test_a_first_reading_that_fails_at_once_keeps_the_delivered_ids(
    kind: str, sandbox: Sandbox, subject: Subject, mirror: SQLiteMirror, tmp_path: Path
) -> None:
    def monitor() -> Monitor:
        if kind == "mirror":
            return Monitor(subject.connection, SCOPE, mirror=mirror)
        return Monitor(subject.connection, SCOPE, anchor_store=FileAnchorStore(tmp_path / "a"))

    def fail(_: Any) -> None:
        raise LookupError

    gone, kept = subject.add(2)
    with pytest.raises(LookupError):
        monitor().on("event", fail).sync()
    subject.delete(gone)
    sandbox.faults.skew = LONG
    again = monitor()
    delivered = Delivered(again)
    again.sync()
    assert [event["id"] for event in delivered.events] == [kept["id"]]
    assert [deletion["id"] for deletion in delivered.deletions] == [gone["id"]]


def test_starting_over_keeps_only_the_ids_of_concurrent_changes(sandbox: Sandbox, subject: Subject) -> None:
    store = MemoryAnchorStore()
    monitor = Monitor(subject.connection, SCOPE, anchor_store=store)
    monitor.sync()
    subject.add(50)
    sandbox.faults.skew = LONG
    report = monitor.sync(full=True)
    assert (report.events, report.duplicates) == (50, 50)
    assert report.anchor.remembered == {}


@pytest.mark.parametrize("kind", ["anchor", "mirror"])
def test_an_anchor_of_before_the_first_release_is_refused_by_name(
    kind: str, subject: Subject, mirror: SQLiteMirror, tmp_path: Path
) -> None:
    text = as_text({"fingerprint": "f" * 64, "since": 1.0, "reached": None, "round": 1, "remembered": {}})
    store = mirror if kind == "mirror" else FileAnchorStore(tmp_path / "anchor")
    given: dict[str, Any] = {"mirror" if kind == "mirror" else "anchor_store": store}
    Monitor(subject.connection, SCOPE, **given).sync()
    if kind == "mirror":
        with closing(sqlite3.connect(mirror.path)) as db, db:
            db.execute("UPDATE anchor SET text = ?", [text])
    else:
        store.path.write_text(text)
    for use in (store.load, Monitor(subject.connection, SCOPE, **given).sync):
        with pytest.raises(AnchorError, match="made before the first release") as caught:
            use()
        assert not isinstance(caught.value, AnchorCorruptError)
    store.reset()
    assert Monitor(subject.connection, SCOPE, **given).sync().streams_changed


def as_text(fields: dict[str, Any]) -> str:
    """An anchor's text with these fields."""
    body = json.dumps(fields)
    return json.dumps({"version": 1, "checksum": hashlib.sha256(body.encode()).hexdigest(), "anchor": body})


def test_the_local_clock_does_not_matter(
    sandbox: Sandbox, subject: Subject, mirror: SQLiteMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, mirrored = Monitor(subject.connection, SCOPE), Monitor(subject.connection, SCOPE, mirror=mirror)
    now = time.time
    for jump in (0, -3600, 7200, 0):
        monkeypatch.setattr(time, "time", lambda jump=jump: now() + jump)
        sandbox.faults.skew = -jump  # the platform, in the same process, keeps its time
        subject.add(2)
        assert plain.sync().events == mirrored.sync().events == 2
        subject.assert_mirrored(mirror, SCOPE)


@pytest.mark.parametrize("kind", ["anchor", "mirror"])
def test_a_first_reading_goes_on_where_it_was_cut(
    kind: str, sandbox: Sandbox, subject: Subject, mirror: SQLiteMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pass, "WINDOW", 500)
    (long,) = subject.add(1, time=1_500_000_000, duration=1e9, type="activity/plain", content=None)
    subject.add(4000)
    whole = sum(len(str(event)) for event in subject.events(SCOPE).values())
    store: dict[str, Any] = (
        {"mirror": mirror} if kind == "mirror" else {"anchor_store": FileAnchorStore(tmp_path / "a")}
    )
    seen: list[str] = []
    monitor = Monitor(subject.connection, SCOPE, overlap=0, **store).on("event", lambda event: seen.append(event["id"]))
    sandbox.faults.cut(after_bytes=whole * 6 // 10, path="/events")
    with pytest.raises(PryvError):
        monitor.sync()
    cut_at = len(seen)
    assert 1500 < cut_at < 4000
    changed = subject.update(subject.add(1, time=1_600_000_001)[0], content=1)
    monitor.sync()
    assert set(seen) == set(subject.events(SCOPE))
    assert len(seen) - 4002 <= 1500  # no more than the windows that were not committed
    assert changed["id"] in seen
    assert seen.count(long["id"]) == 1  # though it lasts until after the place where the reading went on
    if kind == "mirror":
        subject.assert_mirrored(mirror, SCOPE)
    assert monitor.sync().events == 0


def test_a_cut_full_reading_that_began_after_the_clock_fell_finds_all_changes(
    sandbox: Sandbox, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pass, "WINDOW", 1)
    monkeypatch.setattr("pryv_monitor._source._BATCH", 1)
    first, _, last = [subject.add(1, time=1_600_000_000 + number)[0] for number in range(3)]
    seen: list[Any] = []
    fails = False

    def handle(event: dict[str, Any]) -> None:
        if fails and event["id"] == last["id"]:
            raise LookupError
        seen.append(event)

    monitor = Monitor(subject.connection, SCOPE, overlap=0).on("event", handle)
    monitor.sync()
    sandbox.faults.skew = -LONG
    subject.update(last, content=1)
    fails = True
    with pytest.raises(LookupError):
        monitor.sync(full=True)
    changed = subject.update(first, content=2)
    sandbox.faults.skew = 0
    fails = False
    monitor.sync()
    assert changed in seen


def test_a_window_ends_where_the_time_changes(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pass, "WINDOW", 1)
    for step in range(4):
        subject.add(150, time=1_600_000_000 + step)
    times: list[float] = []
    saved: list[tuple[float, int]] = []

    class Store(MemoryAnchorStore):
        def save(self, anchor: Anchor) -> None:
            if anchor.reached not in (None, START):
                saved.append((anchor.reached or 0, len(times)))
            super().save(anchor)

    monitor = Monitor(subject.connection, SCOPE, anchor_store=Store(), overlap=0)
    monitor.on("event", lambda event: times.append(event["time"])).sync()
    assert saved
    for reached, count in saved:
        assert max(times[:count]) < reached == times[count]


def test_no_window_ends_before_one_that_was_committed(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pass, "WINDOW", 5)
    monkeypatch.setattr("pryv_monitor._source._BATCH", 2)
    lasting = subject.add(20, duration=1e6)  # they are read again wherever the reading goes on
    for step in range(20):
        (last,) = subject.add(1, time=1_600_001_000 + step)
    seen: list[str] = []

    def handle(event: dict[str, Any]) -> None:
        seen.append(event["id"])
        if seen.count(last["id"]) < 3 and event["id"] == last["id"]:
            raise LookupError

    monitor = Monitor(subject.connection, SCOPE, overlap=0).on("event", handle)
    for _ in range(2):
        with pytest.raises(LookupError):
            monitor.sync()
    monitor.sync()
    assert [seen.count(event["id"]) for event in lasting] == [1] * 20


def test_a_token_that_was_revoked_ends_it(subject: Subject) -> None:
    access = subject.connection.api_one(
        "accesses.create", {"name": "m", "permissions": [{"streamId": "pulse", "level": "read"}]}, "access"
    )
    connection = Connection(subject.connection.api_endpoint.replace(subject.connection.token or "", access["token"]))
    monitor = Monitor(connection)
    monitor.sync()
    subject.connection.delete(f"accesses/{access['id']}")
    with pytest.raises(InvalidAccessTokenError):
        monitor.sync(error_tolerance=math.inf)
    with pytest.raises(InvalidAccessTokenError):
        monitor.run()
