"""Limits in size and rate: their arguments, and the responses that they refuse."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.memory import traced_memory
from tests.pryv.wire import META, Reply, Wire, chunked, reply
from tests.waiting import within

from pryv import (
    Connection,
    Limits,
    PryvConnectionError,
    PryvStreamError,
    PryvTimeoutError,
    ResponseTooLargeError,
    Service,
    addons,
)
from pryv._transport.limits import parsed_size

SIZES = ["response", "event", "frame"]


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", ["1", 1.0, True, float("inf"), object()])
def test_a_size_is_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"Limits\.{name}"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [0, -1])
def test_a_size_is_positive(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"Limits\.{name}"):
        Limits(**{name: value})


@pytest.mark.parametrize("value", ["1", None, True])
def test_a_rate_is_a_number(value: Any) -> None:
    with pytest.raises(TypeError, match="rate"):
        Limits(rate=value)


@pytest.mark.parametrize("value", [-1, float("inf"), float("nan")])
def test_a_rate_is_finite(value: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        Limits(rate=value)


@pytest.mark.parametrize("limits", [None, 5, {"response": 5}, Limits])
def test_limits_are_limits(limits: Any) -> None:
    for make in (Connection, Service):
        with pytest.raises(TypeError, match="Limits"):
            make("https://host/", limits=limits)


def test_a_service_and_its_connections_have_the_same_limits() -> None:
    limits = Limits(response=1000, event=None)
    with Service("https://host/service/info", limits=limits) as service:
        assert addons.limits(service._connection("https://token@host/")) is limits
    with Connection("https://token@host/", limits=limits) as connection:
        assert addons.limits(connection.service._connection("https://token@host/")) is limits
        assert addons.limits(pickle.loads(pickle.dumps(connection))) == limits


def test_limits_have_defaults(wire: Wire) -> None:
    with wire.connection() as connection:
        assert addons.limits(connection) == Limits()
    assert all(attrs.asdict(Limits()).values())


# What is too large


def compressed(body: bytes, *codings: str) -> bytes:
    """Return a body with content codings applied."""
    for coding in codings:
        if coding == "br":
            body = pytest.importorskip("brotli").compress(body, quality=1)
        else:
            packer = zlib.compressobj(1, zlib.DEFLATED, {"gzip": 31, "deflate": 15, "raw deflate": -15}[coding])
            body = packer.compress(body) + packer.flush()
    return body


def encoded(body: bytes, *codings: str) -> Reply:
    """Return a reply with content codings applied to its body."""
    named = ", ".join(coding.removeprefix("raw ") for coding in codings)
    return reply(compressed(body, *codings), headers={"Content-Encoding": named})


def padded(size: int) -> bytes:
    """Return a result of so many bytes."""
    body = json.dumps({"streams": [], "results": [{}], "meta": META})
    return body[:-1].encode().ljust(size - 1) + b"}"


def bytes_held_by(error: BaseException) -> int:
    """Return how many bytes the variables in the traceback of an exception hold."""
    values = [value for frame, _ in traceback.walk_tb(error.__traceback__) for value in frame.f_locals.values()]
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return sum(len(item) for item in items if isinstance(item, bytes))


CODINGS: list[tuple[str, ...]] = [
    (),
    ("gzip",),
    ("deflate",),
    ("raw deflate",),
    ("gzip", "gzip"),
    ("deflate", "gzip", "gzip"),
]


@pytest.mark.parametrize("codings", CODINGS)
@pytest.mark.parametrize("call", ["get", "post", "put", "delete", "api"])
def test_the_size_of_a_response_is_limited(wire: Wire, call: str, codings: tuple[str, ...]) -> None:
    def make(connection: Connection) -> Any:
        return connection.api([{"method": "streams.get"}]) if call == "api" else getattr(connection, call)("streams")

    with wire.connection(limits=Limits(response=200_000)) as connection:
        wire.replies.append(encoded(padded(200_000), *codings))
        assert make(connection)
        for size in (200_001, 5_000_000):
            wire.replies.append(encoded(padded(size), *codings))
            with pytest.raises(ResponseTooLargeError, match=r"200000 bytes.*Limits\.response") as failed:
                make(connection)
            assert not failed.value.retryable
            assert bytes_held_by(failed.value) < 1000
        assert len(wire.requests) == 3
        assert connection.get("streams")


@pytest.mark.parametrize("status", [302, 400, 404, 421, 500, 503])
def test_the_size_of_an_error_response_is_limited(wire: Wire, status: int) -> None:
    wire.always = reply(b" " * 1001, status)
    with wire.connection(limits=Limits(response=1000)) as connection, pytest.raises(ResponseTooLargeError):
        connection.get("streams")
    assert len(wire.requests) == 1


def test_the_size_of_a_service_info_is_limited(wire: Wire) -> None:
    wire.always = reply(b" " * 1001)
    with Service(wire.url, limits=Limits(response=1000)) as service, pytest.raises(ResponseTooLargeError):
        service.info()


def test_a_limit_can_be_turned_off(wire: Wire) -> None:
    nested = b'{"a":[' + b"[]" + b",[]" * 400_000 + b'],"events":[{"a":[0' + b",0" * 6_000_000
    wire.always = reply(nested + b']}],"meta":{"serverTime":1}}')
    unlimited = Limits(response=None, event=None)
    with wire.connection(limits=unlimited) as connection:
        assert len(connection.get("events")["a"]) == 400_001
        assert [len(event["a"]) for event in connection.iter_events()] == [6_000_001]  # type: ignore[typeddict-item]


def typical(count: int) -> bytes:
    """Return so many events as a platform sends them."""
    event = {
        "id": "c" * 25,
        "streamIds": ["body"],
        "type": "mass/kg",
        "time": 1700000000.5,
        "content": 61.2,
        "tags": [],
        "created": 1700000000.123,
        "createdBy": "c" * 25,
        "modified": 1700000000.123,
        "modifiedBy": "c" * 25,
    }
    one = json.dumps(event, separators=(",", ":"))
    return f'{{"events":[{",".join([one] * count)}],"meta":{json.dumps(META)}}}'.encode()


def test_ordinary_responses_are_below_the_limits(wire: Wire, connection: Connection) -> None:
    wire.always = reply(typical(120_000))
    assert len(connection.get("events")["events"]) == 120_000
    assert sum(1 for _ in connection.iter_events()) == 120_000


def test_the_parsed_size_of_a_response_is_limited(wire: Wire) -> None:
    wire.always = reply(b'{"a":[[]' + b",[]" * 500_000 + b'],"meta":{"serverTime":1}}')
    message = r"8000000 bytes once it is parsed, 4 times Limits\.response"
    with (
        wire.connection(limits=Limits(response=2_000_000)) as tight,
        pytest.raises(ResponseTooLargeError, match=message),
    ):
        tight.get("events")
    with wire.connection() as connection:
        assert connection.get("events")


def test_the_parsed_size_of_an_event_is_limited(wire: Wire) -> None:
    wire.always = reply(b'{"events":[{"a":[[]' + b",[]" * 500_000 + b']}],"meta":{}}')
    tight, roomy = Limits(event=2_000_000), Limits(event=5_000_000)
    with wire.connection(limits=tight) as connection, pytest.raises(ResponseTooLargeError, match=r"Limits\.event"):
        list(connection.iter_events())
    with wire.connection(limits=roomy) as connection:
        assert len(list(connection.iter_events())) == 1


@pytest.mark.parametrize("limit", [100, 70_000, 200_000])
@pytest.mark.parametrize("piece", [7, 1000, 1 << 17])
def test_the_size_of_an_event_is_limited(wire: Wire, limit: int, piece: int) -> None:
    def answer(size: int) -> Reply:
        event = b'{"content":"%s"}' % (b"x" * (size - 14))
        assert len(event) == size
        body = b'{"events":[{},%s,{}],"meta":{}}' % event
        return chunked([body[start : start + piece] for start in range(0, len(body), piece)])

    with wire.connection(limits=Limits(event=limit)) as connection:
        wire.replies.append(answer(limit))
        assert len(list(connection.iter_events())) == 3
        for size in (limit + 1, limit * 3):
            wire.replies.append(answer(size))
            events = connection.iter_events()
            with pytest.raises(ResponseTooLargeError, match=rf"{limit} bytes \(Limits\.event\)"):
                list(events)
            assert events.events_count == 1
        assert connection.get("streams")
    assert wire.connections == 3


ENDLESS = {
    "an event": b'{"events":[{"content":"' + b"x" * 5000,
    "a list": b'{"events":[[' + b"[]," * 2000,
    "a number": b'{"events":[{"content":' + b"1" * 4000,
    "space before an event": b'{"events":[' + b" " * 5000,
    "space after an event": b'{"events":[{}' + b"\n" * 5000,
    "space at the start": b"\t" * 5000,
    "space at the end": b'{"events":[],"meta":{}}' + b" " * 5000,
    "a key": b'{"' + b"x" * 5000,
    "another member": b'{"events":[],"meta":{"a":"' + b"x" * 5000,
    "a deletion": b'{"events":[],"eventDeletions":[{"id":"' + b"x" * 5000,
}


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS.keys())
@pytest.mark.parametrize("piece", [100, 10_000])
def test_endless_values_and_whitespace_are_refused(wire: Wire, body: bytes, piece: int) -> None:
    parts = [body[start : start + piece] for start in range(0, len(body), piece)]
    wire.always = chunked(parts, end=b"", then="hang")
    with (
        within(5),
        wire.connection(limits=Limits(event=1000)) as connection,
        pytest.raises(ResponseTooLargeError, match=r"Limits\.event"),
    ):
        list(connection.iter_events({"includeDeletions": True}))


SHAPES: dict[str, Callable[[int], str]] = {
    "lists": lambda n: "[" + "[]," * n + "0]",
    "lists of one": lambda n: "[" + "[0]," * n + "0]",
    "pairs of lists": lambda n: "[" + "[[],[]]," * n + "0]",
    "objects": lambda n: "[" + "{}," * n + "0]",
    "objects of one": lambda n: "[" + '{"":0},' * n + "0]",
    "texts": lambda n: "[" + '"ab",' * n + "0]",
    "integers": lambda n: "[" + "300," * n + "0]",
    "numbers": lambda n: "[" + "1e9," * n + "0]",
    "keys": lambda n: "{" + ",".join(f'"{i:x}":0' for i in range(n)) + "}",
    "objects of keys": lambda n: "[" + ",".join(f'{{"{i:x}":0}}' for i in range(n)) + "]",
    "a text": lambda n: '"' + "x" * n + '"',
    "a text beyond ASCII": lambda n: '"' + "é" * n + '中"',
    "a text of 32 bits": lambda n: '"' + "x" * n + '😀"',
    "points": lambda n: "[" + ",".join(f"[{i}.5,{i % 7}]" for i in range(n)) + "]",
    "events": lambda n: typical(n // 10).decode(),
}


def memory_of(text: str) -> int:
    """Return the bytes that a text takes, and at most what is made of it."""
    with traced_memory() as memory:
        assert json.loads(text)
        return memory()[1] + sys.getsizeof(text)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_the_memory_of_json_is_estimated(shape: Callable[[int], str]) -> None:
    text = shape(50_000)
    assert 0.5 < parsed_size(text.encode()) / memory_of(text) < 3.5


@settings(max_examples=20)
@given(
    st.recursive(
        st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    )
)
def test_the_memory_of_any_json_is_estimated(value: Any) -> None:
    text = json.dumps([value] * 1000, ensure_ascii=False)
    assert parsed_size(text.encode(errors="replace")) > 0.5 * memory_of(text)


def endless_text(*codings: str) -> Reply:
    """Return a reply with 300 MB of text, with content codings applied."""
    return encoded(b'{"events":[{"content":"' + b"x" * 300_000_000, *codings)


BOMBS = {
    "gzip": lambda: endless_text("gzip"),
    "deflate": lambda: endless_text("deflate"),
    "raw deflate": lambda: endless_text("raw deflate"),
    "br": lambda: endless_text("br"),
    "gzip of gzip": lambda: endless_text("gzip", "gzip"),
    "br of gzip of deflate": lambda: endless_text("deflate", "gzip", "br"),
    "lists": lambda: reply(b'{"events":[{"content":[[]' + b",[]" * 21_000_000),
    "lists of one": lambda: encoded(b'{"events":[{"content":[[]' + b",[0]" * 16_000_000, "gzip"),
    "objects": lambda: encoded(b'{"events":[{"content":[[]' + b',{"":0}' * 9_000_000, "gzip"),
    "texts of 32 bits": lambda: encoded('{"events":[{"content":["😀"'.encode() + b',"ab"' * 12_000_000, "gzip"),
    "a text of 32 bits": lambda: encoded('{"events":[{"content":"😀'.encode() + b"x" * 60_000_000, "gzip"),
    "space": lambda: encoded(b'{"events":[' + b" " * 300_000_000, "gzip"),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell how much memory was taken")
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_do_not_fill_the_memory(wire: Wire, bomb: Callable[[], Reply]) -> None:
    wire.always = bomb()
    for how in ("get", "events", "download"):
        environment = {**os.environ, "PRYV_API_ENDPOINT": wire.api_endpoint}
        command = [sys.executable, str(Path(__file__).with_name("bomb.py")), how]
        outcome = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
        assert outcome["megabytes"] < 400
        assert how == "download" or outcome["error"][0] == "ResponseTooLargeError"


# What is too slow


DRIPS = {
    "events": b'{"events":[{"content":"' + b"x" * 1000,
    "space": b'{"events":[' + b" " * 1000,
}


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS.keys())
def test_a_response_below_the_least_rate_is_a_timeout(wire: Wire, drip: bytes, given: bool) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
    wire.always = Reply(drip, "hang", interval=0.02, at_once=head)
    slow = Limits(rate=100)
    with (
        requests.Session() as session,
        wire.connection(timeout=0.3, retry=None, limits=slow, session=session if given else None) as connection,
    ):
        with within(5), pytest.raises(PryvStreamError, match=r"below 100 bytes per second \(Limits\.rate\)"):
            list(connection.iter_events())
        for call in (
            lambda: connection.get("events"),
            lambda: connection.download_attachment("e", {"id": "a", "size": 5000}),
        ):
            with within(5), pytest.raises(PryvTimeoutError, match=r"Limits\.rate"):
                call()
        wire.always = reply()
        assert connection.get("streams")


@pytest.mark.parametrize("given", [True, False])
def test_compressed_bytes_without_content_are_no_progress(wire: Wire, given: bool) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5000\r\n\r\n"
    nothing = zlib.compressobj(wbits=31).flush(zlib.Z_SYNC_FLUSH) + b"\x00\x00\x00\xff\xff" * 200
    wire.always = Reply(nothing, "hang", interval=0.02, at_once=head)
    with (
        requests.Session() as session,
        wire.connection(timeout=0.3, retry=None, limits=Limits(rate=100), session=session if given else None) as made,
    ):
        with within(5), pytest.raises(PryvStreamError, match=r"Limits\.rate"):
            list(made.iter_events())
        with within(5), pytest.raises(PryvTimeoutError, match=r"Limits\.rate"):
            made.get("events")


@pytest.mark.parametrize("limits", [Limits(rate=1), Limits(rate=0)])
def test_a_slow_response_above_the_least_rate_is_read(wire: Wire, limits: Limits) -> None:
    body = json.dumps({"events": [{"id": "a"}], "meta": META}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    wire.always = Reply(body, interval=0.012, at_once=head)
    with wire.connection(timeout=1, retry=None, limits=limits) as connection:
        assert connection.get("events")["events"] == [{"id": "a"}]
        assert len(list(connection.iter_events())) == 1


def test_only_the_time_spent_waiting_counts(wire: Wire) -> None:
    """A program may take its time between two events."""
    wire.always = chunked([b'{"events":[', *[b'{"id":"a"},' * 500] * 50, b'{"id":"a"}],"meta":{}}'])
    pause = threading.Event()
    with wire.connection(timeout=0.05, limits=Limits(rate=20_000)) as connection:
        for number, _ in enumerate(connection.iter_events()):
            if number % 10_000 == 0:
                pause.wait(0.1)
    assert number == 25_000


def test_the_size_of_a_head_is_limited(wire: Wire, connection: Connection) -> None:
    for head in (b"X: 1\r\n" * 500, b"X: " + b"x" * 70_000, b" folded\r\n" * 200_000):
        wire.always = Reply(b"HTTP/1.1 200 OK\r\n" + head)
        with within(5), pytest.raises(PryvConnectionError):
            connection.post("streams")
