"""Every parameter of events.get, and how they go together."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pytest

from pryv_sandbox import Sandbox

from .caller import Caller

HOUR = 3600.0


@pytest.fixture(scope="module")
def reader(pryv_sandbox: Sandbox) -> Caller:
    """The owner of twelve events that tell each other apart by their description."""
    owner = Caller.of(pryv_sandbox)
    owner.add_streams("a", "b", "other")
    owner.add_streams("a1", "a2", under="a")
    for name, streams, event in (
        ("t10", ["a"], {"time": 10}),
        ("t20", ["a1"], {"time": 20}),
        ("t30", ["a2", "b"], {"time": 30}),
        ("t40", ["b"], {"time": 40}),
        ("long", ["b"], {"time": 5, "duration": 20}),
        ("running", ["other"], {"time": 50, "duration": None, "type": "activity/plain"}),
        ("number", ["other"], {"time": 60, "type": "mass/kg", "content": 1}),
        ("html", ["other"], {"time": 70, "type": "note/html"}),
        ("object", ["other"], {"time": 80, "type": "my/type", "content": {"a": {"b": 2, "c": None}, "t": True}}),
        ("data", ["other"], {"time": 90, "clientData": {"app:x": {"k": "value"}}}),
        ("trashed", ["a"], {"time": 100}),
        ("future", ["other"], {"time": time.time() + HOUR}),
    ):
        owner.add_event(*streams, description=name, **_with_content(event))
    trashed = owner.get("events", limit=1, fromTime=100, toTime=100)["events"][0]
    owner.delete(f"events/{trashed['id']}")
    return owner


def _with_content(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "content": None if event.get("type") == "activity/plain" else event.get("content", "text")}


def names(reader: Caller, **params: Any) -> list[str]:
    """The descriptions of the events found, but for the account's own."""
    asked = {key: json.dumps(value) if isinstance(value, (dict, list)) else value for key, value in params.items()}
    asked.setdefault("limit", 100)
    events = reader.call("GET", "events", params=asked)["events"]
    return [event["description"] for event in events if not event["id"].startswith(":")]


def test_sorts_by_time_the_latest_first(reader: Caller) -> None:
    latest_first = ["future", "data", "object", "html", "number", "running", "t40", "t30", "t20", "t10", "long"]
    assert names(reader) == latest_first
    assert names(reader, sortAscending="true") == latest_first[::-1]


def test_skips_and_limits(reader: Caller) -> None:
    assert names(reader, streams="b", limit=1) == ["t40"]
    assert names(reader, streams="b", skip=1, limit=1) == ["t30"]
    assert names(reader, streams="b", skip=1) == ["t30", "long"]
    assert names(reader, streams="b", skip=9) == []
    assert names(reader, limit=0) == []
    assert names(reader, streams="b", skip=-(2**70), limit=2) == ["t40", "t30"]


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (10, 30, ["t30", "t20", "t10", "long"]),
        (25, 29, ["long"]),
        (25.001, 29, []),
        (20.001, 29.999, ["long"]),
        (30, 30, ["t30"]),
        (60, 70, ["html", "number"]),
        (45, 55, ["running"]),
    ],
)
def test_finds_what_touches_a_time_range(reader: Caller, start: float, end: float, found: list[str]) -> None:
    """A running event is found where it begins, and where the range includes now."""
    in_range = names(reader, fromTime=start, toTime=end)
    assert in_range == [name for name in found if name != "running"]
    assert "running" in names(reader, fromTime=start)


def test_fills_in_the_bounds_that_are_not_given(reader: Caller) -> None:
    assert "future" not in names(reader, fromTime=0)
    assert "future" in names(reader, fromTime=0, toTime=9e9)
    assert "long" in names(reader, fromTime=-sys.float_info.max, toTime=sys.float_info.max)
    assert names(reader, toTime=40 + 24 * HOUR, limit=100) == [
        "data", "object", "html", "number", "t40",
    ]  # fmt: skip


def test_gives_twenty_events_unless_asked_for_more(pryv_sandbox: Sandbox) -> None:
    owner = Caller.of(pryv_sandbox)
    owner.add_streams("a")
    owner.batch(
        *(("events.create", {"streamIds": ["a"], "type": "count/generic", "content": n, "time": n}) for n in range(30))
    )
    assert [event["content"] for event in owner.get("events", streams="a")["events"]] == list(range(29, 9, -1))
    assert len(owner.get("events")["events"]) == 20
    assert len(owner.get("events", fromTime=0)["events"]) == 30
    assert len(owner.get("events", limit=25)["events"]) == 25


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("a", ["t30", "t20", "t10"]),
        ("a!", ["t10"]),
        ({"any": ["a"], "not": ["b"]}, ["t20", "t10"]),
        ({"any": ["a"], "not": ["a2"]}, ["t20", "t10"]),
        ({"any": ["a", "b"], "all": ["b"]}, ["t40", "t30", "long"]),
        ({"any": ["a"], "all": ["b"]}, ["t30"]),
        ({"any": ["a1", "a2"], "all": ["a2", "b"]}, ["t30"]),
        ([{"any": ["a1"]}, {"any": ["b"], "not": ["a2"]}], ["t40", "t20", "long"]),
        ({"any": ["*"], "not": ["other", "a"]}, ["t40", "long"]),
        (["a1", "b"], ["t40", "t30", "t20", "long"]),
        ({"any": ["b"], "not": ["unknown"]}, ["t40", "t30", "long"]),
    ],
)
def test_asks_for_streams(reader: Caller, query: Any, found: list[str]) -> None:
    assert names(reader, streams=query) == found
    (result,) = reader.batch(("events.get", {"streams": query, "limit": 100}))
    assert [event["description"] for event in result["events"] if "description" in event] == found


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"all": ["a"]}, "invalid-request-structure"),
        ({"any": []}, "invalid-request-structure"),
        ({"any": ["a"], "some": ["b"]}, "invalid-request-structure"),
        ({"any": ["*", "a"]}, "invalid-request-structure"),
        ({"any": ["*"], "all": ["a"]}, "invalid-request-structure"),
        ({"any": ["a"], "not": ["*"]}, "invalid-request-structure"),
        ({"any": ["a'b"]}, "invalid-request-structure"),
        ({"any": ["a", ":_system:account"]}, "invalid-request-structure"),
        ([{"any": ["a"]}, "b"], "invalid-request-structure"),
        ("{not json", "invalid-request-structure"),
        ({"any": ["a", "unknown"]}, "unknown-referenced-resource"),
    ],
)
def test_refuses_streams_queries_that_mean_nothing(reader: Caller, query: Any, error: str) -> None:
    text = query if isinstance(query, str) else json.dumps(query)
    assert reader.get("events", 400, streams=text)["error"]["id"] == error


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"not": ["a"]}, [{"not": ["a"]}]),
        ([{"any": ["a"]}, 5], [{"any": ["a"], "storeId": "local"}, 5]),
        ({"any": ["a"], "and": []}, [{"any": ["a"], "and": [], "storeId": "local"}]),
        ({"any": []}, None),
        ([{"any": ["x", "a"]}, {"any": ["y!"]}], {"streams": ["x", "y"]}),
    ],
)
def test_shows_the_streams_query_it_refuses(reader: Caller, query: Any, shown: Any) -> None:
    assert reader.get("events", 400, streams=json.dumps(query))["error"].get("data") == shown
    (result,) = reader.batch(("events.get", {"streams": query}))
    assert result["error"].get("data") == shown


def test_answers_with_no_events_where_no_stream_is_left(owner: Caller) -> None:
    owner.add_streams("binned")
    owner.delete("streams/binned")
    for streams in ("binned", "[]", '["binned"]'):
        found = owner.get("events", streams=streams)
        assert list(found) == ["meta", "events"]
        assert found["events"] == []
    (result,) = owner.batch(("events.get", {"streams": ["binned"]}))
    assert result == {"events": []}


def test_answers_with_deletions_alone_where_no_stream_is_left(owner: Caller) -> None:
    owner.add_streams("binned")
    owner.delete("streams/binned")
    deletions = {"modifiedSince": 0, "includeDeletions": True}
    assert list(owner.get("events", streams="binned", **deletions)) == ["eventDeletions", "meta"]
    (result,) = owner.batch(("events.get", {"streams": ["binned"], **deletions}))
    assert result == {"eventDeletions": []}


def test_asks_for_types(reader: Caller) -> None:
    assert names(reader, types="mass/kg") == ["number"]
    asked = [("types", "mass/kg"), ("types", "note/html"), ("limit", "9")]
    found = reader.call("GET", "events", params=asked)["events"]
    assert [event["description"] for event in found] == ["html", "number"]
    assert names(reader, **{"types[]": "my/*"}) == ["object"]
    assert "html" in names(reader, types="note/*")
    assert reader.get("events", 400, types="note")["error"]["data"][0]["code"] == "PATTERN"


def test_asks_for_running_events_and_for_states(reader: Caller) -> None:
    assert names(reader, running="true") == ["running"]
    assert names(reader, state="trashed") == ["trashed"]
    assert names(reader, state="all", streams="a") == ["trashed", "t30", "t20", "t10"]
    assert reader.get("events", 400, state="other")["error"]["data"][0]["code"] == "ENUM_MISMATCH"


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"path": "$", "eq": 1}, ["number"]),
        ({"path": "$", "eq": "1"}, []),
        ({"path": "$", "in": ["1", 1]}, ["number"]),
        ({"path": "$", "gte": 1}, ["number"]),
        ({"path": "$", "gt": 1}, []),
        ({"path": "$", "prefix": "tex"}, ["future", "data", "html", "t40", "t30", "t20", "t10", "long"]),
        ({"path": "$", "prefix": "TEX"}, []),
        ({"path": "a.b", "eq": 2}, ["object"]),
        ({"path": "a.b", "neq": 2}, []),
        ({"path": "a.b", "neq": 3}, ["object"]),
        ({"path": "a.b", "lt": 2.5}, ["object"]),
        ({"path": "a.b", "lte": 1.5}, []),
        ({"path": "a.c", "exists": True}, ["object"]),
        ({"path": "a.d", "exists": True}, []),
        ({"path": "t", "eq": True}, ["object"]),
        ({"path": "t", "eq": 1}, []),
        ({"path": "t", "in": [False, True]}, ["object"]),
        ({"path": "a", "eq": "x"}, []),
    ],
)
def test_asks_for_content(reader: Caller, condition: dict[str, Any], found: list[str]) -> None:
    assert names(reader, content=[condition]) == found


def test_asks_for_items_of_arrays(reader: Caller) -> None:
    reader.add_event("a", type="my/list", content={"list": [1, {"x": 2}]}, description="list", time=1)
    for path, value in (("list.0", 1), ("list.1.x", 2), ("list.-2", 1)):
        assert names(reader, content=[{"path": path, "eq": value}]) == ["list"]
    for path in ("list.2", "list.x", "list.0.x"):
        assert names(reader, content=[{"path": path, "exists": True}]) == []


def test_asks_for_client_data_and_for_all_conditions_at_once(reader: Caller) -> None:
    assert names(reader, clientData=[{"path": "app:x.k", "eq": "value"}]) == ["data"]
    assert names(reader, clientData=[{"path": "app:x", "exists": True}], content=[{"path": "$", "eq": "no"}]) == []
    assert "data" not in names(reader, clientData=[{"path": "app:x", "exists": False}])


@pytest.mark.parametrize(
    "conditions",
    [
        "not json",
        {"path": "a", "eq": 1},
        [{"path": "a"}],
        [{"path": "", "eq": 1}],
        [{"path": "a b", "eq": 1}],
        [{"path": "a", "eq": None}],
        [{"path": "a", "eq": 1, "gt": 0}],
        [{"path": "a", "eq": 1, "other": 0}],
        [{"path": "a", "in": []}],
        [{"path": "a", "exists": 1}],
        [{"path": "a", "gt": "1"}],
        [{"path": "a", "prefix": ""}],
        [{"path": "a", "eq": 1}] * 11,
        ["a"],
    ],
)
def test_refuses_conditions_that_are_none(reader: Caller, conditions: Any) -> None:
    text = conditions if isinstance(conditions, str) else json.dumps(conditions)
    error = reader.get("events", 400, content=text)["error"]
    assert (error["id"], error["data"]) == ("invalid-parameters-format", "content")


def test_gives_the_accounts_own_fields_to_its_owner_alone(reader: Caller) -> None:
    own = {":_system:attachedFiles", ":_system:dbDocuments", ":system:email", ":_system:language"}

    def found(caller: Caller, **params: Any) -> set[str]:
        return {event["id"] for event in caller.get("events", **params)["events"] if event["id"].startswith(":")}

    assert found(reader) == own
    assert found(reader, streams=":_system:account") == own
    assert found(reader, streams=":system:email") == {":system:email"}
    assert found(reader, types="email/string") == {":system:email"}
    assert found(reader, streams="other") == found(reader, fromTime=0) == set()
    assert found(reader.grant(every="manage")) == set()


class TestChanges:
    """What has changed since a moment."""

    @pytest.fixture
    def writer(self, owner: Caller) -> Caller:
        owner.add_streams("a", "b")
        return owner

    def test_gives_what_was_modified_after_that_moment_only(self, writer: Caller) -> None:
        first, second = writer.add_event("a"), writer.add_event("a")
        since = writer.get("events", modifiedSince=first["modified"], streams="a")["events"]
        assert [event["id"] for event in since] == [second["id"]]
        changed = writer.put(f"events/{first['id']}", {"content": "new"})["event"]
        since = writer.get("events", modifiedSince=second["modified"], streams="a")["events"]
        assert since == [changed]

    def test_gives_the_deletions_in_the_account_newest_first(self, writer: Caller) -> None:
        reader = writer.grant(a="read")
        events = [writer.add_event(stream) for stream in ("a", "b")]
        for event in events * 2:
            writer.delete(f"events/{event['id']}")
        assert "eventDeletions" not in reader.get("events", includeDeletions="true")
        deletions = reader.get("events", modifiedSince=0, includeDeletions="true")["eventDeletions"]
        assert [deletion["id"] for deletion in deletions] == [event["id"] for event in events[::-1]]
        later = reader.get("events", modifiedSince=deletions[1]["deleted"], includeDeletions="true")
        assert [deletion["id"] for deletion in later["eventDeletions"]] == [events[1]["id"]]

    def test_a_moved_event_leaves_without_a_trace(self, writer: Caller) -> None:
        event = writer.add_event("a")
        writer.put(f"events/{event['id']}", {"streamIds": ["b"]})
        found = writer.get("events", modifiedSince=0, includeDeletions="true", streams="a")
        assert (found["events"], found["eventDeletions"]) == ([], [])


def test_a_time_may_be_any_number(owner: Caller) -> None:
    owner.add_streams("clock")
    times = [-1e300, -1.7e18, 1.7e15, 2**63, 10**22, 1e300]
    for time_of_event in times:
        owner.add_event("clock", time=time_of_event, duration=1e15)
    bound = sys.float_info.max
    for ascending in (True, False):
        events = owner.get("events", fromTime=-bound, toTime=bound, sortAscending=str(ascending).lower())["events"]
        assert [event["time"] for event in events if event["streamIds"] == ["clock"]] == [
            pytest.approx(time_of_event) for time_of_event in sorted(times, reverse=not ascending)
        ]


@pytest.mark.parametrize(
    ("name", "error_id"), [("streams", "invalid-request-structure"), ("types", "invalid-parameters-format")]
)
def test_more_than_20_values_of_a_key_are_no_list(reader: Caller, name: str, error_id: str) -> None:
    values = ["a"] * 20 if name == "streams" else ["note/txt"] * 20
    query: dict[str, Any] = {name: values}
    assert reader.get("events", **query)["events"]
    query[name] = [*values, values[0]]
    refused = reader.get("events", expect=400, **query)
    assert refused["error"]["id"] == error_id
    if name == "streams":
        assert reader.get("events", streams=json.dumps(values * 2))["events"]
