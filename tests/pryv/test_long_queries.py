"""Queries that are too long for one request: several together find the events that one would have found."""

from __future__ import annotations

import gc
import itertools
import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.memory import traced_memory
from tests.pryv.wire import META, Reply, Wire, chunked, error_reply, reply

from pryv import ApiError, Connection, PryvProtocolError, PryvStreamError
from pryv._long_queries import MAX_QUERIES, MAX_URL, MAX_VALUES, split
from pryv._transport.urls import MAX_REPEATED, query_pairs

if TYPE_CHECKING:
    from tests.accounts import Account

COUNT = 500
STREAMS = [f"clongnamed{number:015}" for number in range(COUNT)]
"""Too many for one request, and too many for two."""
TYPES = [f"type{number}/any" for number in range(45)]
TRASHED = STREAMS[7::50]
NOBODY = ":_system:nobody"
START = 1_600_000_000


def held_by(number: int) -> list[str]:
    """Return the streams of an event: one or several, near to each other or far apart."""
    return sorted({STREAMS[number % COUNT], STREAMS[number * 7 % COUNT], STREAMS[(number * number) % COUNT]})


@pytest.fixture(scope="module")
def filled(module_account: Account) -> tuple[Connection, list[dict[str, Any]]]:
    """An account with events in very many streams, often two of one time, and all of them, the latest first."""
    connection = module_account[2]
    calls: list[Any] = [{"method": "streams.create", "params": {"id": name, "name": name}} for name in STREAMS]
    calls += [
        {
            "method": "events.create",
            "params": {
                "streamIds": held_by(number),
                "type": TYPES[number % len(TYPES)],
                "content": {"code": number % 230},
                "time": START + number * 37 % 600 // 2,
            },
        }
        for number in range(900)
    ]
    results = connection.api(calls)
    assert not [result for result in results if "error" in result]
    for result in results[-10:]:
        connection.delete(f"events/{result['event']['id']}")
        connection.delete(f"events/{result['event']['id']}")
    for name in TRASHED:
        connection.delete(f"streams/{name}")
    with connection.iter_events({"types": ["note/txt"]}) as none:
        assert list(none) == []
    events = [event for event in connection.iter_events() if not event["streamIds"][0].startswith(":")]
    assert len(events) == 890
    return connection, events  # type: ignore[return-value]


def selected(events: Iterable[dict[str, Any]], query: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events that match a query, the latest first."""
    streams = query.get("streams", STREAMS)
    for part in streams if isinstance(streams, list) and isinstance(streams[0], dict) else [streams]:
        streams = part["any"] if isinstance(part, dict) else part
    live = set(streams) - set(TRASHED)
    codes = [set(condition["in"]) for condition in query.get("content", ())]
    return [
        event
        for event in events
        if live & set(event["streamIds"])
        and event["type"] in query.get("types", TYPES)
        and all(event["content"]["code"] in values for values in codes)
    ]


QUERIES: dict[str, dict[str, Any]] = {
    "streams": {"streams": STREAMS},
    "half of the streams": {"streams": STREAMS[::2]},
    "streams in another order": {"streams": STREAMS[::-3]},
    "any": {"streams": {"any": STREAMS}},
    "one any": {"streams": [{"any": STREAMS[:400]}]},
    "types": {"types": TYPES[:41]},
    "values": {"content": [{"path": "code", "in": list(range(205))}]},
    "two lists of values": {
        "content": [{"path": "code", "in": list(range(150))}, {"path": "code", "in": list(range(50, 220))}]
    },
    "all of these": {
        "streams": STREAMS[100:400],
        "types": TYPES[3:30],
        "content": [{"path": "code", "in": list(range(120))}],
    },
}


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_several_reads_find_the_events_of_one(
    filled: tuple[Connection, list[dict[str, Any]]], query: dict[str, Any], ascending: bool
) -> None:
    connection, events = filled
    expected = selected(events, query)
    with connection.iter_events({**query, "sortAscending": ascending}) as found:
        seen = [(event, json.loads(found.text)) for event in found]
    assert sorted(event["id"] for event, _ in seen) == sorted(event["id"] for event in expected)
    times = [event["time"] for event, _ in seen]
    assert times == sorted(times, reverse=not ascending)
    assert all(event == text for event, text in seen)
    assert (found.events_count, found.event_deletions_count) == (len(expected), None)
    assert found.meta is not None
    assert found.summary().events_count == len(expected)


@settings(max_examples=40)
@given(
    query=st.sampled_from(list(QUERIES.values())),
    skip=st.sampled_from([None, 0, 1, 17, 10_000]),
    limit=st.sampled_from([None, 0, 1, 20, "7", 10_000]),
    ascending=st.booleans(),
)
def test_skip_and_limit(
    filled: tuple[Connection, list[dict[str, Any]]], query: dict[str, Any], skip: Any, limit: Any, ascending: bool
) -> None:
    connection, events = filled
    times = [event["time"] for event in selected(events, query)][:: -1 if ascending else 1]
    window = {"skip": skip, "limit": limit, "sortAscending": ascending, "fromTime": START - 1, "toTime": START + 1000}
    found = list(connection.iter_events({**query, **window}))
    end = None if limit is None else (skip or 0) + int(limit)
    assert [event["time"] for event in found] == times[skip or 0 : end]
    assert len({event["id"] for event in found}) == len(found)


@pytest.mark.parametrize("ascending", [False, True])
def test_deletions_come_once_and_last(filled: tuple[Connection, list[dict[str, Any]]], ascending: bool) -> None:
    connection, events = filled
    for query in ({"streams": STREAMS}, {"types": TYPES}):
        for window, count in (({}, 10), ({"limit": 4}, 4), ({"skip": 7}, 3), ({"skip": 2, "limit": 3}, 3)):
            params: dict[str, Any] = {**query, **window, "sortAscending": ascending}
            with connection.iter_events({**params, "modifiedSince": 0, "includeDeletions": True}) as found:
                items = list(found)
            deletions = [item["id"] for item in items if "deleted" in item]
            assert ["deleted" in item for item in items] == sorted("deleted" in item for item in items)
            assert len(deletions) == len(set(deletions)) == found.event_deletions_count == count
            expected = len(selected(events, query)[window.get("skip", 0) :][: window.get("limit")])
            assert found.events_count == len(items) - count == expected


def test_streams_of_several_stores(filled: tuple[Connection, list[dict[str, Any]]]) -> None:
    """A platform sorts the events of one store only: each read has one store, so that duplicates come in a row."""
    connection, events = filled
    fields = [":system:email", ":_system:language"]
    mixed = [*STREAMS[:200], *fields, *STREAMS[200:]]
    expected = [event["id"] for event in selected(events, {})]
    found = [event["id"] for event in connection.iter_events({"streams": mixed})]
    assert sorted(found) == sorted([*expected, *fields])
    parts = [part["streams"] for part in split({"streams": mixed}, connection.endpoint)]
    assert [part for part in parts if set(part) & set(fields)] == [[field] for field in fields]
    assert sorted(itertools.chain(*parts)) == sorted(mixed)


def test_the_latest_of_very_many_values(filled: tuple[Connection, list[dict[str, Any]]]) -> None:
    connection, events = filled
    values = [*range(-400, 600), "0", True]
    found = connection.get_latest_by_content("code", values)
    expected: dict[Any, float] = {}
    for event in events:
        expected.setdefault(event["content"]["code"], event["time"])
    assert {value: event["time"] for value, event in found.items()} == expected


# ---- what is sent


def queries_of(wire: Wire) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(request.target).query) for request in wire.requests]


def test_no_request_line_is_longer_than_proxies_accept(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"events": []})
    names = [f"{'é' * 30}{number}" for number in range(400)]
    list(connection.iter_events({"streams": names, "types": TYPES}))
    connection.get_latest_by_content("code", names, {"streams": STREAMS})
    assert max(len(f"GET {request.target} HTTP/1.1") for request in wire.requests) < 8190
    for query in queries_of(wire):
        assert len(query.get("types", ())) <= MAX_REPEATED
        assert len(query.get("streams", ())) == 1
        for condition in json.loads(query.get("content", ["[]"])[0]):
            assert len(condition["in"]) <= MAX_VALUES


def test_a_list_of_up_to_20_streams_is_sent_as_repeated_keys(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"events": []})
    list(connection.iter_events({"streams": STREAMS[:20]}))
    list(connection.iter_events({"streams": STREAMS[:21]}))
    connection.get("events", {"streams": STREAMS[:21]})
    repeated, *as_json = queries_of(wire)
    assert repeated["streams"] == STREAMS[:20]
    assert [json.loads(query["streams"][0]) for query in as_json] == [STREAMS[:21]] * 2


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"streams": ["x" * 9000]}, "streams"),
        ({"streams": ["a", "x" * 9000]}, "streams"),
        ({"streams": {"any": STREAMS, "not": ["a"]}}, "streams"),
        ({"streams": {"any": STREAMS, "all": ["a"]}}, "streams"),
        ({"streams": ["a"] * 9, "types": ["a/" + "x" * 9000]}, "types"),
        ({"content": [{"path": "x" * 9000, "eq": 1}]}, "content"),
        ({"clientData": [{"path": "x", "eq": "é" * 3000}]}, "clientData"),
        ({"clientData": [{"path": "x", "in": ["x" * 9000, "a"]}]}, "clientData"),
    ],
)
def test_queries_that_cannot_be_split_are_refused_before_any_request(
    wire: Wire, connection: Connection, params: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=f"^events.get: {name} is too long"):
        connection.iter_events(params)
    assert wire.requests == []


def test_the_number_of_requests_is_limited(wire: Wire, connection: Connection) -> None:
    with pytest.raises(ValueError, match=f"{MAX_QUERIES} is the limit"):
        connection.iter_events({"streams": [f"{name}{number}" for name in STREAMS for number in range(100)]})
    windows: list[dict[str, Any]] = [{"skip": "x"}, {"limit": [1]}]
    for window in windows:
        with pytest.raises(ValueError, match="whole numbers"):
            connection.iter_events({"streams": STREAMS, **window})
    assert wire.requests == []


@pytest.mark.parametrize("status", [414, 431])
def test_the_error_says_that_the_url_is_too_long(wire: Wire, connection: Connection, status: int) -> None:
    wire.always = reply("<html>nginx</html>", status)
    for call in (lambda: connection.get("events", {"x": "y" * 9000}), lambda: list(connection.iter_events())):
        with pytest.raises(PryvProtocolError, match=f"HTTP {status}: the URL is too long"):
            call()


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=400)
LISTS = st.fixed_dictionaries(
    {},
    optional={
        "streams": st.lists(NAMES, max_size=80) | st.fixed_dictionaries({"any": st.lists(NAMES, max_size=80)}),
        "types": st.lists(NAMES, max_size=50),
        "content": st.lists(st.fixed_dictionaries({"path": NAMES, "in": st.lists(NAMES, max_size=120)}), max_size=3),
        "fromTime": st.just(0),
        "includeDeletions": st.booleans(),
    },
)


@settings(max_examples=60)
@given(params=LISTS)
@example({"streams": STREAMS, "types": TYPES})
def test_any_query_is_split_into_queries_that_fit_and_lose_nothing(params: dict[str, Any]) -> None:
    try:
        parts = split(params, "http://host/user/events")
    except ValueError:
        return
    if len(parts) == 1:
        assert parts == [params]
    for part in parts:
        assert len("http://host/user/events?") + len(requested(part)) <= MAX_URL
        assert len(part.get("types", ())) <= MAX_REPEATED
    found = {combination for part in parts for combination in combinations(part)}
    assert found == set(combinations(params))
    assert [bool(part.get("includeDeletions")) for part in parts[1:]] == [False] * (len(parts) - 1)
    assert parts[0].get("includeDeletions") == params.get("includeDeletions")


def requested(params: dict[str, Any]) -> str:
    url = requests.Request("GET", "http://h/", params=query_pairs(params)).prepare().url
    return (url or "").partition("?")[2]


def combinations(params: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    """Yield the values of each event found: one of the streams, one of the types, one of each list of values."""
    streams = params.get("streams", ["*"])
    streams = streams["any"] if isinstance(streams, dict) else streams
    values = [condition["in"] for condition in params.get("content", ())]
    return itertools.islice(itertools.product(streams, params.get("types", ["*"]), *values), 50_000)


# ---- answers that end early


def event(number: int, **members: Any) -> dict[str, Any]:
    return {"id": f"e{number}", "time": number, **members}


def body(*events: Any, **members: Any) -> bytes:
    return json.dumps({"events": list(events), "meta": META, **members}).encode()


def test_a_failure_of_one_read_ends_them_all(wire: Wire, connection: Connection) -> None:
    many = [event(number, content="x" * 1000) for number in range(2000, 0, -1)]
    whole = reply(body(*many))
    cut = Reply(whole.data[: len(whole.data) // 2], "close")
    for replies in ([whole, whole, cut], [cut, whole, whole]):
        wire.replies.extend(replies)
        stream = connection.iter_events({"streams": STREAMS})
        with pytest.raises(PryvStreamError) as failed:
            list(stream)
        assert failed.value.events_seen == stream.events_count > 900
        assert wire.wait_until_open(0)
        wire.replies.clear()
    wire.replies.extend([whole, error_reply(403, "forbidden")])
    with pytest.raises(ApiError, match="forbidden"):
        list(connection.iter_events({"streams": STREAMS}))
    assert wire.wait_until_open(1)  # that of the error, which was read to its end


@pytest.mark.parametrize(
    "bad", [{"id": "x"}, {"time": 5}, {"id": 5, "time": 5}, {"id": "x", "time": "5"}, {"id": "x", "time": None}, None]
)
def test_events_that_cannot_be_sorted_are_a_stream_error(wire: Wire, connection: Connection, bad: Any) -> None:
    wire.replies.extend([reply(body(event(9), bad)), reply(body(event(8))), reply(body())])
    stream = connection.iter_events({"streams": STREAMS})
    assert dict(next(stream)) == event(9)
    with pytest.raises(PryvStreamError) as failed:
        next(stream)
    assert failed.value.events_seen == 1


@pytest.mark.parametrize("end", [lambda stream: stream.close(), lambda stream: None])
def test_reads_ended_early_free_their_sockets(wire: Wire, connection: Connection, end: Callable[[Any], None]) -> None:
    wire.always = reply(body(*(event(number, content="x" * 1000) for number in range(5000, 0, -1))))
    stream = connection.iter_events({"streams": STREAMS})
    assert wire.requests == []
    assert next(stream)["id"] == "e5000"
    assert len(wire.requests) == 3
    end(stream)
    del stream
    gc.collect()
    assert wire.wait_until_open(0)


def test_memory_does_not_grow_with_the_number_of_events(wire: Wire, connection: Connection) -> None:
    def peak(count: int) -> int:
        for _ in range(3):
            events = (json.dumps(event(count - number, content="y" * 300)).encode() for number in range(count))
            text = b'{"events": [%b], "meta": {"serverTime": 1}}' % b",".join(events)
            wire.replies.append(chunked([text[start : start + 9999] for start in range(0, len(text), 9999)]))
        with traced_memory() as memory, connection.iter_events({"streams": STREAMS}) as stream:
            assert sum(1 for _ in stream) == count
            return memory()[1]

    peak(500)
    assert peak(12_000) < peak(1000) + 800_000
