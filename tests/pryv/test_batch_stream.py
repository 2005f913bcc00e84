"""The results of a batch, read as they arrive: equal to those of `Connection.api`, for any body and any chunks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.accounts import Account

from pryv import (
    ApiError,
    Call,
    Connection,
    ForbiddenError,
    Limits,
    PryvProtocolError,
    PryvStreamError,
    ResponseTooLargeError,
)
from pryv._transport.blocks import Decoder, MsgspecDecoder, StandardDecoder
from pryv._transport.members import MalformedError, Members
from pryv.addons import json_members, stream_batch
from pryv_sandbox import Sandbox

CALLS = [Call("streams.get", {"state": "all"}), Call("events.get", {"fromTime": -1e300, "toTime": 1e300})]
STREAMED = {"streams", "events", "eventDeletions"}
BATCH = "^/[^/]+/$"

DECODERS: list[Decoder] = [MsgspecDecoder(), StandardDecoder()]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
items = st.lists(st.fixed_dictionaries({"id": st.text(max_size=4)}, optional={"content": values}), max_size=60)
results = st.lists(
    st.fixed_dictionaries({}, optional={"events": items, "eventDeletions": items, "error": values, "meta": values}),
    max_size=3,
)


def put_together(parts: Iterator[tuple[int | None, str, list[tuple[Any, str]]]]) -> dict[int | None, dict[str, Any]]:
    """The members by the number of their result; each value is held against its text."""
    found: dict[int | None, dict[str, Any]] = {}
    for number, key, pairs in parts:
        for value, text in pairs:
            assert json.loads(text) == value
        members = found.setdefault(number, {})
        if key in STREAMED:
            members.setdefault(key, []).extend(value for value, _ in pairs)
        else:
            members[key] = pairs[0][0]
    return found


def chunked(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: type(decoder).__name__)
@given(results=results, size=st.integers(1, 400), indent=st.sampled_from([None, 1]))
def test_results_are_those_of_the_body(decoder: Decoder, results: list[Any], size: int, indent: int | None) -> None:
    body = json.dumps({"meta": {"serverTime": 1}, "results": results}, indent=indent).encode()
    members = Members(chunked(body, size), STREAMED, 1 << 20, decoder)
    parts = ((number, key, members.with_texts(values)) for number, key, values in members.results())
    found = put_together(parts)
    assert found.pop(None) == {"meta": {"serverTime": 1}}
    assert found == {number: result for number, result in enumerate(results) if result}


@given(results=results, cut=st.floats(0, 0.999))
def test_a_body_that_is_cut_is_malformed(results: list[Any], cut: float) -> None:
    body = json.dumps({"meta": {"serverTime": 1}, "results": results}).encode()
    members = Members(iter([body[: int(cut * len(body))]]), STREAMED)
    with pytest.raises(MalformedError):
        put_together((number, key, members.with_texts(values)) for number, key, values in members.results())


@given(items=st.lists(values), other=values, size=st.integers(1, 400), indent=st.sampled_from([None, 1]))
def test_members_of_any_object_are_read(items: list[Any], other: Any, size: int, indent: int | None) -> None:
    body = json.dumps({"items": items, "other": other, "more": items}, indent=indent).encode()
    found = list(json_members(chunked(body, size), ["items"]))
    assert json.dumps(found) == json.dumps([*(["items", item] for item in items), ["other", other], ["more", items]])


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}x", b'{"items": 1}', b'{"items": [1', b'{"items": [NaN]}', b'{"\xff": 1}']
)
def test_a_body_that_is_not_an_object_is_malformed(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not one JSON object|decode"):
        list(json_members([body], ["items"]))


def test_a_streamed_batch_has_the_results_of_a_batch(new_account: Callable[[], Account]) -> None:
    connection = new_account()[2]
    connection.streams.create({"id": "diary", "name": "Diary"})
    note = {"streamIds": ["diary"], "type": "note/txt"}
    connection.api(Call("events.create", {**note, "time": number, "content": "é" * number}) for number in range(300))
    stream = stream_batch(connection, CALLS, STREAMED)
    assert stream.server_time is None
    found = put_together(iter(stream))
    assert stream.server_time is not None
    assert connection.delta_time == pytest.approx(0, abs=5)
    for number, result in enumerate(connection.api(CALLS)):
        for key in STREAMED & result.keys():
            assert without_account(found[number][key]) == without_account(result[key])


def without_account(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if not event["id"].startswith(":")]


def test_a_batch_that_writes_is_refused(connection: Connection) -> None:
    with pytest.raises(ValueError, match="only read"):
        stream_batch(connection, [Call("events.create", {"streamIds": ["a"], "type": "note/txt"})], STREAMED)


def test_errors_of_a_streamed_batch(sandbox: Sandbox, new_account: Callable[[], Account]) -> None:
    connection = Connection(new_account()[2].api_endpoint, retry=None, limits=Limits(event=1000))
    token = str(connection.token)
    error = {"id": "forbidden", "message": f"No, {token}."}
    ok = b'{"meta":{"serverTime":1},"results":[{"streams":[]},{"events":[%b]}]}'
    sandbox.faults.status(403, path=BATCH, body={"error": error})
    with pytest.raises(ApiError, match="forbidden") as refused:
        list(stream_batch(connection, CALLS, STREAMED))
    assert token not in str(refused.value)
    sandbox.faults.status(200, path=BATCH, body={"meta": {"serverTime": 1}, "results": [{"error": error}]})
    ((_, _, [(found, _)]),) = stream_batch(connection, CALLS, STREAMED)
    assert token not in str(found)
    for body, kind in (
        (json.dumps({"meta": {"serverTime": 1}, "error": error}).encode(), ForbiddenError),
        (b"<html>", PryvProtocolError),
        (ok % b"7", PryvProtocolError),
        (ok % b'{"id":1}' + b"more", PryvProtocolError),
        (ok.replace(b"serverTime", b"time") % b"", PryvProtocolError),
        (ok % (b'{"id":"%b"}' % (b"x" * 2000)), ResponseTooLargeError),
    ):
        sandbox.faults.status(200, path=BATCH, body=body)
        with pytest.raises(kind):
            list(stream_batch(connection, CALLS, STREAMED))
    sandbox.faults.cut(after_bytes=5, path=BATCH)
    with pytest.raises(PryvStreamError):
        list(stream_batch(connection, CALLS, STREAMED))
