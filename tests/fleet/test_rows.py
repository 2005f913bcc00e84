"""Values that PostgreSQL cannot hold or index stand in the text only."""

import json
import sys
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool

from pryv_fleet import PostgresMirror
from pryv_fleet._rows import is_text, key_of
from pryv_monitor import Anchor

_names = (f"rows-{number}" for number in count())


def stored(pool: ConnectionPool, *events: dict[str, Any], comma: str = ", ") -> PostgresMirror:
    """Write events to a new mirror, with some text of theirs, and return it."""
    mirror = PostgresMirror(pool, next(_names))
    with mirror.lock():
        transaction = mirror.begin(Anchor("scope", 1.0), 1.0)
        transaction.apply(
            "event", [(event, json.dumps(event, ensure_ascii=False, separators=(comma, ": "))) for event in events]
        )
        transaction.commit(Anchor("scope", 1.0))
    return mirror


def rows(pool: ConnectionPool, mirror: PostgresMirror) -> list[tuple[Any, ...]]:
    """Return the columns of the events of a mirror."""
    query = """
        SELECT e.id, time, modified, type, stream_ids, trashed, number, text, json::text, exact
        FROM pryv.events e JOIN pryv.accounts a ON a.id = e.account WHERE name = %s ORDER BY e.id
    """
    with pool.connection() as connection:
        return connection.execute(query, (mirror.account,)).fetchall()


def columns(pool: ConnectionPool, mirror: PostgresMirror) -> tuple[Any, ...]:
    """Return the columns of the one event of a mirror."""
    (row,) = rows(pool, mirror)
    return row


EVENT = {"id": "c1", "time": 5, "modified": 6.5, "streamIds": ["a", 'b"\\,{'], "type": "mass/kg", "content": 61.5}


def test_an_event_has_its_columns(pool: ConnectionPool) -> None:
    found = columns(pool, stored(pool, EVENT))
    assert found == ("c1", 5.0, 6.5, "mass/kg", ["a", 'b"\\,{'], False, 61.5, None, json.dumps(EVENT), None)
    found = columns(pool, stored(pool, {**EVENT, "content": "tab\there\\", "trashed": True}))
    assert (found[5:8], found[9]) == ((True, None, "tab\there\\"), None)


def test_values_that_a_column_cannot_hold_are_null(pool: ConnectionPool) -> None:
    nested: Any = 1
    for _ in range(700):
        nested = [nested]
    odd: dict[str, Any] = {
        "id": "x" * 5000,
        "time": 2**70_0,
        "modified": 10**400,
        "type": "t/" + "y" * 5000,
        "streamIds": ["nul\0"],
        "content": "nul\0",
    }
    mirror = stored(pool, odd)
    found = columns(pool, mirror)
    assert found[0].startswith("sha256:")
    assert found[1:5] == (2.0**700, None, None, None)
    assert found[6:8] == (None, None)
    assert list(mirror.events({"state": "all"})) == [odd]
    deep = stored(pool, {**EVENT, "content": nested})
    assert json.loads(columns(pool, deep)[8])["content"] is None
    assert list(deep.events()) == [{**EVENT, "content": nested}]


def test_json_functions_work_on_all_rows(pool: ConnectionPool) -> None:
    mirror = stored(pool, {**EVENT, "content": {"note": "half \ud83d", "deep": "nul\0"}})
    assert next(mirror.events())["content"]["note"] == "half \ud83d"
    with pool.connection() as connection:
        query = "SELECT json->>'id' FROM pryv.events e JOIN pryv.accounts a ON a.id = e.account WHERE name = %s"
        assert connection.execute(query, (mirror.account,)).fetchone() == ("c1",)


texts = st.text(st.characters(exclude_categories=()), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
events = st.builds(
    lambda key, time, streams, kind, content: {
        "id": key,
        "time": time,
        "streamIds": streams,
        "type": kind,
        "content": content,
    },
    texts,
    st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    st.lists(texts, max_size=3),
    texts,
    values,
)


@given(batch=st.lists(events, min_size=1, max_size=5, unique_by=lambda event: event["id"]))
@settings(max_examples=60)
def test_any_event_comes_back_as_it_was(pool: ConnectionPool, batch: list[dict[str, Any]]) -> None:
    mirror = stored(pool, *batch)
    found = list(mirror.events({"state": "all"}))
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, batch))


@pytest.mark.parametrize("text", ["plain", "tab\t", "back\\slash", "é", "new\nline", ""])
def test_a_line_is_the_same_with_and_without_escapes(text: str, pool: ConnectionPool) -> None:
    event = {**EVENT, "streamIds": ["a", text or "b"], "content": text}
    found = columns(pool, stored(pool, event))
    assert found[4:8] == (["a", text or "b"], False, None, text)
    assert found[8:] == (json.dumps(event, ensure_ascii=False), None)


plain_texts = st.text("abz09 {}[],:'/é€\x7f", min_size=1, max_size=6)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([2**63, -(10**400), 1e308])
plain = {
    "id": plain_texts,
    "time": st.integers() | st.floats(0, 1e12),
    "modified": st.floats(0, 1e12),
    "streamIds": st.lists(plain_texts, min_size=1, max_size=3),
    "type": plain_texts,
    "content": numbers | plain_texts | st.booleans() | st.none() | st.lists(numbers, max_size=3),
}
plain_events = st.fixed_dictionaries(plain, optional={"trashed": st.booleans()})
odd_events = plain_events.flatmap(
    lambda event: st.sampled_from(
        [
            {**event, "streamIds": []},
            {**event, "streamIds": None},
            {**event, "type": "t/" + "é" * 300},
            {**event, "modified": None},
            {**event, "time": 2**700},
            {**event, "content": 10**400},
            {**event, "content": "half \ud83d, nul \0"},
            {**event, "content": "tab\t, new\nline, back\\slash"},
            {key: value for key, value in event.items() if key != "content"},
        ]
    )
)
batches = st.lists(plain_events, max_size=5).flatmap(
    lambda batch: st.just(batch) | st.lists(odd_events | events, max_size=1).map(lambda odd: batch + odd)
)


@given(
    batch=batches.map(lambda batch: list({event["id"]: event for event in batch}.values())).filter(bool),
    comma=st.sampled_from([",\t", ",\n", ",\r"]),
)
@settings(max_examples=60)
def test_columns_do_not_depend_on_how_the_text_is_written(
    pool: ConnectionPool, batch: list[dict[str, Any]], comma: str
) -> None:
    together = rows(pool, stored(pool, *batch))
    spread = rows(pool, stored(pool, *batch, comma=comma))
    assert [row[:8] for row in together] == [row[:8] for row in spread]
    assert [json.loads(row[8]) for row in together] == [json.loads(row[8]) for row in spread]
    for row, event in zip(sorted(together), sorted(batch, key=lambda event: key_of(event["id"])), strict=True):
        content = event.get("content")
        assert row[6] == (content if is_a_double(content) else None)
        assert row[7] == (content if isinstance(content, str) and is_text(content) else None)


def is_a_double(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
