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
from tests.monitor.queries import HOUR, PARENTS, START, fill, ids, queries

from pryv import Connection
from pryv.types import EventsParams
from pryv_monitor import Monitor, SQLiteMirror


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
