"""Values that PostgreSQL cannot hold or index stand in the text only."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool

from pryv_fleet import PostgresMirror
from pryv_monitor import Anchor

_names = (f"rows-{number}" for number in count())


@pytest.fixture(scope="module")
def pool(dsn: str) -> Iterator[ConnectionPool]:
    with ConnectionPool(dsn, min_size=1, max_size=2) as pool:
        yield pool


def stored(pool: ConnectionPool, *events: dict[str, Any]) -> PostgresMirror:
    """Write events to a new mirror, and return it."""
    mirror = PostgresMirror(pool, next(_names))
    with mirror.lock():
        transaction = mirror.begin(Anchor("scope", 1.0), 1.0)
        transaction.apply("event", [(event, json.dumps(event, ensure_ascii=False)) for event in events])
        transaction.commit(Anchor("scope", 1.0))
    return mirror


def columns(pool: ConnectionPool, mirror: PostgresMirror) -> tuple[Any, ...]:
    """Return the columns of the one event of a mirror."""
    query = """
        SELECT e.id, time, modified, type, stream_ids, trashed, number, text, json::text, exact
        FROM pryv.events e JOIN pryv.accounts a ON a.id = e.account WHERE name = %s
    """
    with pool.connection() as connection:
        (row,) = connection.execute(query, (mirror.account,))
    return tuple(row)


EVENT = {"id": "c1", "time": 5, "modified": 6.5, "streamIds": ["a", 'b"\\,{'], "type": "mass/kg", "content": 61.5}


def test_an_event_has_its_columns(pool: ConnectionPool) -> None:
    found = columns(pool, stored(pool, EVENT))
    assert found == ("c1", 5.0, 6.5, "mass/kg", ["a", 'b"\\,{'], False, 61.5, None, json.dumps(EVENT), None)
    found = columns(pool, stored(pool, {**EVENT, "content": "tab\there\\", "trashed": True}))
    assert (found[5:8], found[9]) == ((True, None, "tab\there\\"), None)


def test_what_cannot_be_held_is_null_and_the_event_is_kept(pool: ConnectionPool) -> None:
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
