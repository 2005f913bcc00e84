"""`events.get` on a mirror, compared with the platform's responses."""

import math
import time
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv import Connection
from pryv.types import EventsParams
from pryv_monitor import Monitor, SQLiteMirror

START, HOUR = 1_600_000_000, 3600.0

PARENTS = {"a": None, "a1": "a", "a2": "a", "a21": "a2", "b": None, "b1": "b", "c": None}
IN_TRASH = ("a1", "b")
HELD = (["a"], ["a1"], ["a21"], ["b"], ["b1"], ["c"], ["a1", "b1"], ["a21", "c"], ["a", "b"], ["a2", "a1"], ["b", "c"])

VALUES: tuple[Any, ...] = (
    0,
    1,
    -1.5,
    "",
    "a",
    "ab",
    "1",
    True,
    False,
    None,
    [],
    {"x": 1},
    {"x": {"y": "ab"}},
    {"x": None},
)
VALUES = (*VALUES, [1, "ab"], [0, {"x": "ab"}], {"x": [True, "a"]}, {"x": {"0": 1}})
DURATIONS = (None, 0, 2.5 * HOUR, "running")


def fill(connection: Connection) -> list[dict[str, Any]]:
    """Creates events whose streams, types, contents and durations meet in all ways, and puts some into the trash."""
    for stream_id, parent_id in PARENTS.items():
        connection.api_one("streams.create", {"id": stream_id, "name": stream_id, "parentId": parent_id})
    calls = []
    for i in range(90):
        event: dict[str, Any] = {
            "streamIds": HELD[i % len(HELD)],
            "type": ("test/any", "test/other", "note/txt")[i % 3],
        }
        event |= {"time": START + i * HOUR, "content": "ab"[: i % 4] if i % 3 == 2 else VALUES[i % len(VALUES)]}
        if (duration := DURATIONS[i % len(DURATIONS)]) is not None:
            event["duration"] = None if duration == "running" else duration
        if i % 5 == 0:
            event["clientData"] = {"x": VALUES[i % 7]}
        calls.append({"method": "events.create", "params": event})
    events = [result["event"] for result in connection.api(calls)]
    for event in events[::7]:
        connection.delete(f"events/{event['id']}")
    for stream_id in IN_TRASH:
        connection.delete(f"streams/{stream_id}")
    return events


@pytest.fixture(scope="module")
def filled(
    module_account: tuple[str, str, Connection], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Connection, SQLiteMirror]:
    """An account of many kinds of events, and its mirror."""
    connection = module_account[2]
    fill(connection)
    mirror = SQLiteMirror(tmp_path_factory.mktemp("query") / "mirror.db")
    Monitor(connection, mirror=mirror).sync()
    return connection, mirror


some_streams = st.lists(st.sampled_from((*PARENTS, "a!", "a1!")), min_size=1, max_size=3)
streams_queries = st.fixed_dictionaries({"any": some_streams}, optional={"all": some_streams, "not": some_streams})
streams_queries |= st.fixed_dictionaries({"any": st.just(["*"])}, optional={"not": some_streams})

paths = st.sampled_from(("$", "x", "x.y", "0", "-1", "1.x", "x.0", "y"))
numbers, texts = st.sampled_from((0, 1, -1.5, 0.5)), st.sampled_from(("a", "ab", "1"))
scalars = numbers | texts | st.booleans()


def condition(name: str, operands: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"path": paths, name: operands})


conditions = st.one_of(
    *(condition(name, scalars) for name in ("eq", "neq")),
    *(condition(name, numbers) for name in ("gt", "gte", "lt", "lte")),
    condition("in", st.lists(scalars, min_size=1, max_size=3)),
    condition("exists", st.booleans()),
    condition("prefix", texts),
)
times = st.builds(
    lambda hours, seconds: START + hours * HOUR + seconds, st.integers(-1, 91), st.sampled_from((0, -1, 1))
)

queries = st.fixed_dictionaries(
    {},
    optional={
        "streams": some_streams | streams_queries | st.lists(streams_queries, min_size=1, max_size=2),
        "types": st.lists(st.sampled_from(("test/any", "test/*", "note/txt", "none/none")), max_size=2),
        "fromTime": times,
        "toTime": times,
        "running": st.booleans(),
        "state": st.sampled_from(("default", "trashed", "all")),
        "sortAscending": st.booleans(),
        "content": st.lists(conditions, max_size=2),
        "clientData": st.lists(conditions, max_size=1),
    },
)


def ids(events: Any) -> list[str]:
    """Ids in order, without the fields of the account, which come with a personal token."""
    return [event["id"] for event in events if not event["id"].startswith(":")]


@given(query=queries)
@settings(max_examples=150)
def test_a_mirror_answers_as_the_platform(query: dict[str, Any], filled: tuple[Connection, SQLiteMirror]) -> None:
    connection, mirror = filled
    assert ids(mirror.events(query)) == ids(connection.iter_events(query))


@given(query=queries, skip=st.integers(0, 5), limit=st.integers(0, 5))
@settings(max_examples=50)
def test_a_page_is_the_platforms_page(
    query: dict[str, Any], skip: int, limit: int, filled: tuple[Connection, SQLiteMirror]
) -> None:
    connection, mirror = filled
    bounded = {"streams": list(PARENTS), "fromTime": 0, "toTime": time.time() + HOUR, **query}
    page = {**bounded, "skip": skip, "limit": limit}
    assert ids(mirror.events(page)) == ids(connection.iter_events(page))


@pytest.mark.parametrize(
    "query",
    [
        {"stream": ["a"]},
        {"state": "gone"},
        {"state": ["all"]},
        {"types": 3},
        {"fromTime": "yesterday"},
        {"modifiedSince": True},
        {"limit": -1},
        {"skip": 1.5},
        {"streams": 3},
        {"streams": [["a"]]},
        {"streams": {"all": ["a"]}},
        {"streams": {"any": "a"}},
        {"streams": {"any": ["a"], "not": 3}},
        {"streams": {"any": ["a"], "none": ["b"]}},
        {"content": 3},
        {"content": ["a"]},
        {"content": [{"gt": 1}]},
        {"content": [{"path": "$", "gt": 1, "lt": 2}]},
        {"content": [{"path": "$", "is": 1}]},
        {"clientData": [{"path": "$", "gt": "a"}]},
        {"clientData": [{"path": "$", "in": "abc"}]},
    ],
    ids=str,
)
def test_malformed_queries_are_refused_before_anything_is_read(query: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"parameter|state|number|streams|list|condition"):
        SQLiteMirror(tmp_path / "mirror.db").events(query)


def test_a_query_may_have_any_number_of_parts(filled: tuple[Connection, SQLiteMirror]) -> None:
    mirror = filled[1]
    others: list[Any] = [{"any": [f"stream-{i}"]} for i in range(2999)]
    in_c = {event["id"] for event in mirror.events({"streams": ["c"]})}
    assert {event["id"] for event in mirror.events({"streams": [*others, {"any": ["c"]}]})} == in_c
    assert {event["id"] for event in mirror.events({"streams": {"any": ["c"], "all": ["c"] * 2999}})} == in_c


def test_a_query_is_a_dict(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="params is a dict"):
        SQLiteMirror(tmp_path / "mirror.db").events(["streams"])  # type: ignore[arg-type]


def test_a_single_name_stands_for_a_list_of_one(filled: tuple[Connection, SQLiteMirror]) -> None:
    connection, mirror = filled
    query: EventsParams = {"streams": "c", "types": "note/txt"}
    assert ids(mirror.events(query)) == ids(connection.iter_events(query)) != []


def test_a_query_takes_what_the_platform_s_does(filled: tuple[Connection, SQLiteMirror]) -> None:
    connection, mirror = filled
    query = {
        "fromTime": datetime.fromtimestamp(START + 9 * HOUR, timezone.utc),
        "toTime": pd.Timestamp(START + 40 * HOUR, unit="s", tz="Europe/Zurich"),
        "limit": np.int64(7),
        "sortAscending": np.bool_(True),
        "content": [{"path": "$", "lte": np.float32(1)}],
    }
    assert ids(mirror.events(query)) == ids(connection.iter_events(query)) != []
    for value in (math.nan, Decimal(1), pd.NaT, datetime(2026, 1, 1)):
        with pytest.raises((TypeError, ValueError), match=r"^fromTime: "):
            mirror.events({"fromTime": value})
