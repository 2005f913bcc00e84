"""`events.get` on a mirror in PostgreSQL, compared with the platform's responses."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.monitor.queries import fill, ids, queries

from pryv import Connection
from pryv_fleet import PostgresMirror
from pryv_monitor import Monitor

Filled = tuple[Connection, PostgresMirror]


@pytest.fixture(scope="module")
def filled(module_account: tuple[str, str, Connection], dsn: str) -> Iterator[Filled]:
    """An account of many kinds of events, and its mirror."""
    connection = module_account[2]
    fill(connection)
    mirror = PostgresMirror(dsn, "filled")
    Monitor(connection, mirror=mirror).sync()
    yield connection, mirror
    mirror.close()


@given(query=queries, skip=st.integers(0, 5), limit=st.none() | st.integers(0, 5))
@settings(max_examples=100)
def test_a_mirror_answers_as_the_platform(query: dict[str, Any], skip: int, limit: int | None, filled: Filled) -> None:
    connection, mirror = filled
    whole = ids(connection.iter_events(query))
    end = None if limit is None else skip + limit
    page = {**query, "skip": skip, "limit": limit} if limit is not None else {**query, "skip": skip}
    fields = [event for event in mirror.events(query) if event["id"].startswith(":")]
    if fields:  # fields of the account, which come with a personal token, are counted too
        page["skip"] = 0
        assert ids(mirror.events(query)) == whole
    else:
        assert ids(mirror.events(page)) == list(itertools.islice(whole, skip, end))


def test_an_iterator_can_be_left_early(filled: Filled) -> None:
    mirror = filled[1]
    for _ in range(10):
        events = mirror.events({"state": "all"})
        assert next(events)
        del events


def test_deletions_are_yielded_after_events(filled: Filled) -> None:
    connection, mirror = filled
    event = connection.events.create({"streamIds": ["c"], "type": "note/txt", "content": "gone"})
    Monitor(connection, mirror=mirror).sync()
    connection.events.delete(event["id"], permanently=True)
    Monitor(connection, mirror=mirror).sync()
    found = list(mirror.events({"modifiedSince": event["modified"] - 1, "includeDeletions": True}))
    assert found[-1]["id"] == event["id"]
    assert "deleted" in found[-1]


@pytest.mark.parametrize("query", [{"stream": ["a"]}, {"state": "gone"}, {"limit": -1}])
def test_malformed_queries_are_refused_before_anything_is_read(query: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(query))):
        PostgresMirror("host=/nowhere", "nobody").events(query)


@pytest.mark.parametrize("query", [["streams"], "streams", 5])
def test_a_query_is_a_dict(query: Any) -> None:
    with pytest.raises(TypeError, match="params is a dict"):
        PostgresMirror("host=/nowhere", "nobody").events(query)
