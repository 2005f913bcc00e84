"""Events read as they arrive: whole, in order, wherever the network cuts them."""

from __future__ import annotations

import gc
import itertools
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.memory import traced_memory
from tests.pryv.wire import META, Reply, Wire, chunked, error_reply, reply

from pryv import (
    ApiError,
    Connection,
    ForbiddenError,
    PryvConnectionError,
    PryvProtocolError,
    PryvStreamError,
    ServerError,
    StreamedEvents,
    UnknownResourceError,
)

if TYPE_CHECKING:
    from tests.accounts import Account

EVENTS: list[dict[str, Any]] = [
    {"id": "a", "content": 'Été 😀 \\ " \n', "streamIds": ["x", "y"], "time": 1.5},
    {"id": "b", "content": {"events": [{"id": "no"}], "meta": {"serverTime": 0}, "eventDeletions": [1]}},
    {"id": "c", "content": None, "clientData": {"events.item": [[[{}]]]}, "trashed": True},
    {},
]
DELETIONS: list[dict[str, Any]] = [{"id": "d", "deleted": 2.25}, {"id": "e", "deleted": 3}]


def body_of(**members: Any) -> bytes:
    return json.dumps({"events": EVENTS, "eventDeletions": DELETIONS, "meta": META, **members}).encode()


def read(connection: Connection, params: dict[str, Any] | None = None) -> tuple[list[Any], PryvStreamError | None]:
    """Read to the end, and return the items and the error that ended the read."""
    seen: list[Any] = []
    try:
        seen.extend(iter_into(connection, params, seen))
    except PryvStreamError as error:
        return seen, error
    return seen, None


def iter_into(connection: Connection, params: dict[str, Any] | None, seen: list[Any]) -> list[Any]:
    with connection.iter_events(params) as events:
        for event in events:
            seen.append(event)  # noqa: PERF402  (what came before an error counts)
    return []


DELETIONS_TOO: dict[str, Any] = {"includeDeletions": True, "modifiedSince": 0}


def complete_within(body: bytes, cut: int) -> list[Any]:
    """Return the events and deletions whose last byte is among the first `cut`."""
    decoder = json.JSONDecoder()
    text = body.decode()
    found = []
    for key in ("events", "eventDeletions"):
        position = (text.index if key == "events" else text.rindex)(f'"{key}": [') + len(key) + 5
        while text[position] != "]":
            item, position = decoder.raw_decode(text, position)
            if position <= cut:
                found.append(item)
            if text[position] == ",":
                position += 2
    return found


BODY = json.dumps(
    {
        "events": [{"a": 'é😀\\" \n'}, {"a": {"events": [{"b": -1.5e-7}]}}],
        "eventDeletions": [{"id": "d"}],
        "meta": {"serverTime": 1},
    }
).encode()


@pytest.mark.parametrize("cut", range(len(BODY)))
def test_a_read_cut_at_any_byte_gives_exactly_the_events_that_were_whole(
    wire: Wire, connection: Connection, cut: int
) -> None:
    complete = complete_within(BODY, cut)
    head, _, _ = reply(BODY).data.partition(b"\r\n\r\n")
    for answer in (
        Reply(head + b"\r\n\r\n" + BODY[:cut], "close"),
        Reply(b"HTTP/1.1 200 OK\r\n\r\n" + BODY[:cut], "close"),
        chunked([BODY[: cut // 2], BODY[cut // 2 : cut]], end=b"", then="close"),
        chunked([BODY[:cut]]),
    ):
        wire.replies.append(answer)
        seen, error = read(connection, DELETIONS_TOO)
        assert seen == complete
        assert error is not None
        assert error.events_seen == len(seen)
        assert error.retryable
    assert connection.get("streams")


def test_a_reset_in_the_middle_of_a_read(wire: Wire, connection: Connection) -> None:
    events = [{"id": str(number), "content": "x" * 1000} for number in range(2000)]
    body = body_of(events=events)
    wire.replies.append(Reply(reply(body).data[: len(body) // 2], "reset"))
    seen, error = read(connection)
    assert error is not None
    assert error.events_seen == len(seen)
    assert seen == events[: len(seen)]
    wire.replies.append(reply(body))
    assert read(connection) == (events, None)


CHARACTERS = st.characters(codec="utf-8")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(CHARACTERS),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(["events", "item", "meta", "eventDeletions", "events.item", ""])
            | st.text(CHARACTERS, max_size=5),
            children,
            max_size=4,
        )
    ),
    max_leaves=12,
)
EVENT_LISTS = st.lists(st.dictionaries(st.text(CHARACTERS, max_size=8), JSON_VALUES))


@settings(max_examples=50)
@given(
    events=EVENT_LISTS,
    deletions=EVENT_LISTS,
    order=st.permutations(["events", "eventDeletions", "meta"]),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 0, 2]),
    cuts=st.lists(st.integers(0, 3000), max_size=30),
)
@example([{"content": "é😀"}], [], ["events", "eventDeletions", "meta"], False, None, list(range(3000)))
@example(EVENTS, DELETIONS, ["meta", "eventDeletions", "events"], True, 2, list(range(3000)))
def test_any_response_in_any_chunks_is_read_as_json_reads_it(
    wire: Wire,
    connection: Connection,
    events: list[Any],
    deletions: list[Any],
    order: list[str],
    ascii_only: bool,
    indent: int | None,
    cuts: list[int],
) -> None:
    parts = {"events": events, "eventDeletions": deletions, "meta": META}
    body = json.dumps({key: parts[key] for key in order}, ensure_ascii=ascii_only, indent=indent).encode()
    edges = [0, *sorted({cut for cut in cuts if cut < len(body)}), len(body)]
    wire.replies.append(chunked([body[start:end] for start, end in itertools.pairwise(edges)]))
    with connection.iter_events(DELETIONS_TOO) as found:
        seen = list(found)
    expected = json.loads(body)
    in_order = [item for key in order if key != "meta" for item in expected[key]]
    assert repr(seen) == repr(in_order)
    assert (found.events_count, found.event_deletions_count) == (len(events), len(deletions))
    assert found.meta == META


@settings(max_examples=50)
@given(
    items=st.fixed_dictionaries({"events": EVENT_LISTS, "eventDeletions": EVENT_LISTS}),
    order=st.permutations(["events", "eventDeletions", "meta"]),
    ascii_only=st.booleans(),
    data=st.data(),
)
def test_any_response_cut_anywhere_yields_exactly_the_whole_events(
    wire: Wire,
    connection: Connection,
    items: dict[str, list[Any]],
    order: list[str],
    ascii_only: bool,
    data: st.DataObject,
) -> None:
    body, ends = b"", []
    for key in order:
        body += b'%s"%s":' % (b"," if body else b"{", key.encode())
        if key == "meta":
            body += json.dumps(META).encode()
            continue
        for number, item in enumerate(items[key]):
            body += (b"," if number else b"[") + json.dumps(item, ensure_ascii=ascii_only).encode()
            ends.append((item, len(body)))
        body += b"]" if items[key] else b"[]"
    cut = data.draw(st.integers(0, len(body)), "cut")
    edges = [0, *sorted(data.draw(st.lists(st.integers(0, cut), max_size=10), "edges")), cut]
    pieces = [body[start:end] for start, end in itertools.pairwise(edges)]
    wire.replies.append(chunked(pieces, end=data.draw(st.sampled_from([b"", b"0\r\n\r\n"])), then="close"))
    seen, error = read(connection, DELETIONS_TOO)
    assert repr(seen) == repr([item for item, end in ends if end <= cut])
    assert error is not None
    assert error.events_seen == len(seen)


ODD_VALUES = [
    r'"\ud800"',
    r'"\udc00x"',
    r'"\ud83d\ud83d\ude00"',
    r'"\u0000"',
    "9" * 22,
    "-0",
    "1E400",
    '{"a": 1, "a": 2}',
]


@pytest.mark.parametrize("value", ODD_VALUES)
def test_odd_values_are_read_as_json_reads_them(wire: Wire, connection: Connection, value: str) -> None:
    body = f'{{"events": [{{"content": {value}}}], "meta": {{"serverTime": 1}}}}'.encode()
    for cut in range(1, len(body)):
        wire.replies.append(chunked([body[:cut], body[cut:]]))
        assert repr(read(connection)) == repr((json.loads(body)["events"], None))


def test_numbers_and_words_in_pieces_stay_whole(wire: Wire, connection: Connection) -> None:
    body = b'{"events": [{"a": 12.5e3, "b": -70, "c": true, "d": null}], "x": 1.5, "meta": {"serverTime": 12}}'
    for cut in range(1, len(body)):
        wire.replies.append(chunked([body[:cut], body[cut:]]))
        assert read(connection) == ([{"a": 12500.0, "b": -70, "c": True, "d": None}], None)


@pytest.mark.parametrize("body", [b'{"meta": {"serverTime": 1}}', b'{"eventDeletions": [], "meta": {"serverTime": 1}}'])
def test_a_response_may_lack_events_if_all_streams_are_in_the_trash(
    body: bytes, wire: Wire, connection: Connection
) -> None:
    wire.replies.append(chunked([body]))
    assert read(connection) == ([], None)


MALFORMED = {
    "html": b"<html></html>",
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "no meta": b'{"events": [{"id": "a"}]}',
    "meta null": b'{"events": [{"id": "a"}], "meta": null}',
    "meta a number": b'{"events": [{"id": "a"}], "meta": 5}',
    "events null": b'{"events": null, "meta": {"serverTime": 1}}',
    "events an object": b'{"events": {"id": "a"}, "meta": {"serverTime": 1}}',
    "deletions null": b'{"events": [], "eventDeletions": null, "meta": {"serverTime": 1}}',
    "Infinity": b'{"events": [{"id": "a", "content": Infinity}], "meta": {}}',
    "NaN": b'{"events": [{"id": "a", "content": NaN}], "meta": {}}',
    "endless number": b'{"events": [{"id": "a", "content": ' + b"1" * 5000 + b'}], "meta": {}}',
    "broken utf-8": b'{"events": [{"id": "\xc3("}], "meta": {}}',
    "latin-1": b'{"events": [{"id": "\xe9"}], "meta": {}}',
    "utf-16": body_of().decode().encode("utf-16"),
    "garbage after": body_of() + b"garbage",
    "twice": body_of() + body_of(),
    "missing comma": b'{"events": [{"id": "a"} {"id": "b"}], "meta": {}}',
    "mismatched": b'{"events": [{"id": "a"]}, "meta": {}}',
    "never closed": b'{"events": ' + b"[" * 100_000,
    "deep": b'{"events": [{"content": ' + b"[" * 100_000 + b"]" * 100_000 + b'}], "meta": {"serverTime": 1}}',
    "deep objects": b'{"events": [' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b'], "meta": {"serverTime": 1}}',
    "keys that are no strings": b'{"events": [], 5: 1, "meta": {}}',
    "half a number": b'{"events": [1',
    "half a word": b'{"events": [tru',
    "an error in place of events": b'{"error": {"id": "unexpected-error", "message": "no"}}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_response_is_a_stream_error(wire: Wire, connection: Connection, body: bytes) -> None:
    wire.replies.append(reply(body))
    seen, error = read(connection)
    assert error is not None
    assert error.events_seen == len(seen)
    assert connection.get("streams")


@pytest.mark.parametrize("events", [{}, {"events": [{"id": "a"}]}], ids=["instead", "after events"])
def test_an_error_after_the_status_was_sent_is_an_api_error(
    wire: Wire, connection: Connection, events: dict[str, Any]
) -> None:
    wire.replies.append(reply({**events, "error": {"id": "forbidden", "message": f"No, {connection.token}."}}))
    with pytest.raises(ForbiddenError) as refused:
        list(connection.iter_events())
    assert refused.value.status == 200
    assert str(connection.token) not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "error_id", "error"),
    [(400, "x", ApiError), (403, "forbidden", ForbiddenError), (404, "unknown-resource", UnknownResourceError)],
)
def test_a_refused_read_is_an_api_error(
    wire: Wire, connection: Connection, status: int, error_id: str, error: type[ApiError]
) -> None:
    wire.replies.append(error_reply(status, error_id))
    with pytest.raises(error) as failed:
        list(connection.iter_events())
    assert (failed.value.id, failed.value.status) == (error_id, status)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206, 299])
def test_another_success_status_is_a_protocol_error(wire: Wire, connection: Connection, status: int) -> None:
    wire.always = reply(b"" if status == 204 else body_of(), status)
    for _ in range(3):
        with pytest.raises(PryvProtocolError, match=str(status)):
            list(connection.iter_events())
    assert wire.connections == 1


def test_a_read_that_fails_before_its_first_event_is_retried(wire: Wire, connection: Connection) -> None:
    wire.replies.extend([error_reply(503, "x"), Reply(b"", "reset"), reply(body_of())])
    assert read(connection) == (EVENTS, None)
    wire.always = error_reply(503, "x")
    with pytest.raises(ServerError):
        list(connection.iter_events())
    wire.always = Reply(b"", "reset")
    with pytest.raises(PryvConnectionError):
        list(connection.iter_events())


def test_events_are_yielded_before_the_response_is_complete(wire: Wire, connection: Connection) -> None:
    body = body_of()
    for cut in (body.index(b"}") + 1, body.index(b'"id": "b"')):
        wire.replies.append(Reply(reply(body).data[: cut - len(body)], "hang"))
        with connection.iter_events() as events:
            assert dict(next(events)) == EVENTS[0]


def test_a_large_event_is_yielded_if_the_response_is_cut_after_it(wire: Wire, connection: Connection) -> None:
    large = {"content": [{"a": 1.5}] * 60_000}
    body = body_of(events=[large, large])
    wire.replies.append(Reply(reply(body).data[: -len(body) // 3], "close"))
    seen, error = read(connection)
    assert seen == [large]
    assert error is not None


def test_a_silent_server_ends_the_read(wire: Wire) -> None:
    wire.always = Reply(reply(body_of()).data[:-20], "hang")
    with wire.connection(timeout=0.6) as connection:
        seen, error = read(connection)
    assert seen == EVENTS
    assert error is not None
    assert error.events_seen == len(EVENTS)


def test_a_slow_read_is_not_ended(wire: Wire) -> None:
    events = [{"content": "x" * 30}] * 8
    head, body = reply(body_of(events=events)).data.split(b"\r\n\r\n")
    wire.replies.append(Reply(body, interval=0.005, at_once=head + b"\r\n\r\n"))
    with wire.connection(timeout=2) as connection:
        begin = time.monotonic()
        assert read(connection) == (events, None)
        assert time.monotonic() - begin > 2


def test_deletions_come_only_if_asked_for(wire: Wire, connection: Connection) -> None:
    wire.always = reply(body_of())
    with connection.iter_events() as events:
        assert list(events) == EVENTS
    assert events.event_deletions_count is None
    with connection.iter_events(DELETIONS_TOO) as events:
        assert list(events) == [*EVENTS, *DELETIONS]
    assert (events.events_count, events.event_deletions_count) == (len(EVENTS), len(DELETIONS))
    assert events.meta == META
    assert connection.delta_time == 0


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_the_text_of_each_item_is_what_was_sent(wire: Wire, connection: Connection, size: int) -> None:
    texts = ['{"id" : "a","content":1.50e3}', '{"content":"\\u00e9é\\ud800"}', f'{{"n":[{2**70}],"s":"{"x" * 500}"}}']
    body = f'{{ "meta":{json.dumps(META)},"events":[{" , ".join(texts)}],"eventDeletions":[{{"id":"d"}}]}}'.encode()
    wire.replies.append(chunked([body[start : start + size] for start in range(0, len(body), size)]))
    with connection.iter_events(DELETIONS_TOO) as events:
        assert events.text == ""
        assert [events.text for _ in events] == [*texts, '{"id":"d"}']


def test_an_event_stream_is_its_own_iterator(wire: Wire, connection: Connection) -> None:
    wire.always = reply(body_of())
    events = connection.iter_events()
    assert isinstance(events, Iterator)
    iterator = iter(events)
    assert next(iterator) == EVENTS[0]
    assert iterator.events_count == 1  # type: ignore[attr-defined]
    assert list(iterator) == EVENTS[1:]
    assert iterator.meta == META  # type: ignore[attr-defined]
    assert list(iterator) == []


def test_no_request_is_made_before_the_first_event_is_asked_for(wire: Wire, connection: Connection) -> None:
    with connection.iter_events():
        pass
    connection.iter_events().close()
    assert wire.requests == []


def test_a_read_ended_early_frees_its_socket(wire: Wire, connection: Connection) -> None:
    events = [{"id": str(number), "content": "x" * 1000} for number in range(5000)]
    wire.always = reply(body_of(events=events))
    with connection.iter_events() as stream:
        assert dict(next(stream)) == events[0]
    assert wire.wait_until_open(0)
    stream = connection.iter_events()
    next(stream)
    stream.close()
    assert wire.wait_until_open(0)
    assert list(stream) == []
    stream = connection.iter_events()
    next(stream)
    del stream
    gc.collect()
    assert wire.wait_until_open(0)
    with pytest.raises(ValueError, match="end"):
        connection.iter_events().summary()


def test_a_handler_s_exception_ends_the_read(wire: Wire, connection: Connection) -> None:
    wire.always = reply(body_of(events=[{"content": "x" * 1000}] * 5000))
    with pytest.raises(ZeroDivisionError):
        connection.get_events_streamed(None, lambda event: 1 / 0)
    assert wire.wait_until_open(0)


def test_get_events_streamed_returns_counts(wire: Wire, connection: Connection) -> None:
    wire.always = reply(body_of())
    seen: list[Any] = []
    assert connection.get_events_streamed({}, seen.append) == StreamedEvents(len(EVENTS), None, META)  # type: ignore[arg-type]
    assert seen == EVENTS
    summary = connection.get_events_streamed(DELETIONS_TOO, seen.append)
    assert (summary.events_count, summary.event_deletions_count) == (len(EVENTS), len(DELETIONS))


def test_the_handler_of_get_events_streamed_is_callable(wire: Wire, connection: Connection) -> None:
    async def asynchronous(event: Any) -> None:
        pytest.fail("nothing awaits this")

    handlers: list[Any] = [None, "print", 5, asynchronous]
    for handler in handlers:
        with pytest.raises(TypeError, match="for_each_event is "):
            connection.get_events_streamed({}, handler)
    assert wire.requests == []


@pytest.mark.parametrize("params", ["streams=a", 5, ["a"], {1: 2}, {"limit": object()}, {"fromTime": float("nan")}])
def test_bad_parameters_are_refused_before_any_request(wire: Wire, connection: Connection, params: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        connection.iter_events(params)
    assert wire.requests == []


@pytest.mark.parametrize(
    ("params", "query"),
    [
        (None, {"fromTime", "toTime"}),
        ({"fromTime": 5}, {"fromTime", "toTime"}),
        ({"toTime": 5}, {"fromTime", "toTime"}),
        ({"limit": 5}, {"limit"}),
        ({"limit": 5, "fromTime": 1}, {"limit", "fromTime"}),
        ({"limit": None, "fromTime": None}, {"fromTime", "toTime"}),
    ],
)
def test_missing_bounds_are_open_unless_there_is_a_limit(
    wire: Wire, connection: Connection, params: dict[str, Any] | None, query: set[str]
) -> None:
    wire.always = reply(body_of())
    list(connection.iter_events(params))
    _, _, text = wire.requests[0].target.partition("?")
    assert {pair.partition("=")[0] for pair in text.split("&")} == query


def test_memory_does_not_grow_with_the_number_of_events(wire: Wire, connection: Connection) -> None:
    def peak(count: int) -> int:
        event = json.dumps({"id": "x", "content": "y" * 500}).encode()
        piece = b",".join([event] * 100)
        pieces = [b'{"events": [', *([piece + b","] * (count // 100 - 1)), piece, b'], "meta": {"serverTime": 1}}']
        wire.replies.append(chunked(pieces))
        with traced_memory() as memory, connection.iter_events() as events:
            assert sum(1 for _ in events) == count
            return memory()[1]

    peak(1000)
    assert peak(40_000) < peak(2000) + 500_000


def test_an_empty_list_of_streams_yields_no_events(module_account: Account) -> None:
    _, _, connection = module_account
    connection.post("streams", {"id": "some", "name": "some"})
    connection.post("events", {"streamIds": ["some"], "type": "note/txt", "content": "x"})
    assert connection.api_one("events.get", {"streams": []}, "events") == []
    assert connection.get("events", {"streams": []})["events"] == []
    assert list(connection.iter_events({"streams": []})) == []
    assert list(connection.iter_events({"streams": [], **DELETIONS_TOO})) == []
    assert len(list(connection.iter_events({"streams": ["some"], "types": []}))) == 1


def test_events_are_read_whatever_their_time(module_account: Account) -> None:
    """Milliseconds, microseconds and nanoseconds in place of seconds, and what the platform takes beyond."""
    _, _, connection = module_account
    connection.post("streams", {"id": "clock", "name": "Clock"})
    times = [-1e300, -1.7e18, -1e15 - 1, 0, 1.7e12, 1e15 + 1, 1.7e15, 1.7e18, 2**63, 1e300]
    for time_of_event in times:
        connection.post("events", {"streamIds": ["clock"], "type": "note/txt", "content": "x", "time": time_of_event})
    bounds: list[dict[str, Any]] = [{}, {"fromTime": -1e300}]
    for params in bounds:
        query = {"streams": ["clock"], "sortAscending": True, **params}
        seen = [event["time"] for event in connection.iter_events(query)]
        assert seen == [pytest.approx(time_of_event) for time_of_event in times]


def test_events_of_a_platform_are_read_from_beginning_to_end(module_account: Account) -> None:
    _, _, connection = module_account
    connection.post("streams", {"id": "diary", "name": "Diary"})
    times = [-1e9, 0, 1.5, 1.7e9, 4e9]
    calls = [
        {
            "method": "events.create",
            "params": {"streamIds": ["diary"], "type": "note/txt", "time": time, "content": f"é {index}"},
        }
        for index, time in enumerate(times * 10)
    ]
    created = [result["event"] for result in connection.api(calls)]
    with connection.iter_events({"streams": ["diary"], "sortAscending": True}) as events:
        seen = list(events)
    assert sorted(event["id"] for event in seen) == sorted(event["id"] for event in created)
    assert [event["time"] for event in seen] == sorted(times * 10)
    assert events.events_count == 50
    assert events.meta is not None
    for event in created[:2]:
        connection.delete(f"events/{event['id']}")
        connection.delete(f"events/{event['id']}")
    with connection.iter_events({"streams": ["diary"], "modifiedSince": 0, "includeDeletions": True}) as events:
        rest = list(events)
    assert {item["id"] for item in rest if "deleted" in item} >= {event["id"] for event in created[:2]}
    assert events.events_count == 48
    assert events.event_deletions_count == 2
    with pytest.raises(ApiError):
        list(connection.iter_events({"streams": ["no-such-stream"]}))
