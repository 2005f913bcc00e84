"""The latest event for each of several contents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.pryv.wire import Wire, reply

from pryv import Connection, Service
from pryv.types import Event

Account = tuple[str, str, Connection]


@pytest.fixture
def diary(new_account: Callable[[], Account], platform_url: str) -> Connection:
    """An account with entries in a diary, on a platform with content queries."""
    with Service(platform_url) as service:
        if not service.supports_content_queries():
            pytest.skip("the platform has no content queries")
    connection = new_account()[2]
    connection.api_one("streams.create", {"id": "diary", "name": "Diary"})
    return connection


def write(diary: Connection, *contents: Any, kind: str = "note/mood") -> None:
    """Write entries, a minute apart."""
    events = [
        {"streamIds": ["diary"], "type": kind, "content": content, "time": 1_700_000_000 + 60 * minute}
        for minute, content in enumerate(contents)
    ]
    results = diary.api([{"method": "events.create", "params": event} for event in events])
    assert [result for result in results if "error" in result] == []


def minutes(found: dict[Any, Event]) -> dict[Any, float]:
    """Return when the events were, in minutes from the first."""
    return {value: (event["time"] - 1_700_000_000) / 60 for value, event in found.items()}


def contents(found: dict[Any, Event]) -> dict[Any, Any]:
    """Return what the events say."""
    return {value: event["content"] for value, event in found.items()}


def test_the_latest_of_each_value(diary: Connection) -> None:
    write(diary, *({"mood": {"name": name}} for name in ("glad", "sad", "glad", "calm", "sad", "glad")))
    found = diary.get_latest_by_content("mood.name", ["glad", "sad", "angry"])
    assert minutes(found) == {"glad": 5, "sad": 4}
    assert found["sad"]["content"] == {"mood": {"name": "sad"}}


def test_the_whole_content(diary: Connection) -> None:
    write(diary, "one", "two", "one", "three", kind="note/txt")
    assert minutes(diary.get_latest_by_content("$", ["one", "two"])) == {"one": 2, "two": 1}


def test_a_base_query_narrows_it(diary: Connection) -> None:
    write(diary, "one", "two", "one", kind="note/txt")
    found = diary.get_latest_by_content("$", ["one", "two"], {"toTime": 1_700_000_000 + 90, "streams": ["diary"]})
    assert minutes(found) == {"one": 0, "two": 1}
    assert diary.get_latest_by_content("$", ["one"], {"content": [{"path": "$", "eq": "two"}]}) == {}


def test_more_events_than_the_default_page(diary: Connection) -> None:
    write(diary, "rare", *(["common"] * 60), kind="note/txt")
    assert minutes(diary.get_latest_by_content("$", ["rare", "common"])) == {"rare": 0, "common": 60}


def test_reading_ends_when_every_value_is_found(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"events": [{"content": "one"}, {"content": "two"}, {"content": "one", "id": "x"}]})
    assert contents(connection.get_latest_by_content("$", ["one"])) == {"one": "one"}
    assert "sortAscending=false" in wire.requests[0].target


def test_booleans_are_not_numbers(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"events": [{"content": 1}, {"content": True}, {"content": 1.0}]})
    assert contents(connection.get_latest_by_content("$", [True]))[True] is True


def test_without_values_no_request_is_made(wire: Wire, connection: Connection) -> None:
    assert connection.get_latest_by_content("$", []) == {}
    assert wire.requests == []


@pytest.mark.parametrize(
    ("path", "query"),
    [("", {}), (None, {}), (5, {}), ("$", {"limit": 1}), ("$", {"skip": 1}), ("$", {"limit": None})],
)
def test_bad_arguments_are_refused_before_any_request(
    wire: Wire, connection: Connection, path: Any, query: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"path|limit"):
        connection.get_latest_by_content(path, ["x"], query)
    assert wire.requests == []


def test_an_argument_of_another_type_is_named(wire: Wire, connection: Connection) -> None:
    with pytest.raises(TypeError, match=r"^values is an iterable of values, not int"):
        connection.get_latest_by_content("$", 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^base_query is a dict, not int"):
        connection.get_latest_by_content("$", ["x"], 5)  # type: ignore[arg-type]
    assert wire.requests == []


@pytest.mark.parametrize("content", [None, [], ["mood"], "mood", {"mood": None}, {"mood": ["name"]}, {"name": "glad"}])
def test_contents_without_the_path_have_no_value(wire: Wire, connection: Connection, content: Any) -> None:
    wire.always = reply({"events": [{"content": content}, {"content": {"mood": {"name": "glad"}}}]})
    assert contents(connection.get_latest_by_content("mood.name", ["glad"])) == {"glad": {"mood": {"name": "glad"}}}
