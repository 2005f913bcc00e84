"""Responses that are not the API's, or errors of it: each raises its typed error, and the connection stays usable."""

from __future__ import annotations

import gc
import json
import pickle
import re
import time
import weakref
from typing import Any

import pytest
from tests.pryv.wire import META, Reply, Wire, chunked, error_reply, reply
from tests.waiting import within

from pryv import (
    ERRORS,
    ApiError,
    Connection,
    ForbiddenError,
    InvalidAccessTokenError,
    InvalidCredentialsError,
    InvalidParametersError,
    ItemAlreadyExistsError,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
    PryvStreamError,
    PryvTimeoutError,
    PryvTlsError,
    RateLimitedError,
    RetryPolicy,
    ServerError,
    Service,
    StaleAccessIdError,
    TooManyResultsError,
    UnknownResourceError,
)

WHOLE = json.dumps({"streams": [{"id": "diary", "name": "Été 😀"}], "meta": META}, ensure_ascii=False).encode()
NOT_THE_API = {
    "html": b"<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>",
    "empty": b"",
    "blank": b" \r\n ",
    "text": b"OK",
    "truncated": WHOLE[:-1],
    "two values": WHOLE + WHOLE,
    "two byte order marks": b"\xef\xbb\xbf" * 2 + WHOLE,
    "cut byte order mark": b"\xef\xbb" + WHOLE,
    "latin-1": '{"a": "é", "meta": {"serverTime": 1}}'.encode("latin-1"),
    "utf-16": WHOLE.decode().encode("utf-16"),
    "broken utf-8": WHOLE.replace("é".encode(), b"\xc3"),
    "surrogate bytes": b'{"a": "\xed\xa0\x80", "meta": {"serverTime": 1}}',
    "nul": b"\0" * 10,
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "never closed": b'{"a":' * 100_000,
    "Infinity": b'{"a": Infinity, "meta": {"serverTime": 1}}',
    "-Infinity": b'{"a": -Infinity, "meta": {"serverTime": 1}}',
    "NaN": b'{"a": NaN, "meta": {"serverTime": 1}}',
    "endless number": b'{"a": ' + b"1" * 5000 + b', "meta": {"serverTime": 1}}',
    "single quotes": b"{'a': 1}",
    "trailing comma": b'{"a": 1,}',
    "list": b"[]",
    "string": b'"text"',
    "number": b"5",
    "null": b"null",
    "no meta": b'{"streams": []}',
    "meta null": b'{"meta": null}',
    "meta list": b'{"meta": []}',
    "no server time": b'{"meta": {}}',
    "server time a string": b'{"meta": {"serverTime": "1"}}',
    "server time a boolean": b'{"meta": {"serverTime": true}}',
    "server time null": b'{"meta": {"serverTime": null}}',
    "server time infinite": b'{"meta": {"serverTime": 1e999}}',
    "server time negative": b'{"meta": {"serverTime": -1}}',
    "server time in milliseconds": b'{"meta": {"serverTime": 1700000000500}}',
    "server time beyond dates": b'{"meta": {"serverTime": 1.7e308}}',
    "server time too large": b'{"meta": {"serverTime": 1' + b"0" * 400 + b"}}",
}


def assert_usable(wire: Wire, connection: Connection) -> None:
    """Return whether a correct response is still accepted."""
    wire.replies.clear()
    wire.always = reply({"streams": []})
    assert connection.get("streams")["streams"] == []


@pytest.mark.parametrize("body", NOT_THE_API.values(), ids=NOT_THE_API.keys())
@pytest.mark.parametrize("call", ["get", "post", "put", "delete", "api", "access_info", "username"])
def test_a_success_that_is_not_of_the_api_is_a_protocol_error(
    wire: Wire, connection: Connection, body: bytes, call: str
) -> None:
    wire.always = reply(body)
    arguments: dict[str, list[Any]] = {"api": [[{"method": "streams.get"}]], "access_info": [], "username": []}
    with pytest.raises(PryvProtocolError) as failed:
        getattr(connection, call)(*arguments.get(call, ["streams"]))
    assert len(wire.requests) == 1
    assert not failed.value.retryable
    assert connection.delta_time == 0
    assert_usable(wire, connection)


@pytest.mark.parametrize(
    ("body", "problem"), [("\n<html>", "an HTML page, not JSON"), (" ", "empty"), ("OK", "not JSON")]
)
def test_a_protocol_error_describes_the_response(wire: Wire, connection: Connection, body: str, problem: str) -> None:
    wire.always = reply(body, headers={"Content-Type": "text/html"})
    with pytest.raises(PryvProtocolError, match=f"^GET streams: the response is {problem}$"):
        connection.get("streams")


def test_a_byte_order_mark_is_skipped(wire: Wire, connection: Connection) -> None:
    """RFC 8259, section 8.1: senders must not add one, readers may ignore it."""
    mark = "\ufeff"
    body = (mark + json.dumps({"events": [{"id": "a"}], "meta": META})).encode()
    wire.replies.append(reply(body))
    assert connection.get("events")["events"] == [{"id": "a"}]
    for size in (1, 2, 3, 1000):
        wire.replies.append(chunked([body[start : start + size] for start in range(0, len(body), size)]))
        assert [event["id"] for event in connection.iter_events()] == ["a"]
    wire.replies.append(reply(mark + json.dumps({"error": {"id": "forbidden", "message": "no"}}), 403))
    with pytest.raises(ForbiddenError):
        connection.get("events")
    info = {"name": "x", "api": f"{wire.url}{{username}}/", "access": wire.url, "register": wire.url}
    wire.replies.append(reply(mark + json.dumps(info)))
    with Service(wire.url) as service:
        assert service.info().name == "x"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 421, 418])
@pytest.mark.parametrize(
    "body", [b"<html>no</html>", b"", b"[]", b"null", b'{"error": "no"}', b'{"error": null}', b"\xff"]
)
def test_an_error_status_that_is_not_of_the_api(wire: Wire, connection: Connection, status: int, body: bytes) -> None:
    wire.always = reply(body, status)
    with pytest.raises(PryvProtocolError, match=str(status)):
        connection.get("streams")
    assert len(wire.requests) == 1
    assert_usable(wire, connection)


@pytest.mark.parametrize(("status", "error"), [(429, RateLimitedError), (500, ServerError), (502, ServerError)])
@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"null", b'{"error": "no"}', b"\xff"])
def test_error_pages_of_a_proxy_are_server_errors(
    wire: Wire, connection: Connection, status: int, error: type[ApiError], body: bytes
) -> None:
    wire.always = reply(body, status)
    with pytest.raises(error) as failed:
        connection.post("streams")
    assert failed.value.status == status
    assert failed.value.retryable
    assert_usable(wire, connection)


@pytest.mark.parametrize(
    ("status", "error_id", "error"),
    [
        (400, ERRORS.INVALID_PARAMETERS_FORMAT, InvalidParametersError),
        (400, ERRORS.INVALID_REQUEST_STRUCTURE, InvalidParametersError),
        (400, ERRORS.UNKNOWN_REFERENCED_RESOURCE, UnknownResourceError),
        (400, "never-heard-of", InvalidParametersError),
        (401, ERRORS.INVALID_CREDENTIALS, InvalidCredentialsError),
        (401, ERRORS.INVALID_ACCESS_TOKEN, InvalidAccessTokenError),
        (401, "never-heard-of", InvalidAccessTokenError),
        (403, ERRORS.INVALID_ACCESS_TOKEN, InvalidAccessTokenError),
        (403, ERRORS.FORBIDDEN, ForbiddenError),
        (403, "never-heard-of", ForbiddenError),
        (404, ERRORS.UNKNOWN_RESOURCE, UnknownResourceError),
        (404, "never-heard-of", UnknownResourceError),
        (409, ERRORS.ITEM_ALREADY_EXISTS, ItemAlreadyExistsError),
        (409, ERRORS.STALE_RESOURCE, StaleAccessIdError),
        (409, "never-heard-of", ApiError),
        (413, ERRORS.TOO_MANY_RESULTS, TooManyResultsError),
        (413, "never-heard-of", ApiError),
        (421, ERRORS.WRONG_CORE, ApiError),
        (429, "never-heard-of", RateLimitedError),
        (418, "never-heard-of", ApiError),
        (500, ERRORS.UNEXPECTED_ERROR, ServerError),
        (500, "never-heard-of", ServerError),
        (502, "never-heard-of", ServerError),
        (503, ERRORS.API_UNAVAILABLE, ServerError),
        (503, "never-heard-of", ServerError),
        (504, "never-heard-of", ServerError),
        (599, "never-heard-of", ServerError),
    ],
)
def test_errors_of_the_api_have_their_types(
    wire: Wire, connection: Connection, status: int, error_id: str, error: type[ApiError]
) -> None:
    wire.always = error_reply(status, error_id, data={"why": [1, None, "é"]})
    for call in (connection.get, connection.post, connection.put, connection.delete):
        with pytest.raises(error) as failed:
            call("streams")
        found = failed.value
        assert type(found) is error
        assert (found.id, found.status, found.data) == (error_id, status, {"why": [1, None, "é"]})
        assert found.retryable == (status in (429, 500, 502, 503, 504))
        copy = pickle.loads(pickle.dumps(found))
        assert type(copy) is error
        assert (str(copy), vars(copy)) == (str(found), vars(found))
    assert_usable(wire, connection)


@pytest.mark.parametrize(
    "body", [{"id": None}, {"id": 5, "message": 7}, {"id": ["x"]}, {"message": None}, {"id": {}, "data": "text"}]
)
def test_an_error_with_odd_members_is_an_api_error(wire: Wire, connection: Connection, body: dict[str, Any]) -> None:
    wire.always = reply({"error": body}, 400)
    with pytest.raises(InvalidParametersError) as failed:
        connection.get("streams")
    assert failed.value.id is None
    assert str(failed.value)


def test_a_stale_access_id_error_has_the_serials(wire: Wire, connection: Connection) -> None:
    wire.always = error_reply(409, ERRORS.STALE_RESOURCE, data={"provided": "a:1", "currentSerial": 3})
    with pytest.raises(StaleAccessIdError) as failed:
        connection.delete("accesses/a:1")
    assert (failed.value.provided, failed.value.current_serial) == ("a:1", 3)
    wire.always = error_reply(409, ERRORS.STALE_RESOURCE, data="odd")
    with pytest.raises(StaleAccessIdError) as failed:
        connection.delete("accesses/a:1")
    assert (failed.value.provided, failed.value.current_serial) == (None, None)


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_a_response_cut_at_any_byte_is_an_error(wire: Wire, connection: Connection, cut: int) -> None:
    head, _, body = reply(WHOLE).data.partition(b"\r\n\r\n")
    wire.always = Reply(head + b"\r\n\r\n" + body[:cut], "close")
    with pytest.raises(PryvConnectionError) as failed:
        connection.post("streams")
    assert failed.value.sent
    wire.always = Reply(b"HTTP/1.1 200 OK\r\n\r\n" + body[:cut], "close")
    with pytest.raises(PryvProtocolError):
        connection.post("streams")
    wire.always = chunked([body[:cut]], end=b"", then="close")
    with pytest.raises(PryvConnectionError):
        connection.post("streams")
    assert len(wire.requests) == 3
    assert_usable(wire, connection)


HEADS = [
    b"",
    b"\r\n\r\n",
    b"garbage\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"HTTP/1.1",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 99999 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 200 + b"\r\n{}",
]


@pytest.mark.parametrize("data", HEADS)
@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_response_that_is_not_http(wire: Wire, connection: Connection, data: bytes, then: str) -> None:
    wire.always = Reply(data, then)
    with pytest.raises(PryvConnectionError):
        connection.get("streams")
    assert len(wire.requests) == 3
    assert_usable(wire, connection)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_a_response_cut_within_its_head_is_an_error(wire: Wire, connection: Connection, head: bytes) -> None:
    wire.always = Reply(head, "close")
    with pytest.raises(PryvProtocolError, match="empty"):
        connection.post("streams")
    assert_usable(wire, connection)


BAD_PLACES = [
    b"http://[",
    b"http://host:port/",
    b"http://host:99999/",
    b"//",
    b"\xff\xfe",
    b"ftp://host/",
    b"file:///etc/passwd",
    b"javascript:alert(1)",
    b"http://user:secret@host/",
    b"http://ho st/",
    b"",
    b"   ",
    b"\\\\host",
    b"http://*/",
]


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
@pytest.mark.parametrize("place", BAD_PLACES)
def test_a_redirect_with_an_invalid_location_is_a_protocol_error(
    wire: Wire, connection: Connection, status: int, place: bytes
) -> None:
    wire.always = Reply(
        b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: %d\r\n\r\n" % (status, place, 0 if status == 304 else 2)
        + (b"" if status == 304 else b"{}")
    )
    for call in (connection.get, connection.post):
        with pytest.raises(PryvProtocolError) as failed:
            call("streams")
        assert "secret" not in str(failed.value)
    assert len(wire.requests) == 2
    assert_usable(wire, connection)


@pytest.mark.parametrize("answer", [error_reply(404, "unknown-resource"), reply("no JSON")])
def test_an_error_is_freed_with_its_last_reference(wire: Wire, connection: Connection, answer: Reply) -> None:
    """A reference cycle would keep the frames of the program that are in the traceback until the next collection."""
    wire.replies.append(answer)
    gc.disable()
    try:
        try:
            connection.get("streams")
        except PryvError as error:
            freed = weakref.ref(error)
        assert freed() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Location": "https://login.example.org/?x=1"}, "HTTP 307 redirects to login.example.org; "),
        ({"Location": "/login?x=1"}, "HTTP 307 redirects to another path of the host; "),
        ({}, "HTTP 307, and not a response of the API"),
    ],
)
def test_the_error_of_a_redirect_names_the_host(
    wire: Wire, connection: Connection, headers: dict[str, str], said: str
) -> None:
    wire.always = reply("<html>log in</html>", 307, headers)
    with pytest.raises(PryvProtocolError, match=re.escape(said)):
        connection.get("streams")


def test_a_request_that_is_too_large_for_a_server_in_front(wire: Wire, connection: Connection) -> None:
    wire.always = reply("<html>413 Request Entity Too Large</html>", 413)
    with pytest.raises(PryvProtocolError, match="HTTP 413: the request is too large for the platform"):
        connection.add_attachment("event1", b"x", "a.txt")


SILENCE = {
    "silent": Reply(b"", "hang"),
    "silent in the head": Reply(b"HTTP/1.1 200 OK\r\nContent-", "hang"),
    "silent before the body": Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hang"),
    "silent in the body": Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{", "hang"),
    "silent in a chunk": Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", "hang"),
    "silent in a redirect": Reply(b"HTTP/1.1 302 No\r\nLocation: /x\r\nContent-Length: 5\r\n\r\n{", "hang"),
    "silent in an error": Reply(b"HTTP/1.1 400 No\r\nContent-Length: 5\r\n\r\n{", "hang"),
}


@pytest.mark.parametrize("silence", SILENCE.values(), ids=SILENCE.keys())
def test_a_server_that_stops_sending_is_a_timeout(wire: Wire, connection: Connection, silence: Reply) -> None:
    wire.always = silence
    begin = time.monotonic()
    with pytest.raises(PryvTimeoutError) as failed:
        connection.post("streams", timeout=0.1)
    assert time.monotonic() - begin >= 0.1
    assert isinstance(failed.value, TimeoutError)
    assert failed.value.retryable
    assert failed.value.sent
    assert_usable(wire, connection)


@pytest.mark.parametrize("status", [200, 302, 400, 500])
def test_a_response_sent_byte_by_byte_is_a_timeout(wire: Wire, status: int) -> None:
    head = b"HTTP/1.1 %d Status\r\nLocation: /x\r\nContent-Length: 1000\r\n\r\n" % status
    wire.always = Reply(head, "hang")
    wire.replies.append(reply(" " * 1000, status, {"Location": "/x"}, interval=0.01))
    policy = RetryPolicy(attempts=1, deadline=1)
    with wire.connection(timeout=1, retry=policy) as connection:
        with within(5), pytest.raises(PryvTimeoutError):
            connection.get("streams")
        assert_usable(wire, connection)


@pytest.mark.parametrize("deadline", [0.1, 10])
def test_a_head_sent_byte_by_byte_is_a_timeout(wire: Wire, deadline: float) -> None:
    """It has the time of one read; the body may drip on as long as the deadline lasts."""
    wire.always = reply(interval=0.1)
    policy = RetryPolicy(attempts=1, deadline=deadline)
    with wire.connection(timeout=0.3, retry=policy) as connection:
        for call in (connection.get, connection.post, lambda path: next(connection.iter_events())):
            with within(5, at_least=0.3), pytest.raises(PryvTimeoutError):
                call("streams")


@pytest.mark.parametrize("rest", [b"1;" + b"x" * 10_000, b"0\r\n" + b"X: x\r\n" * 2_000], ids=["size", "trailers"])
def test_chunk_sizes_and_trailers_sent_byte_by_byte_are_a_timeout(wire: Wire, rest: bytes) -> None:
    wire.always = Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + rest, interval=0.003)
    with wire.connection(timeout=0.5, retry=None) as connection, within(20):
        with pytest.raises(PryvTimeoutError):
            connection.get("streams")
        with pytest.raises((PryvStreamError, PryvTimeoutError), match="in time"):
            next(connection.iter_events())


@pytest.mark.parametrize("then", ["reset", "close"])
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"])
def test_a_connection_that_breaks(wire: Wire, connection: Connection, then: str, sent: bytes) -> None:
    wire.always = Reply(sent, then)
    with pytest.raises(PryvConnectionError) as failed:
        connection.post("streams")
    assert not isinstance(failed.value, (PryvTimeoutError, PryvTlsError))
    assert failed.value.sent
    assert len(wire.requests) == 1
    assert_usable(wire, connection)


def test_a_batch_of_another_length(wire: Wire, connection: Connection) -> None:
    calls = [{"method": "streams.get"}] * 3
    odd: list[Any] = [[], [{}] * 2, [{}] * 4, None, {}, "abc", 5, [{}, {}, 5], [{}, {}, None]]
    for results in odd:
        wire.replies.append(reply({"results": results}))
        with pytest.raises(PryvProtocolError) as failed:
            connection.api(calls)
        assert failed.value.results == []  # type: ignore[attr-defined]
    assert len(wire.requests) == 9


def test_every_error_can_be_pickled(wire: Wire) -> None:
    wire.replies.extend([reply(b"<html>"), Reply(b"", "reset"), error_reply(403, "forbidden"), Reply(b"", "hang")])
    for kind in (PryvProtocolError, PryvConnectionError, ForbiddenError, PryvTimeoutError):
        with wire.connection() as connection, pytest.raises(kind) as failed:
            connection.post("streams", timeout=0.3 if kind is PryvTimeoutError else 2)
        assert str(failed.value)
        copy = pickle.loads(pickle.dumps(failed.value))
        assert (type(copy), str(copy), vars(copy)) == (type(failed.value), str(failed.value), vars(failed.value))
