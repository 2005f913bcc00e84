"""Unusual texts and numbers in a mirror: they are stored exactly, and any SQL can read the tables."""

import json
import math
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.monitor.kept import STREAM, event, filled, take_in

from pryv.types import EventsParams
from pryv_monitor import Anchor, AnchorCorruptError, AnchorError, SQLiteMirror
from pryv_monitor._texts import shown_id

HALF, NUL = "half \ud83d", "a\0b"
VIEWS = ("events", "deletions", "streams")


def rows(mirror: SQLiteMirror, view: str) -> list[dict[str, Any]]:
    """The rows of a view, read with plain SQL."""
    with closing(sqlite3.connect(f"{mirror.path.as_uri()}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(f"SELECT * FROM {view}")]


def test_texts_that_are_no_utf8_are_kept_and_harmless_to_sql(mirror: SQLiteMirror) -> None:
    events = [
        event(1, content=HALF, type=HALF),
        event(2, content=NUL, type=NUL),
        event(3, content={HALF: [NUL], "\\u0000": "\\ud83d"}),
        event(4, id=HALF, streamIds=[HALF]),
        event(5, id=NUL, streamIds=[NUL]),
        event(6, content="\U0001f600 é \\ \\u0000"),
    ]
    streams = [{"id": HALF, "name": HALF, "children": [{"id": NUL, "name": NUL, "parentId": HALF, "children": []}]}]
    with mirror.lock():
        assert take_in(mirror, events, streams=[STREAM, *streams]) == events
        assert take_in(mirror, events, streams=[STREAM, *streams]) == []
    assert list(mirror.events({"sortAscending": True})) == events
    assert mirror.streams() == [STREAM, *streams]
    contents = [row["content"] for row in sorted(rows(mirror, "events"), key=lambda row: row["time"])]
    assert contents[:2] == ["half \\ud83d", "a\\u0000b"]
    assert json.loads(contents[2]) == {"half \\ud83d": ["a\\u0000b"], "\\u0000": "\\ud83d"}
    assert contents[5] == "\U0001f600 é \\ \\u0000"
    assert [row["name"] for row in rows(mirror, "streams")] == ["Pulse", "half \\ud83d", "a\\u0000b"]
    selections: list[tuple[dict[str, Any], list[int]]] = [
        ({"streams": ["*"]}, [1, 2, 3, 4, 5, 6]),
        ({"streams": [NUL]}, [5]),
        ({"types": ["a\0*"]}, [2]),
        ({"types": ["half*"]}, [1]),
        ({"content": [{"path": "$", "eq": NUL}]}, [2]),
    ]
    for query, found in selections:
        assert [found["time"] for found in mirror.events({"sortAscending": True, **query})] == found
    with closing(sqlite3.connect(mirror.path)) as db:
        frame = pandas.read_sql("SELECT * FROM events, json_each(stream_ids)", db)
        lengths = db.execute("SELECT json_extract(json, '$.content'), length(content) FROM events").fetchall()
    assert (len(frame), len(lengths)) == (6, 6)


def test_events_in_streams_with_odd_ids_need_a_full_read_when_these_are_gone(mirror: SQLiteMirror) -> None:
    for name in (HALF, NUL):
        with mirror.lock():
            for tree, needed in (([STREAM, {"id": name, "name": "n", "children": []}], False), ([STREAM], True)):
                transaction = mirror.begin(Anchor("scope", 1.0), 1.0)
                transaction.apply("streams", [(tree, json.dumps(tree))])
                assert transaction.needs_full_read() is needed
                moved = event(1, streamIds=[name])
                transaction.apply("event", [(moved, json.dumps(moved))])
                transaction.commit(Anchor("scope", 1.0))


def test_fields_of_other_types_are_harmless_to_sql(mirror: SQLiteMirror) -> None:
    with mirror.lock():
        for value in ("text", 5, None, True, {"a": 1}):
            fields = dict.fromkeys(("streamIds", "type", "content", "duration", "modified", "trashed"), value)
            take_in(mirror, [event(1, **fields)])
            with closing(sqlite3.connect(mirror.path)) as db:
                assert db.execute("SELECT * FROM events, json_each(stream_ids) WHERE NOT trashed").fetchall() == []
                assert len(db.execute("SELECT *, time + duration FROM events").fetchall()) == 1


def test_events_with_odd_ids_can_be_updated_and_deleted(mirror: SQLiteMirror) -> None:
    for name in (HALF, NUL):
        first, second = event(1, id=name), event(1, id=name, content="another")
        deletion = {"id": name, "deleted": 5.0}
        with mirror.lock():
            assert take_in(mirror, [first]) == [first]
            assert take_in(mirror, [second]) == [second]
            assert list(mirror.events()) == [second]
            assert take_in(mirror, deletions=[deletion]) == [deletion]
    assert mirror.counts() == {"events": 0, "deletions": 2, "streams": 1}
    assert [found["id"] for found in mirror.events({"modifiedSince": 0, "includeDeletions": True})] == [HALF, NUL]
    assert [row["id"] for row in rows(mirror, "deletions")] == ["half \\ud83d", "a\\u0000b"]


texts = st.text(st.characters(codec=None, categories=["Cs", "L", "N", "Cc", "P"]), max_size=8) | st.sampled_from(
    ["\\u0000", "\\", "\ud83d\ude00", "\0", "\\\ud83d"]
)
numbers = st.integers() | st.integers(2**62, 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
times = numbers | st.just(10**400) | st.just(-(10**400))
odd_events = st.fixed_dictionaries(
    {"id": texts, "time": times, "modified": numbers, "streamIds": st.lists(texts, max_size=2), "type": texts},
    optional={"content": values, "duration": st.none() | numbers, "clientData": values, "trashed": st.booleans()},
)


@settings(max_examples=50, deadline=None)
@given(events=st.lists(odd_events, max_size=6, unique_by=lambda event: shown_id(str(event["id"]))))
def test_any_event_is_stored_unchanged(events: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        check_kept(SQLiteMirror(Path(directory) / "mirror.db"), [json.loads(json.dumps(event)) for event in events])


def check_kept(mirror: SQLiteMirror, came: list[dict[str, Any]]) -> None:
    streams = [{"id": name, "name": name, "children": []} for event in came for name in event["streamIds"]]
    with mirror.lock():
        assert len(take_in(mirror, came, streams=streams)) == len(came)
        assert take_in(mirror, came, streams=streams) == []
    kept = {event["id"]: event for event in mirror.events({"state": "all"})}
    assert kept == {event["id"]: event for event in came}
    assert [stream["id"] for stream in mirror.streams()] == [stream["id"] for stream in streams]
    assert {view: len(rows(mirror, view)) for view in VIEWS} == mirror.counts()
    for item in came:
        if all(is_utf8(text) for text in (*item["streamIds"], item["type"])):
            query: dict[str, Any] = {"streams": item["streamIds"] or None, "types": [item["type"]], "state": "all"}
            assert item in list(mirror.events(query))


def is_utf8(text: str) -> bool:
    """Whether it can be sent."""
    return text.encode(errors="replace").decode() == text


def test_events_in_streams_that_are_not_in_the_tree_are_found(mirror: SQLiteMirror) -> None:
    binned = {"id": "binned", "name": "b", "trashed": True, "children": []}
    events = [event(1, streamIds=["elsewhere"]), event(2, streamIds=["binned"]), event(3, streamIds=[])]
    with mirror.lock():
        take_in(mirror, events, streams=[])
        assert len(list(mirror.events())) == 3
        take_in(mirror, streams=[STREAM, binned])
    assert list(mirror.events()) == events[:1]
    query: EventsParams = {"streams": [{"any": ["*"], "not": ["elsewhere"]}], "state": "all"}
    assert [found["time"] for found in mirror.events(query)] == [3, 2]
    assert len(list(mirror.events({"state": "all"}))) == 3


@pytest.mark.parametrize("time", [2**63, -(2**63) - 1, 17672544000000000000, 10**21, 1e300, -1e300, 10**400])
def test_times_beyond_those_of_any_event_are_kept(time: float, mirror: SQLiteMirror) -> None:
    far = event(1, time=time, modified=2**64)
    with mirror.lock():
        assert take_in(mirror, [event(2), far]) == [event(2), far]
        assert take_in(mirror, [far]) == []
    assert len(list(mirror.events())) == 2
    bound: dict[str, Any] = {"fromTime": 10**15} if time > 0 else {"toTime": -(10**15)}
    assert list(mirror.events(bound)) == [far]
    assert list(mirror.events({"modifiedSince": 2**63})) == [far]
    assert list(mirror.events({"fromTime": -(10**400), "toTime": 10**400, "streams": ["pulse"]})) != []
    with mirror.lock():
        assert take_in(mirror, deletions=[{"id": far["id"], "deleted": 2**64}])
    assert rows(mirror, "deletions")[0]["deleted"] == 2.0**64


@pytest.mark.parametrize(
    "params",
    [
        {"fromTime": math.nan},
        {"modifiedSince": "now"},
        {"types": [1]},
        {"limit": 1.5},
    ],
)
def test_invalid_queries_are_refused(params: dict[str, Any], mirror: SQLiteMirror) -> None:
    with pytest.raises(ValueError, match=next(iter(params))):
        mirror.events(params)


def test_lists_of_any_length_can_be_asked_for(mirror: SQLiteMirror) -> None:
    """SQLite takes no expression of a depth above 1,000."""
    streams: list[dict[str, Any]] = [{"id": f"stream-{number}", "name": "s", "children": []} for number in range(3000)]
    events = [event(number, streamIds=[f"stream-{number}"], type=f"type/{number}") for number in range(3000)]
    with mirror.lock():
        for start in range(0, 3000, 100):
            take_in(mirror, events[start : start + 100], streams=streams)
    assert len(list(mirror.events({"streams": [stream["id"] for stream in streams[1:]]}))) == 2999
    assert len(list(mirror.events({"types": [event["type"] for event in events[1:]]}))) == 2999
    assert len(list(mirror.events({"types": [f"type/{number}*" for number in range(3000)]}))) == 3000
    assert len(list(mirror.events({"limit": 2**70, "skip": 2}))) == 2998


def nest(levels: int) -> Any:
    value: Any = "core"
    for _ in range(levels):
        value = {"in": [value]}
    return value


def test_events_nested_too_deeply_for_sqlite_are_stored(mirror: SQLiteMirror) -> None:
    deep = event(1, content=nest(300))
    shallow = event(2, content=nest(200))
    with mirror.lock():
        assert take_in(mirror, [deep, shallow]) == [deep, shallow]
        assert take_in(mirror, [deep]) == []
    assert list(mirror.events({"sortAscending": True})) == [deep, shallow]
    assert [json.loads(row["content"] or "null") for row in rows(mirror, "events")] == [None, shallow["content"]]


def test_a_tree_of_streams_of_any_depth_is_stored(mirror: SQLiteMirror) -> None:
    tree: list[Any] = []
    for number in range(5000, 0, -1):
        parent = f"s{number - 1}" if number > 1 else None
        tree = [{"id": f"s{number}", "name": "s", "parentId": parent, "children": tree}]
    anchor, held = Anchor("fingerprint", 1.0), event(1, streamIds=["s5000"])
    with mirror.lock():
        transaction = mirror.begin(anchor, 1.0)
        transaction.apply("streams", [(tree, "")])
        transaction.apply("event", [(held, json.dumps(held))])
        transaction.commit(anchor)
    assert mirror.counts()["streams"] == 5000
    assert len(list(mirror.events({"streams": ["s1"]}))) == 1


DAMAGE = [
    '{"id": "a"',
    "[" * 100_000,
    '{"a":' * 100_000,
    "[]",
    '"text"',
    "{}",
    '{"id": 1}',
    5,
    b"\xff\xfe",
    b"",
    "9" * 5000,
]
PLACES = [
    ("event_texts", "json"),
    ("event_texts", "exact"),
    ("stream_texts", "json"),
    ("stream_texts", "exact"),
    ("deletion_texts", "json"),
    ("anchor", "text"),
]


def read_all(mirror: SQLiteMirror) -> list[Callable[[], object]]:
    return [
        lambda: list(mirror.events({"modifiedSince": 0, "includeDeletions": True, "streams": ["pulse"]})),
        mirror.streams,
        mirror.counts,
        mirror.load,
        lambda: write(mirror),
    ]


def failure(use: Callable[[], object]) -> AnchorError | None:
    try:
        use()
    except AnchorError as error:
        return error
    return None


def write(mirror: SQLiteMirror) -> None:
    with mirror.lock():
        mirror.load()
        take_in(mirror, [event(1, content="changed")], streams=[STREAM, {"id": "b", "name": "b", "children": []}])


@pytest.mark.parametrize("place", PLACES, ids=".".join)
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: str(damage)[:10])
def test_damaged_texts_are_errors(place: tuple[str, str], damage: object, mirror: SQLiteMirror) -> None:
    table, column = place
    with filled(mirror).lock():
        take_in(mirror, deletions=[{"id": "event-2", "deleted": 5.0}])
    with closing(sqlite3.connect(mirror.path)) as db:
        db.execute(f"UPDATE {table} SET {column} = ?", (damage,))
        db.commit()
    told = [error for read in read_all(mirror) if (error := failure(read))]
    assert told
    for error in told:
        assert isinstance(error, AnchorCorruptError)
        assert str(error).startswith(f"{mirror.path}: ")
        assert len(str(error)) < len(str(mirror.path)) + 120
    mirror.reset()
    assert filled(mirror).counts()["events"] == 3


@pytest.mark.parametrize("field", ["parentId", "name", "trashed", "children"])
@pytest.mark.parametrize("value", [5, [], {}, "nowhere", None, True])
def test_streams_with_fields_of_other_types_can_be_read(field: str, value: object, mirror: SQLiteMirror) -> None:
    with closing(sqlite3.connect(filled(mirror).path)) as db:
        db.execute("UPDATE stream_texts SET json = ?", (json.dumps({**STREAM, field: value}),))
        db.commit()
    read = [failure(read) for read in read_all(mirror)]
    assert {type(error) for error in read} <= {type(None), AnchorCorruptError}


def test_damage_without_a_message_of_sqlite_is_an_error(mirror: SQLiteMirror) -> None:
    content = filled(mirror).path.read_bytes()
    mirror.path.write_bytes(content.replace(b"'null' THEN NULL", b"'null' THEN\x80NULL"))
    with pytest.raises(AnchorCorruptError):
        mirror.streams()


@pytest.mark.parametrize("examples", [200, pytest.param(5000, marks=pytest.mark.long)])
def test_a_damaged_file_gives_errors_of_anchors_only(examples: int, mirror: SQLiteMirror, tmp_path: Path) -> None:
    whole = filled(mirror, 40).path.read_bytes()
    path = tmp_path / "damaged.db"

    @settings(max_examples=examples, deadline=None)
    @given(
        places=st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=20),
        length=st.just(len(whole)) | st.integers(0, len(whole)),
    )
    def check(places: list[tuple[int, int]], length: int) -> None:
        content = bytearray(whole)
        for place, byte in places:
            content[place] = byte
        path.write_bytes(content[:length])
        told = [failure(read) for read in read_all(SQLiteMirror(path))]
        assert all(str(path) in str(error) for error in told if error)
        with suppress(AnchorError):  # for all that the file tells, it may be another program's
            SQLiteMirror(path).reset()

    check()
