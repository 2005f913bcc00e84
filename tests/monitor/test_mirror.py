"""The mirror: an exact copy, that can be queried as the platform, and with SQL."""

import json
import os
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.monitor import kept
from tests.monitor.kept import event
from tests.monitor.subject import Subject, own, wait_for_count
from tests.waiting import wait_for

from pryv import Connection
from pryv.types import Permission
from pryv_monitor import Anchor, AnchorCorruptError, AnchorError, Monitor, SQLiteMirror, _opening
from pryv_monitor._streams import flattened
from pryv_sandbox import Sandbox

SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}
NOW_ISH = 1_600_000_000


def test_a_mirror_equals_the_account(subject: Subject, mirror: SQLiteMirror) -> None:
    monitor = Monitor(subject.connection, mirror=mirror)
    assert list(mirror.events()) == []
    assert mirror.streams() == []
    events = subject.add(20)
    subject.create_stream("child", "pulse")
    monitor.sync()
    subject.assert_mirrored(mirror)
    subject.update(events[0], content={"deep": [1, None, "é\u2028"]}, type="test/any", streamIds=["child"])
    subject.update(events[1], time=NOW_ISH + 500.25)
    subject.connection.delete(f"events/{events[2]['id']}")
    subject.delete(events[3])
    subject.connection.api_one("streams.update", {"id": "notes", "update": {"name": "Other", "parentId": "pulse"}})
    report = monitor.sync()
    assert (report.events, report.event_deletions, report.streams_changed) == (3, 1, True)
    subject.assert_mirrored(mirror)
    assert mirror.counts() == {
        "events": len(list(mirror.events({"state": "all"}))),
        "deletions": 1,
        "streams": len(list(flattened(mirror.streams()))),
    }


def test_deletions_of_unknown_events_are_dropped(subject: Subject, mirror: SQLiteMirror) -> None:
    monitor = Monitor(subject.connection, {"streams": ["notes"]}, mirror=mirror)
    deletions: list[Any] = []
    monitor.on("eventDelete", deletions.append).sync()
    subject.delete(subject.add(1)[0])
    assert monitor.sync().event_deletions == 0
    (inside,) = subject.add(1, streamIds=["notes"])
    monitor.sync()
    subject.delete(inside)
    assert monitor.sync().event_deletions == 1
    assert [deletion["id"] for deletion in deletions] == [inside["id"]]
    assert [found["id"] for found in mirror.events({"modifiedSince": 0, "includeDeletions": True})] == [inside["id"]]


def test_a_full_reading_drops_events_that_left_the_scope(subject: Subject, mirror: SQLiteMirror) -> None:
    scope: dict[str, Any] = {"streams": ["notes"]}
    monitor = Monitor(subject.connection, scope, mirror=mirror)
    deletions: list[Any] = []
    monitor.on("eventDelete", deletions.append)
    leaver, stays = subject.add(2, streamIds=["notes"])
    monitor.sync()
    subject.update(leaver, streamIds=["pulse"])
    assert monitor.sync().events == 0
    assert own(mirror.events()).keys() == {leaver["id"], stays["id"]}
    assert deletions == []
    report = monitor.sync(full=True)
    assert (report.events, report.event_deletions) == (0, 1)
    assert deletions == [{"id": leaver["id"]}]
    subject.assert_mirrored(mirror, scope)
    assert report.anchor.generation == 2
    assert monitor.sync().anchor.generation == 2


@pytest.mark.parametrize("key", ["event-1", "event-\ud800\0"])
def test_a_full_reading_delivers_deletions_of_events_of_failed_passes(key: str, mirror: SQLiteMirror) -> None:
    found = event(1, id=key)
    reading = Anchor("f", 1.0, reached=0.0, delivering=True)
    with mirror.lock():
        transaction = mirror.begin(reading, 1.0)
        assert transaction.apply("event", [(found, json.dumps(found))])
        transaction.rollback()
        for told in ([[{"id": key}]], []):
            transaction = mirror.begin(reading, 1.0)
            assert list(transaction.dropped()) == told
            transaction.commit(Anchor("f", 1.0))
    assert list(mirror.events({"state": "all"})) == []


@pytest.mark.parametrize("kept", [["child"], ["child", "notes"]])
def test_events_moved_by_the_deletion_of_their_stream_are_found(
    kept: list[str], subject: Subject, mirror: SQLiteMirror
) -> None:
    subject.create_stream("child", "pulse")
    subject.add(3, streamIds=kept)
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror, overlap=0)
    monitor.sync()
    for _ in range(2):
        subject.connection.delete("streams/child", {"mergeEventsWithParent": True})
        monitor.sync()
    subject.assert_mirrored(mirror, SCOPE)
    assert all("child" not in event["streamIds"] for event in mirror.events())


@pytest.mark.parametrize("merged", [True, False])
def test_events_of_a_stream_that_was_made_again_are_found(merged: bool, subject: Subject, mirror: SQLiteMirror) -> None:
    subject.create_stream("child", "pulse")
    subject.add(2, streamIds=["child", "notes"])
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror, overlap=0)
    for _ in range(3):  # the next pass begins after the events
        monitor.sync()
    for _ in range(2):
        subject.connection.delete("streams/child", {"mergeEventsWithParent": merged})
    subject.create_stream("child", "pulse")
    monitor.sync()
    subject.assert_mirrored(mirror, SCOPE)
    subject.create_stream("new", "pulse")
    assert monitor.sync().anchor.generation == 2, "a new stream needs no full reading"


@pytest.mark.parametrize("moves", [True, False])
def test_events_that_came_with_their_stream_are_found(moves: bool, subject: Subject, mirror: SQLiteMirror) -> None:
    subject.add(2, streamIds=["notes"])
    permission: Permission = {"streamId": "pulse", "level": "read"}
    access = subject.connection.accesses.create({"name": "app", "type": "app", "permissions": [permission]})
    with Connection(access["apiEndpoint"]) as app:
        monitor = Monitor(app, mirror=mirror, overlap=0)
        for _ in range(3):
            monitor.sync()
        if moves:
            subject.connection.streams.update("notes", {"parentId": "pulse"})
        else:
            permissions: list[Permission] = [permission, {"streamId": "notes", "level": "read"}]
            subject.connection.accesses.update(access["id"], {"permissions": permissions})
        assert monitor.sync().events == 2


def test_a_stream_that_is_moved_into_the_scope_or_out_of_it_is_found(subject: Subject, mirror: SQLiteMirror) -> None:
    scope: dict[str, Any] = {"streams": ["pulse"]}
    subject.create_stream("child", "notes")
    subject.add(2, streamIds=["child"])
    monitor = Monitor(subject.connection, scope, mirror=mirror, overlap=0)
    for parent in ("notes", "pulse", "notes"):
        subject.connection.streams.update("child", {"parentId": parent})
        for _ in range(3):
            monitor.sync()
        subject.assert_mirrored(mirror, scope)
        assert len(list(mirror.events())) == (2 if parent == "pulse" else 0)


@pytest.mark.parametrize(("name", "needed"), [("own", True), (":store:own", False)])
def test_the_times_of_streams_that_the_platform_makes_do_not_count(
    name: str, needed: bool, mirror: SQLiteMirror
) -> None:
    anchor = Anchor("scope", 10.0)
    for created in (None, 1.0, 2.0):
        tree = [{"id": "a", "children": []}, *([] if created is None else [{"id": name, "created": created}])]
        with mirror.lock():
            transaction = mirror.begin(anchor, 11.0)
            transaction.apply("streams", [(tree, json.dumps(tree))])
            assert transaction.needs_full_read() is (needed and created is not None)
            transaction.apply("event", [(kept.event(1, streamIds=[name]), json.dumps(kept.event(1, streamIds=[name])))])
            transaction.commit(anchor)


def fill(subject: Subject) -> None:
    subject.create_stream("child", "pulse")
    subject.create_stream("grandchild", "child")
    subject.create_stream("binned", "notes")
    add = subject.add
    add(4)
    add(2, streamIds=["child"], type="note/txt", content="abc", time=NOW_ISH + 50)
    add(2, streamIds=["grandchild", "notes"], type="count/generic", content=5)
    add(2, streamIds=["binned"], type="count/generic", content=7, clientData={"app": {"done": True}})
    add(1, streamIds=["notes"], type="activity/plain", content=None, time=NOW_ISH + 10, duration=100)
    add(1, streamIds=["notes"], type="activity/plain", content=None, time=NOW_ISH + 20, duration=None)
    add(1, streamIds=["notes"], type="blood-pressure/mmhg-bpm", content={"systolic": 120, "diastolic": 80})
    subject.connection.delete(f"events/{add(1)[0]['id']}")
    subject.connection.delete("streams/binned")


@pytest.fixture(scope="module")
def filled(
    module_account: tuple[str, str, Connection], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Subject, SQLiteMirror]:
    """An account of many kinds of events, and its mirror."""
    subject = Subject(module_account[2])
    fill(subject)
    mirror = SQLiteMirror(tmp_path_factory.mktemp("mirror") / "mirror.db")
    Monitor(subject.connection, mirror=mirror).sync()
    return subject, mirror


def test_its_views_can_be_queried_with_sql(filled: tuple[Subject, SQLiteMirror]) -> None:
    subject, mirror = filled
    events = subject.events()
    with sqlite3.connect(f"file:{mirror.path}?mode=ro", uri=True) as db:
        rows = db.execute(
            "SELECT id, time, type, content, modified, trashed, duration FROM events WHERE id NOT LIKE ':%'"
        )
        assert {row[0]: row[1:] for row in rows if events[row[0]]["type"] != "blood-pressure/mmhg-bpm"} == {
            key: (
                event["time"],
                event["type"],
                event.get("content"),
                event["modified"],
                event.get("trashed", False),
                event.get("duration", 0),
            )
            for key, event in events.items()
            if event["type"] != "blood-pressure/mmhg-bpm"
        }
        in_child = "SELECT count(*) FROM events, json_each(stream_ids) WHERE value = 'child'"
        assert db.execute(in_child).fetchone() == (2,)
        assert db.execute("SELECT parent_id, trashed FROM streams WHERE id = 'binned'").fetchone() == ("notes", 1)
    db.close()


def test_it_can_be_read_while_it_is_written(subject: Subject, mirror: SQLiteMirror) -> None:
    subject.add(10)
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    monitor.sync()
    in_handler, go_on = threading.Event(), threading.Event()

    def handle(_: Any) -> None:
        in_handler.set()
        assert go_on.wait(20)

    subject.add(5)
    reading = mirror.events()
    next(reading)
    thread = threading.Thread(target=monitor.on("event", handle).sync)
    thread.start()
    assert in_handler.wait(20)
    assert len(list(mirror.events())) == 10
    go_on.set()
    thread.join()
    assert len(list(reading)) == 9  # it sees the copy as it was when it began
    assert len(list(mirror.events())) == 15


def test_an_added_index_is_used(subject: Subject, mirror: SQLiteMirror) -> None:
    Monitor(subject.connection, SCOPE, mirror=mirror).sync()
    with sqlite3.connect(mirror.path) as db:
        db.execute("CREATE INDEX by_type ON event_texts (json_extract(json, '$.type'))")
        (step,) = db.execute("EXPLAIN QUERY PLAN SELECT content FROM events WHERE type = 'mass/kg'")
    db.close()
    assert "by_type" in step[3]


def test_another_spelling_of_the_same_event_is_no_change(subject: Subject, mirror: SQLiteMirror) -> None:
    subject.add(2)
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    monitor.sync()
    with sqlite3.connect(mirror.path) as db:
        db.execute("UPDATE event_texts SET json = replace(json, ',\"type\"', ', \"type\"')")
    db.close()
    assert monitor.sync(full=True).events == 0
    subject.assert_mirrored(mirror, SCOPE)


@pytest.mark.skipif(os.name == "nt", reason="files there have no such modes")
def test_only_the_owner_can_read_it(subject: Subject, mirror: SQLiteMirror) -> None:
    with Monitor(subject.connection, SCOPE, mirror=mirror):
        modes = {file.name: oct(file.stat().st_mode & 0o777) for file in mirror.path.parent.glob("*.db*")}
    mirror.path.chmod(0o640)
    Monitor(subject.connection, SCOPE, mirror=mirror).sync()
    assert modes[mirror.path.name] == modes[f"{mirror.path.name}-wal"] == "0o600"
    assert mirror.path.stat().st_mode & 0o777 == 0o640, "what its owner decided is left as it is"


def test_a_file_that_is_no_mirror_is_refused(subject: Subject, mirror: SQLiteMirror) -> None:
    mirror.path.write_bytes(b"something else entirely " * 100)
    with pytest.raises(AnchorCorruptError):
        Monitor(subject.connection, mirror=mirror).sync()
    mirror.reset()
    Monitor(subject.connection, mirror=mirror).sync()
    subject.assert_mirrored(mirror)


ODD_NUMBERS = ["1180591620717411303424", "-9223372036854775809", "1e300", "[[[]]]", '{"a":{"b":1.50}}']
ODD_TEXT = r'"\u0000\ud83d\ude00"'


def assert_kept(content: str, subject: Subject, mirror: SQLiteMirror) -> None:
    body = f'{{"streamIds":["pulse"],"type":"test/any","content":{content}}}'
    headers = {"Authorization": subject.connection.token or "", "Content-Type": "application/json"}
    requests.post(f"{subject.connection.endpoint}events", body, headers=headers, timeout=20).raise_for_status()
    monitor = Monitor(subject.connection, SCOPE, mirror=mirror)
    assert monitor.sync().events == 1
    assert monitor.sync(full=True).events == 0
    subject.assert_mirrored(mirror, SCOPE)


@pytest.mark.parametrize("content", ODD_NUMBERS)
def test_odd_numbers_are_kept(content: str, subject: Subject, mirror: SQLiteMirror) -> None:
    assert_kept(content, subject, mirror)


def test_odd_texts_are_kept(sandbox: Sandbox, subject: Subject, mirror: SQLiteMirror) -> None:
    assert_kept(ODD_TEXT, subject, mirror)


def test_the_later_version_of_an_event_read_twice_is_stored(mirror: SQLiteMirror) -> None:
    """The platform may send one that is moved in time while it answers."""
    versions = [
        {"id": "a", "time": time, "modified": time, "streamIds": ["b"], "type": "note/txt"} for time in (1.0, 2.0)
    ]
    tree = [{"id": "b", "name": "B", "children": []}]
    anchor = Anchor("f", 2.0)
    with mirror.lock():
        transaction = mirror.begin(anchor, 2.0)
        transaction.apply("streams", [(tree, json.dumps(tree))])
        assert transaction.apply("event", [(event, json.dumps(event)) for event in versions]) == versions[1:]
        transaction.commit(anchor)
    assert list(mirror.events()) == versions[1:]


@pytest.mark.usefixtures("short_waits")
def test_a_failed_pass_of_a_monitor_that_goes_on_is_undone(subject: Subject, mirror: SQLiteMirror) -> None:
    subject.add(3)
    seen: list[str] = []

    def handle(event: dict[str, Any]) -> None:
        seen.append(event["id"])
        if len(seen) == 2:
            raise LookupError

    with Monitor(subject.connection, SCOPE, mirror=mirror).on("event", handle):
        wait_for_count(lambda: seen, 5)
    assert set(seen) == set(subject.events(SCOPE))


def test_it_has_to_be_locked_to_be_written(mirror: SQLiteMirror) -> None:
    with pytest.raises(RuntimeError, match="lock the mirror"):
        mirror.begin(Anchor("scope", 1.0), 1.0)
    with mirror.lock():
        transaction = mirror.begin(Anchor("scope", 1.0), 1.0)
    with pytest.raises(AnchorError, match="closed"):
        transaction.commit(Anchor("scope", 1.0))
    assert mirror.load() is None


def test_a_backup_while_it_is_written_is_as_a_pass_left_it(subject: Subject, mirror: SQLiteMirror) -> None:
    subject.add(300)
    Monitor(subject.connection, SCOPE, mirror=mirror).sync()
    anchor = mirror.load()
    copies: list[SQLiteMirror] = []

    def back_up(_: Any) -> None:
        if len(copies) < 3:
            copies.append(SQLiteMirror(mirror.path.with_name(f"copy-{len(copies)}.db")))
            mirror.backup(copies[-1].path)

    before = own(mirror.events())
    subject.add(3)
    Monitor(subject.connection, SCOPE, mirror=mirror).on("event", back_up).sync()
    for copy in copies:
        assert own(copy.events()) == before
        found = copy.load()
        assert found is not None
        assert anchor is not None
        assert found.since == anchor.since
        assert Monitor(subject.connection, SCOPE, mirror=copy).sync().events == 3
        subject.assert_mirrored(copy, SCOPE)


def test_two_monitors_on_one_mirror_take_turns(subject: Subject, mirror: SQLiteMirror) -> None:
    subject.add(10)
    reports: list[int] = []

    def sync() -> None:
        with Connection(subject.connection.api_endpoint) as connection:
            other = SQLiteMirror(mirror.path)
            reports.append(Monitor(connection, SCOPE, mirror=other, wait=20).sync().events)

    threads = [threading.Thread(target=sync) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(reports) == 4)
    assert sorted(reports) == [0, 0, 0, 10]
    subject.assert_mirrored(mirror, SCOPE)


@pytest.mark.parametrize("generation", [1, 2])
def test_a_pass_takes_as_many_steps_with_any_number_of_events(
    generation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    open_file = _opening.for_writing

    def remembered(path: Path) -> sqlite3.Connection:
        opened.append(open_file(path))
        return opened[-1]

    def steps(count: int) -> int:
        mirror, counts = kept.filled(SQLiteMirror(tmp_path / f"{count}.db"), count), Counter[str]()
        with mirror.lock():
            opened[-1].set_progress_handler(lambda: counts.update(["steps"]), 1)
            anchor = Anchor("fingerprint", 1.0, generation=generation)
            transaction = mirror.begin(anchor, 1.0)
            transaction.apply("event", [(event(count), json.dumps(event(count)))])
            if generation == 1:
                assert list(transaction.dropped()) == []
            transaction.commit(anchor)
        return counts["steps"]

    monkeypatch.setattr(_opening, "for_writing", remembered)
    assert steps(2000) == pytest.approx(steps(20), rel=0.2)
