"""Frames of a stream are those of its events, with either decoder, wherever the network cuts the response."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.pryv.bodies import body_of, cut, odd_texts, values
from tests.pryv.wire import Wire, chunked

from pryv import Connection, EventStream, PryvStreamError
from pryv._transport import blocks, fast_json
from pryv._transport.rows import RowDecoder
from pryv.frames import iter_arrow, to_arrow, to_pandas

PATHS = ["id", "content.a", "content", "odd.x", "é", 'quo"ted', "back\\slash", "", "deleted", "streamIds"]
DELETIONS_TOO: dict[str, Any] = {"modifiedSince": 0, "includeDeletions": True}

members = st.sampled_from(
    ["time", "duration", "type", "streamIds", "content", "modified", "trashed", "tags", "é", 'quo"ted']
)
usual = {"time": 1.5, "type": "note/txt", "streamIds": ["a"], "tags": [], "createdBy": "é"}
events = st.builds(
    lambda changes: {"id": "c", **usual, **changes},
    st.dictionaries(members, values | st.lists(st.text(max_size=3), max_size=2), max_size=4)
    | st.just({"deleted": 1})
    | st.just({"deleted": None}),
)
texts = events.map(lambda event: json.dumps(event, ensure_ascii=False, separators=(",", ":")))
skipped_texts = odd_texts.map(lambda text: text.replace("content", "skipped"))
special = st.sampled_from(
    ['{"id":"a","id":"b","time":1,"time":2}', '{"\\u0069d":"a"}', '{"no":"a"}', '{"id":"a","tags":[{"id":1},{"id":2}]}']
)


@pytest.fixture(params=["msgspec", "json"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The library that is used."""
    if request.param == "json":
        monkeypatch.setitem(sys.modules, "pryv._transport.rows", None)
        monkeypatch.setattr(fast_json, "_encoder", lambda: None)
        monkeypatch.setattr("pryv._transport.members.fastest_decoder", blocks.StandardDecoder)
        monkeypatch.setattr("pryv._events.fastest_decoder", blocks.StandardDecoder)
    return str(request.param)


def outcome(frame: Callable[[Any], Any], events: Any) -> str:
    """Return the values of a frame, or the error in place of it."""
    try:
        return repr(frame(events))
    except PryvStreamError as error:
        return f"{error} {error.events_seen}"


def stream_of(body: bytes, seed: int, wire: Wire, connection: Connection) -> EventStream:
    wire.replies.append(chunked(list(cut(body, random.Random(seed), 1 << 15))))
    return connection.iter_events(DELETIONS_TOO)


FRAMES: list[Callable[[Any], Any]] = [
    lambda events: to_pandas(events).to_dict("list"),
    lambda events: to_arrow(events, PATHS).to_pydict(),
    lambda events: [batch.to_pydict() for batch in iter_arrow(events, rows=70)],
]


def check(body: bytes, seed: int, wire: Wire, connection: Connection) -> None:
    """Compare the frames of a stream with those of its events, one by one."""
    for frame in FRAMES:
        stream, other = stream_of(body, seed, wire, connection), stream_of(body, seed, wire, connection)
        found = outcome(frame, stream)
        assert found == outcome(frame, (event for event in other))
        assert (stream.events_count, stream.event_deletions_count) == (other.events_count, other.event_deletions_count)
        assert stream.meta == other.meta


FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
MANY = settings(FEW, max_examples=3000)
bodies = given(
    items=st.lists(texts | odd_texts | skipped_texts | special, max_size=12),
    deletions=st.lists(texts, max_size=4),
    times=st.integers(1, 40),
    damage=st.none() | st.tuples(st.floats(0, 1), st.sampled_from([b"\xff", b"\x00", b'"', b"}", b"0"])),
    seed=st.integers(0, 1 << 32),
)
LONG = '{"id":"a","skipped":%s}' % ("9" * 4301)


def check_body(
    wire: Wire,
    connection: Connection,
    items: list[str],
    deletions: list[str],
    times: int,
    damage: tuple[float, bytes] | None,
    seed: int,
) -> None:
    body = body_of(items * times, deletions)
    if damage is not None:
        place = int(damage[0] * (len(body) - 1))
        body = body[:place] + damage[1] + body[place + 1 :]
    check(body, seed, wire, connection)


@example(items=['{"id":"a"}', LONG, '{"id":"b"}'], deletions=[], times=3, damage=None, seed=0)
@example(items=['{"id":"a"}', '{"id":"a","tags":"éééé"}'], deletions=[], times=40, damage=(0.5, b"\xff"), seed=0)
@example(items=['{"id":"a"}', '{"skipped":1e400}', '{"content":1e400}'], deletions=[], times=40, damage=None, seed=0)
@FEW
@bodies
def test_frames_of_a_stream_are_those_of_its_events(
    wire: Wire, connection: Connection, decoder: str, **parts: Any
) -> None:
    check_body(wire, connection, **parts)


@pytest.mark.long
@MANY
@bodies
def test_frames_of_many_streams(wire: Wire, connection: Connection, decoder: str, **parts: Any) -> None:
    check_body(wire, connection, **parts)


@pytest.mark.parametrize("rows", [1, 64, 65, 700])
def test_after_some_batches_the_stream_goes_on_with_events(
    wire: Wire, connection: Connection, decoder: str, rows: int
) -> None:
    wanted: list[Any] = [{"id": f"c{number}", "tags": [number], "content": {"a": number}} for number in range(1500)]
    stream = stream_of(body_of([json.dumps(event, separators=(",", ":")) for event in wanted], []), 1, wire, connection)
    batches = iter_arrow(stream, rows=rows)
    assert [next(batches).num_rows, next(batches).num_rows] == [rows, rows]
    assert stream.events_count == 2 * rows
    assert next(stream) == wanted[2 * rows]
    assert stream.text == json.dumps(wanted[2 * rows], separators=(",", ":"))
    assert next(batches)["id"][0].as_py() == wanted[2 * rows + 1]["id"]
    assert list(stream) == wanted[3 * rows + 1 :]
    assert list(batches) == []


def test_a_stream_is_parsed_as_rows() -> None:
    rows = RowDecoder(["id", "content", "time"])
    items = rows.items(b'{"id":"a","tags":[{}],"time":1},{"content":{"a":1}}')
    assert items is not None
    assert rows.columns([*items, {"time": 2, "tags": []}]) == [("a", None, None), (None, {"a": 1}, None), (1, None, 2)]


@pytest.mark.parametrize("text", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
def test_a_member_that_is_skipped_is_utf_8(text: bytes) -> None:
    rows = RowDecoder(["id"])
    assert rows.items(b'{"skipped":"%b"}' % text) is None
    assert rows.items(b'{"%b":1}' % text) is None


@pytest.mark.parametrize("digits", [4301, 6000, 9000])
def test_an_integer_that_is_too_long_is_not_skipped(digits: int) -> None:
    rows = RowDecoder(["id"])
    for before in range(0, 9000, 7):
        source = b'{"id":"%b","skipped":%b}' % (b"x" * before, b"9" * digits)
        assert rows.items(source) is None
    assert rows.items(b'{"id":"%b","skipped":%b}' % (b"x" * 100, b"9" * 4000)) is not None
