"""A connection is reused only if no data are left on it: each request gets its own response."""

from __future__ import annotations

import gzip
import json
import math
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pryv.wire import META, Reply, Wire, chunked, reply

from pryv import Connection, PryvConnectionError, PryvProtocolError
from pryv._transport.idle import usable_seconds

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\n\r\n"
INTERIM = {
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "processing": b"HTTP/1.1 102 Processing\r\n\r\n",
    "early hints": EARLY,
    "one of the future": b"HTTP/1.1 199 Whatever\r\nX: 1\r\n\r\n",
    "several": EARLY * 20 + b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY,
}


def numbered(number: int) -> bytes:
    """Return a response that contains its number."""
    return reply({"number": number}).data


def numbered_gzip(number: int) -> bytes:
    """Return the same, in chunks and compressed."""
    body = gzip.compress(json.dumps({"number": number, "meta": META}).encode())
    head, _, rest = chunked([body[:5], body[5:]]).data.partition(b"\r\n")
    return head + b"\r\nContent-Encoding: gzip\r\n" + rest


@pytest.fixture(params=["own", "given"])
def connection(wire: Wire, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A connection to `wire` with its own sessions, or with one of the user."""
    with requests.Session() as session, wire.connection(session=session if request.param == "given" else None) as made:
        yield made


@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM.keys())
@pytest.mark.parametrize("make", [numbered, numbered_gzip])
def test_interim_responses_are_skipped(
    wire: Wire, connection: Connection, interim: bytes, make: Callable[[int], bytes]
) -> None:
    wire.replies.extend(Reply(interim + make(number)) for number in range(4))
    assert [connection.post("streams")["number"] for _ in range(4)] == [0, 1, 2, 3]
    assert wire.connections == 1


def test_an_interim_response_of_a_server_that_closes(wire: Wire, connection: Connection) -> None:
    wire.replies.extend(Reply(b"HTTP/1.0 103 Early\r\nConnection: close\r\n\r\n" + numbered(n)) for n in range(3))
    assert [connection.post("streams")["number"] for _ in range(3)] == [0, 1, 2]


def test_interim_responses_come_before_streamed_events_too(wire: Wire, connection: Connection) -> None:
    wire.always = Reply(EARLY * 3 + reply({"events": [{"id": "a"}]}).data)
    for _ in range(3):
        assert [event["id"] for event in connection.iter_events()] == ["a"]
    assert wire.connections == 1


def test_an_interim_response_in_pieces(wire: Wire, connection: Connection) -> None:
    wire.always = Reply(EARLY + numbered(1), interval=0.001)
    assert connection.post("streams")["number"] == connection.post("streams")["number"] == 1
    assert wire.connections == 1


@pytest.mark.parametrize("then", ["close", "reset", "hang"])
@pytest.mark.parametrize("interim", [EARLY, EARLY + b"HTTP/1.1 200", EARLY + b"garbage\r\n"])
def test_no_response_after_an_interim_one(wire: Wire, connection: Connection, interim: bytes, then: str) -> None:
    wire.replies.append(Reply(interim, then))
    wire.always = Reply(numbered(1))
    with pytest.raises((PryvConnectionError, PryvProtocolError)):
        connection.post("streams", timeout=0.3)
    assert connection.post("streams")["number"] == 1
    assert wire.connections == 2


def test_interim_responses_without_end(wire: Wire, connection: Connection) -> None:
    wire.replies.append(Reply(EARLY * 1000 + numbered(0)))
    wire.always = Reply(numbered(1))
    with pytest.raises(PryvConnectionError, match="TooManyInterimResponses"):
        connection.post("streams")
    assert connection.post("streams")["number"] == 1


def test_any_number_of_100_without_end(wire: Wire) -> None:
    """In sessions of users, `http.client` reads them without a limit."""
    wire.always = Reply(INTERIM["continue"] * 1000 + numbered(0))
    with wire.connection() as connection, pytest.raises(PryvConnectionError, match="TooManyInterimResponses"):
        connection.post("streams")


SURPLUS = {
    "a response": numbered(-1),
    "responses": numbered(-1) * 100,
    "text": b"x",
    "lines": b"\r\n" * 3,
    "a start": b"HTTP/1.1 200 OK\r\nContent-Le",
}


@pytest.mark.parametrize("surplus", SURPLUS.values(), ids=SURPLUS.keys())
@pytest.mark.parametrize("make", [numbered, numbered_gzip])
def test_surplus_data_are_not_the_next_response(
    wire: Wire, connection: Connection, surplus: bytes, make: Callable[[int], bytes]
) -> None:
    wire.replies.extend(Reply(make(number) + surplus) for number in range(4))
    assert [connection.post("streams")["number"] for _ in range(4)] == [0, 1, 2, 3]
    assert wire.connections == 4


def test_surplus_data_after_streamed_events(wire: Wire, connection: Connection) -> None:
    wire.replies.append(Reply(reply({"events": [{"id": "a"}]}).data + numbered(-1)))
    assert [event["id"] for event in connection.iter_events()] == ["a"]
    assert connection.post("streams").keys() == {"meta"}
    assert wire.connections == 2


@pytest.mark.parametrize("length", [0, 2, 5])
def test_more_content_than_announced(wire: Wire, connection: Connection, length: int) -> None:
    wire.replies.append(reply("{}" + " " * 100, headers={"Content-Length": str(length)}))
    wire.always = Reply(numbered(1))
    with pytest.raises(PryvProtocolError):
        connection.post("streams")
    assert connection.post("streams")["number"] == 1
    assert wire.connections == 2


@pytest.mark.parametrize("status", [204, 304])
def test_content_of_a_response_without_content(wire: Wire, connection: Connection, status: int) -> None:
    wire.replies.append(reply({"number": -1}, status))
    wire.always = Reply(numbered(1))
    with pytest.raises(PryvProtocolError):
        connection.post("streams")
    assert connection.post("streams")["number"] == 1
    assert wire.connections == 2


def test_a_connection_that_leaves_http_is_not_used_again(wire: Wire, connection: Connection) -> None:
    wire.replies.append(Reply(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"))
    wire.always = Reply(numbered(1))
    with pytest.raises(PryvProtocolError):
        connection.post("streams")
    assert connection.post("streams")["number"] == 1
    assert wire.connections == 2


@pytest.mark.usefixtures("plain_environment")
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("length", [2, 8192, 16384])
def test_surplus_data_in_the_same_tls_record(
    authority: Any, authority_file: str, monkeypatch: pytest.MonkeyPatch, given: bool, length: int
) -> None:
    """The data are no longer on the socket, so urllib3 does not see them."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    wire = Wire(context)
    wire.replies.append(Reply(reply(json.dumps({"number": 0, "meta": META}).ljust(length)).data + numbered(-1) * 20))
    wire.always = Reply(numbered(1))
    try:
        with requests.Session() as session, wire.connection(session=session if given else None) as connection:
            assert [connection.post("streams")["number"] for _ in range(2)] == [0, 1]
    finally:
        wire.close()
    assert wire.connections == 2


@pytest.mark.parametrize("given", [True, False])
def test_a_pool_of_few_connections_gets_each_back(wire: Wire, given: bool) -> None:
    """A pool that blocks gets each connection back, closed or not."""
    wire.replies.extend([Reply(numbered(0) + b"x"), Reply(b"", "reset"), Reply(numbered(2) + b"x")])
    wire.always = Reply(numbered(3))
    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=1, pool_block=True))
        with wire.connection(retry=None, session=session if given else None) as connection:
            assert connection.post("streams")["number"] == 0
            with pytest.raises(PryvConnectionError):
                connection.post("streams")
            assert [connection.post("streams")["number"] for _ in range(3)] == [2, 3, 3]


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(list(INTERIM.values())), max_size=2),
            st.sampled_from([numbered, numbered_gzip]),
            st.sampled_from([b"", *SURPLUS.values()]) | st.binary(max_size=20),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_each_request_gets_its_own_response(
    connection: Connection, wire: Wire, replies: list[tuple[list[bytes], Callable[[int], bytes], bytes]]
) -> None:
    wire.replies.clear()
    for number, (interim, make, surplus) in enumerate(replies):
        wire.replies.append(Reply(b"".join(interim) + make(number) + surplus))
    assert [connection.post("streams")["number"] for _ in replies] == list(range(len(replies)))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, math.inf),
        ("max=5", math.inf),
        ("timeout=5", 4),
        ("Timeout = 60, max=1000", 59),
        ("max=2;timeout=2", 1),
        ("timeout=1", 0.5),
        ("timeout=0", 0),
        ("timeout=soon", math.inf),
        ("max-timeout=5", math.inf),
        ("timeout=" + "9" * 30, math.inf),
    ],
)
def test_the_time_for_which_a_connection_may_be_used(header: str | None, seconds: float) -> None:
    assert usable_seconds(header) == seconds


def test_a_connection_that_the_server_is_about_to_close_is_not_used(wire: Wire) -> None:
    wire.always = reply(headers={"Keep-Alive": "timeout=1"})
    with wire.connection() as connection:
        connection.post("streams")
        connection.post("streams")
        assert wire.connections == 1
        time.sleep(0.6)
        connection.post("streams")
        connection.post("streams")
    assert wire.connections == 2
