"""High-frequency series: points in any form, in requests of a size that the platform takes."""

from __future__ import annotations

import itertools
import json
import math
import pickle
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.accounts import Account
from tests.memory import traced_memory
from tests.pryv.wire import META, Reply, Wire, chunked, error_reply, reply

from pryv import (
    Connection,
    ForbiddenError,
    InvalidParametersError,
    Limits,
    PryvConnectionError,
    PryvProtocolError,
    ResponseTooLargeError,
    Series,
    ServerError,
    UnknownResourceError,
    _points,
    _series,
)

FIELDS = ["deltaTime", "value"]
ROWS: list[list[float]] = [[0, 60], [0.5, 61.5], [1, 62]]
TAKEN = reply({"status": "ok"})
BODY_LIMIT = 10_000_000


@pytest.fixture(scope="module")
def account(module_account: Account) -> Connection:
    """A connection to an account with the stream `heart`."""
    connection = module_account[2]
    connection.post("streams", {"id": "heart", "name": "Heart"})
    return connection


@pytest.fixture
def new_series(account: Connection) -> Callable[..., str]:
    """Creates series events and returns their ids."""

    def create(content_type: str = "frequency/bpm") -> str:
        event = {"streamIds": ["heart"], "type": f"series:{content_type}", "time": 1385046854.282}
        event_id: str = account.post("events", event)["event"]["id"]
        return event_id

    return create


@pytest.fixture
def taking(wire: Wire, connection: Connection) -> Connection:
    """A connection to a platform that accepts all points."""
    wire.always = TAKEN
    return connection


def sent(wire: Wire) -> list[list[Any]]:
    """The points of all requests, in order."""
    return [row for request in wire.requests for row in request.json()["points"]]


# ---- forms of points


@pytest.mark.parametrize(
    "points",
    [
        lambda: ROWS,
        lambda: tuple(map(tuple, ROWS)),
        lambda: (row for row in ROWS),
        lambda: map(np.array, ROWS),
        lambda: np.array(ROWS),
        lambda: np.array(ROWS, dtype=np.float32),
        lambda: np.array(ROWS)[:, ::-1][:, ::-1],
        lambda: [(np.float32(time), np.float64(value)) for time, value in ROWS],
        lambda: zip(np.array([0, 0.5, 1]), np.array([60, 61.5, 62]), strict=True),
    ],
    ids=["lists", "tuples", "generator", "array-rows", "array", "float32", "view", "scalars", "zipped-columns"],
)
def test_points_in_any_form(account: Connection, new_series: Callable[..., str], points: Callable[[], Any]) -> None:
    event_id = new_series()
    assert account.add_points_to_hf_event(event_id, FIELDS, points()) == 3
    assert account.get_hf_points(event_id).points == ROWS


def test_integers_of_an_array_stay_integers(wire: Wire, taking: Connection) -> None:
    taking.add_points_to_hf_event("event1", FIELDS, np.array([[0, 60]]))
    taking.add_points_to_hf_event("event1", FIELDS, [[np.int64(1), np.uint8(61)]])
    assert b"[[0,60]]" in wire.requests[0].body
    assert b"[[1,61]]" in wire.requests[1].body


def test_fields_come_back_as_columns(account: Connection, new_series: Callable[..., str]) -> None:
    event_id = new_series("position/wgs84")
    fields = ("deltaTime", "latitude", "longitude", "altitude")
    account.add_points_to_hf_event(event_id, fields, [[0, 46.5, 6.6, 500], [1, 46.6, 6.7, None]])
    columns = account.get_hf_points(event_id).columns()
    assert columns == {
        "deltaTime": [0, 1],
        "latitude": [46.5, 46.6],
        "longitude": [6.6, 6.7],
        "altitude": [500, None],
    }


def test_a_range_has_its_start_and_not_its_end(account: Connection, new_series: Callable[..., str]) -> None:
    event_id = new_series()
    account.add_points_to_hf_event(event_id, FIELDS, [[time, 60 + time] for time in range(10)])

    def times(**bounds: float) -> list[float]:
        return account.get_hf_points(event_id, **bounds).columns().get("deltaTime", [])

    assert times(from_delta_time=7) == [7, 8, 9]
    assert times(to_delta_time=2) == [0, 1]
    assert times(from_delta_time=1.5, to_delta_time=4) == [2, 3]
    assert times(from_delta_time=20) == []


def test_times_are_cut_to_nanoseconds_and_bounds_to_milliseconds(
    account: Connection, new_series: Callable[..., str]
) -> None:
    event_id = new_series()
    account.add_points_to_hf_event(event_id, FIELDS, [[0.001, 60], [2 / 3, 61], [1.5, 62]])
    assert account.get_hf_points(event_id).columns()["deltaTime"] == [0.001, 0.666666666, 1.5]
    assert account.get_hf_points(event_id, from_delta_time=0.0019, to_delta_time=1.5009).columns()["value"] == [60, 61]


def test_a_read_has_the_fields_of_its_first_point(account: Connection, new_series: Callable[..., str]) -> None:
    event_id = new_series("position/wgs84")
    fields = ["deltaTime", "latitude", "longitude"]
    account.add_points_to_hf_event(event_id, fields, [[0, 46.5, 6.6]])
    account.add_points_to_hf_event(event_id, [*fields, "speed"], [[1, 46.5, 6.6, 2]])
    assert sorted(account.get_hf_points(event_id).fields) == fields
    assert account.get_hf_points(event_id, from_delta_time=1).columns()["speed"] == [2]
    account.add_points_to_hf_event(event_id, fields, [[1, 46.5, 6.6]])
    assert sorted(account.get_hf_points(event_id, from_delta_time=1).fields) == fields


def test_several_series_at_once(account: Connection, new_series: Callable[..., str]) -> None:
    first, second = new_series(), new_series("position/wgs84")
    batch = {
        first: Series(FIELDS, np.array([[10.0, 70.0], [11.0, 71.0]])),
        second: Series(["deltaTime", "latitude", "longitude"], ((time, 46.7, 6.8) for time in range(2))),
    }
    assert account.add_points_batch(batch) == 4
    assert account.get_hf_points(first).points == [[10, 70], [11, 71]]
    assert account.get_hf_points(second).columns()["latitude"] == [46.7, 46.7]


def test_more_points_than_one_request_holds(account: Connection, new_series: Callable[..., str]) -> None:
    event_id = new_series()
    times, values = [index / 250 for index in range(21_000)], [math.sin(index) for index in range(21_000)]
    assert account.add_points_to_hf_event(event_id, FIELDS, zip(times, values, strict=True)) == 21_000
    columns = account.get_hf_points(event_id).columns()
    assert columns["value"] == values
    assert np.allclose(columns["deltaTime"], times, rtol=0, atol=1e-8)  # a platform keeps them to the nanosecond


def test_no_points_are_no_request(wire: Wire, taking: Connection) -> None:
    assert taking.add_points_to_hf_event("event1", FIELDS, []) == 0
    assert taking.add_points_to_hf_event("event1", FIELDS, np.empty((0, 2))) == 0
    assert taking.add_points_batch({}) == 0
    assert taking.add_points_batch({"event1": Series(FIELDS, iter(()))}) == 0
    assert Series(FIELDS, []).columns() == {"deltaTime": [], "value": []}
    assert wire.requests == []


# ---- requests


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.tuples(
        st.lists(st.text(min_size=1, max_size=5), min_size=width, max_size=width, unique=True),
        st.lists(st.lists(VALUES, min_size=width, max_size=width), max_size=30),
    )
)
ANY_LIMITS = {"max_bytes": st.integers(1, 300), "max_rows": st.integers(1, 10), "block": st.integers(1, 10)}
anywhere = settings(max_examples=60)


def limited(patch: pytest.MonkeyPatch, max_bytes: int, max_rows: int, block: int) -> None:
    patch.setattr(_series, "MAX_BYTES", max_bytes)
    patch.setattr(_series, "MAX_ROWS", max_rows)
    patch.setattr(_series, "_BLOCK", block)


def points_size(points: list[Any]) -> int:
    return len(json.dumps(points, ensure_ascii=False, separators=(",", ":")).encode()) - 2


@anywhere
@given(table=TABLES, **ANY_LIMITS)
def test_all_rows_arrive_in_order_in_requests_that_fit(
    wire: Wire, taking: Connection, table: Any, max_bytes: int, max_rows: int, block: int
) -> None:
    fields, rows = table
    wire.requests.clear()
    with pytest.MonkeyPatch.context() as patch:
        limited(patch, max_bytes, max_rows, block)
        assert taking.add_points_to_hf_event("event1", fields, iter(rows)) == len(rows)
    assert sent(wire) == rows
    for request in wire.requests:
        body = request.json()
        assert (request.target, body["format"], body["fields"]) == ("/user/events/event1/series", "flatJSON", fields)
        assert len(body["points"]) == 1 or points_size(body["points"]) <= max_bytes
        assert 1 <= len(body["points"]) <= max(max_rows, block)


@anywhere
@given(tables=st.lists(TABLES, max_size=5), **ANY_LIMITS)
def test_all_series_of_a_batch_are_sent(
    wire: Wire, taking: Connection, tables: Any, max_bytes: int, max_rows: int, block: int
) -> None:
    wire.requests.clear()
    batch = {f'é"{number}': Series(fields, rows) for number, (fields, rows) in enumerate(tables)}
    with pytest.MonkeyPatch.context() as patch:
        limited(patch, max_bytes, max_rows, block)
        assert taking.add_points_batch(batch) == sum(len(rows) for _, rows in tables)
    arrived: dict[str, list[Any]] = {event_id: [] for event_id in batch}
    for request in wire.requests:
        assert (request.target, request.json()["format"]) == ("/user/series/batch", "seriesBatch")
        for element in request.json()["data"]:
            assert element["data"]["format"] == "flatJSON"
            assert element["data"]["fields"] == batch[element["eventId"]].fields
            arrived[element["eventId"]] += element["data"]["points"]
    assert arrived == {event_id: list(series.points) for event_id, series in batch.items()}


def test_no_request_is_above_the_limit_of_the_platform(wire: Wire, taking: Connection) -> None:
    numbers = ([index * 1.1, index / 3] for index in range(120_000))
    texts = ([index, "é" * 300_000] for index in range(40))
    assert taking.add_points_to_hf_event("event1", FIELDS, numbers) == 120_000
    assert taking.add_points_to_hf_event("event1", FIELDS, texts) == 40
    assert (
        taking.add_points_batch({f"event{number}": Series(FIELDS, [[0, "x" * 3_000_000]]) for number in range(7)}) == 7
    )
    assert all(len(request.body) < BODY_LIMIT for request in wire.requests)
    assert len(wire.requests) < 20


def test_points_are_taken_as_they_are_sent(wire: Wire, connection: Connection) -> None:
    wire.always = error_reply(403, "forbidden")
    points = ([index, index] for index in itertools.count())
    with pytest.raises(ForbiddenError):
        connection.add_points_to_hf_event("event1", FIELDS, points)
    assert next(points)[0] <= 20_200


# ---- what stops it


@pytest.fixture
def in_threes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows per request."""
    limited(monkeypatch, 8_000_000, 3, 3)


def stopped_after(error: pytest.ExceptionInfo[BaseException]) -> int:
    count: int = cast("Any", error.value).points_sent
    return count


@pytest.mark.usefixtures("in_threes")
@pytest.mark.parametrize("as_batch", [False, True])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error_reply(403, "forbidden"), ForbiddenError),
        (error_reply(503, "api-unavailable"), ServerError),
        (Reply(then="reset"), PryvConnectionError),
        (reply(), PryvProtocolError),
        (reply({"status": "partial"}), PryvProtocolError),
    ],
)
def test_an_exception_tells_how_many_points_were_sent(
    wire: Wire, connection: Connection, answer: Reply, kind: type[Exception], as_batch: bool
) -> None:
    rows = [[index, index] for index in range(20)]
    wire.replies.extend([TAKEN, TAKEN, answer])
    batch = partial(connection.add_points_batch, {"event1": Series(FIELDS, rows)})
    single = partial(connection.add_points_to_hf_event, "event1", FIELDS, rows)
    with pytest.raises(kind) as caught:
        (batch if as_batch else single)()
    assert stopped_after(caught) == 6
    assert pickle.loads(pickle.dumps(caught.value)).points_sent == 6
    assert len(wire.requests) == 3


def then_raise(error: BaseException) -> Iterator[list[int]]:
    yield from ([index, index] for index in range(7))
    raise error


@pytest.mark.usefixtures("in_threes")
@pytest.mark.parametrize("error", [RuntimeError("a sensor failed"), KeyboardInterrupt()])
def test_an_exception_of_what_makes_the_points_passes_through(
    wire: Wire, taking: Connection, error: BaseException
) -> None:
    with pytest.raises(type(error)) as caught:
        taking.add_points_to_hf_event("event1", FIELDS, then_raise(error))
    assert caught.value is error
    assert stopped_after(caught) == 3
    assert sent(wire) == [[0, 0], [1, 1], [2, 2]]


@pytest.mark.usefixtures("in_threes")
@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        ([1], ValueError, "row 7 has 1 values for 2 fields"),
        ([1, 2, 3], ValueError, "row 7 has 3 values for 2 fields"),
        (np.array([1.0]), ValueError, "row 7 has 1 values"),
        ([1, math.nan], ValueError, "row 7: value: .*no JSON form"),
        ([math.inf, 1], ValueError, "row 7: deltaTime: inf has no JSON form"),
        (np.array([1, -math.inf]), ValueError, "row 7: value: .*no JSON form"),
        ([1, np.float32("nan")], ValueError, "row 7: value: .*no JSON form"),
        ([1, "\udcff"], ValueError, "row 7: value: .*surrogate"),
        ([1, Decimal(1)], TypeError, "row 7: value: a value of type Decimal"),
        ([1, 1j], TypeError, "row 7: value: a value of type complex"),
        ([1, np.datetime64("2026-01-01")], TypeError, "row 7: value: a value of type datetime64"),
        ("12", TypeError, "row 7 is not a sequence of values but str"),
        (b"12", TypeError, "row 7 is not a sequence of values but bytes"),
        (4, TypeError, "row 7 is not a sequence of values but int"),
        ({"deltaTime": 1, "value": 2}, TypeError, "row 7 is not a sequence of values but dict"),
        (None, TypeError, "row 7 is not a sequence of values but NoneType"),
    ],
)
def test_a_bad_row_is_not_sent(wire: Wire, taking: Connection, row: Any, kind: type[Exception], message: str) -> None:
    points: list[Any] = [*([index, index] for index in range(7)), row, [8, 8]]
    with pytest.raises(kind, match=message) as caught:
        taking.add_points_to_hf_event("event1", FIELDS, points)
    assert stopped_after(caught) == 3
    assert sent(wire) == points[:3]


def test_an_array_with_a_number_that_is_not_finite_is_not_sent(wire: Wire, taking: Connection) -> None:
    for bad in (math.nan, math.inf):
        points = np.ones((500, 2))
        points[437, 1] = bad
        with pytest.raises(ValueError, match="row 437: value: "):
            taking.add_points_to_hf_event("event1", FIELDS, points)
    assert wire.requests == []


def test_series_of_arrays_compare_as_a_whole() -> None:
    rows = [[0, 1.5], [1, 2.5]]
    series = Series(FIELDS, np.array(rows))
    for points, is_equal in (
        (np.array(rows), True),
        (rows, True),
        (np.array(rows[:1]), False),
        (np.zeros((2, 2)), False),
    ):
        assert (series == Series(FIELDS, points)) is is_equal


@pytest.mark.parametrize(
    ("fields", "points", "kind"),
    [
        ("value", ROWS, TypeError),
        ([1, 2], ROWS, TypeError),
        (None, ROWS, TypeError),
        (5, ROWS, TypeError),
        (["deltaTime", ""], ROWS, ValueError),
        (["value", "value"], ROWS, ValueError),
        (FIELDS, None, TypeError),
        (FIELDS, 5, TypeError),
        (FIELDS, "rows", TypeError),
        (FIELDS, b"rows", TypeError),
        (FIELDS, {"deltaTime": [1], "value": [2]}, TypeError),
        (FIELDS, np.array([1, 2]), ValueError),
        (FIELDS, np.zeros((2, 2, 2)), ValueError),
        (FIELDS, np.array(1), ValueError),
    ],
)
def test_invalid_series_are_refused_before_any_request(
    wire: Wire, taking: Connection, fields: Any, points: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=r"field|points"):
        taking.add_points_to_hf_event("event1", fields, points)
    with pytest.raises(kind):
        Series(fields, points)
    assert wire.requests == []


def test_other_bad_arguments_are_refused_before_any_request(wire: Wire, taking: Connection) -> None:
    anything = cast("Any", taking)
    for event_id in ("", ".", ".."):
        with pytest.raises(ValueError, match="not an id"):
            taking.add_points_to_hf_event(event_id, FIELDS, ROWS)
        with pytest.raises(ValueError, match="not an id"):
            taking.get_hf_points(event_id)
    batches: list[Any] = [None, [], {"event1": ROWS}, {1: Series(FIELDS, ROWS)}]
    for batch in batches:
        with pytest.raises(TypeError):
            anything.add_points_batch(batch)
    for bound in ("1", [1], object(), True):
        with pytest.raises(TypeError):
            anything.get_hf_points("event1", from_delta_time=bound)
    with pytest.raises(ValueError, match="toDeltaTime: inf"):
        taking.get_hf_points("event1", to_delta_time=math.inf)
    with pytest.raises(TypeError):
        anything.get_hf_points("event1", 1, 2)
    assert wire.requests == []


def test_an_id_is_one_segment(wire: Wire, taking: Connection) -> None:
    taking.add_points_to_hf_event("../a", FIELDS, ROWS)
    wire.replies.append(reply({"fields": FIELDS, "points": ROWS}))
    taking.get_hf_points("b/c?d")
    assert [request.target for request in wire.requests] == [
        "/user/events/..%2Fa/series",
        "/user/events/b%2Fc%3Fd/series",
    ]


def test_errors_of_the_platform(account: Connection, new_series: Callable[..., str]) -> None:
    event_id = new_series()
    with pytest.raises(InvalidParametersError) as caught:
        account.add_points_to_hf_event(event_id, ["deltaTime", "bogus"], ROWS)
    assert stopped_after(caught) == 0
    with pytest.raises(ServerError, match='Error: "fields"'):  # a fault of the platform
        account.add_points_batch({event_id: Series(["deltaTime", "bogus"], ROWS)})
    with pytest.raises(UnknownResourceError):
        account.add_points_to_hf_event("nope", FIELDS, ROWS)
    with pytest.raises(UnknownResourceError):
        account.get_hf_points("nope")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"fields": FIELDS},
        {"points": ROWS},
        {"fields": "deltaTime", "points": ROWS},
        {"fields": FIELDS, "points": {}},
        {"fields": None, "points": None},
        {"fields": FIELDS, "points": [[0, 1], [1]]},
        {"fields": FIELDS, "points": [[0, 1, 2]]},
        {"fields": FIELDS, "points": [[0, 1], 5]},
        {"fields": FIELDS, "points": [[], []]},
        {"fields": [], "points": [[]]},
        {"fields": ["a", "a"], "points": ROWS},
        {"fields": FIELDS, "points": [[0, 1]] * 5000 + [None]},
    ],
)
def test_a_response_without_a_series(wire: Wire, connection: Connection, answer: dict[str, Any]) -> None:
    wire.replies.append(reply(answer))
    with pytest.raises(PryvProtocolError, match="not a series"):
        connection.get_hf_points("event1")


def test_a_read_is_retried(wire: Wire, connection: Connection) -> None:
    wire.replies.extend([Reply(then="reset"), error_reply(503, "api-unavailable")])
    wire.replies.append(reply({"fields": FIELDS, "points": ROWS}))
    assert connection.get_hf_points("event1") == Series(FIELDS, ROWS)


def test_a_read_cut_short_is_retried(wire: Wire, connection: Connection) -> None:
    whole = reply({"fields": FIELDS, "points": [[number, number / 2] for number in range(20_000)]})
    wire.replies.extend([Reply(whole.data[: len(whole.data) // 2], then) for then in ("close", "reset")])
    wire.replies.append(whole)
    assert len(list(connection.get_hf_points("event1").rows())) == 20_000
    wire.always = Reply(whole.data[: len(whole.data) // 2], "close")
    with pytest.raises(PryvConnectionError):
        connection.get_hf_points("event1")


def test_the_platform_s_time_is_taken_from_a_series(wire: Wire, connection: Connection) -> None:
    wire.replies.append(reply({"fields": FIELDS, "points": ROWS}))
    connection.get_hf_points("event1")
    assert connection.delta_time != 0
    wire.replies.append(reply(json.dumps({"fields": FIELDS, "points": ROWS})))
    with pytest.raises(PryvProtocolError, match=r"meta\.serverTime"):
        connection.get_hf_points("event1")
    wire.replies.append(reply({"error": {"id": "unknown-resource", "message": "no"}}))
    with pytest.raises(UnknownResourceError):
        connection.get_hf_points("event1")


NUMBERS = st.integers(-(2**70), 2**70) | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False)
COLUMNS = st.sampled_from(
    [
        NUMBERS,
        st.floats(allow_nan=False, allow_infinity=False),
        st.integers(-(2**63), 2**63 - 1),
        st.integers(2**53 - 2, 2**53 + 2) | st.just(0.5),
        st.none() | st.integers(-9, 9) | st.just(-0.0),
        st.booleans() | st.integers(0, 1),
        st.text(max_size=3) | st.none(),
        st.lists(st.integers(), max_size=2),
    ]
)


@settings(max_examples=60)
@given(
    rows=st.lists(COLUMNS, min_size=1, max_size=4).flatmap(
        lambda columns: st.lists(st.tuples(*columns).map(list), max_size=40)
    ),
    fields_last=st.booleans(),
    block=st.sampled_from([1, 3, 4096]),
    size=st.sampled_from([1, 7, 10_000]),
)
def test_points_are_read_as_they_were_sent(
    wire: Wire,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[list[Any]],
    fields_last: bool,
    block: int,
    size: int,
) -> None:
    """Whole numbers, floats and other values keep their types."""
    monkeypatch.setattr(_points, "_BLOCK", block)
    fields = [f"field{number}" for number in range(len(rows[0]) if rows else 2)]
    body = {"fields": fields, "points": rows, "meta": META}
    text = json.dumps(dict(reversed(body.items())) if fields_last else body).encode()
    wire.replies.append(chunked([text[start : start + size] for start in range(0, len(text), size)]))
    series = connection.get_hf_points("event1")
    assert repr(list(series.rows())) == repr(list(series.rows())) == repr(rows)
    assert repr(series.points) == repr(rows)
    assert repr(series.columns()) == repr({field: [row[at] for row in rows] for at, field in enumerate(fields)})
    assert series == Series(fields, rows) == pickle.loads(pickle.dumps(series))


@pytest.mark.parametrize("row", [[1_000_000, 0.5], [10.25, 12.5], [3, None], [10**6, 0]])
def test_numbers_that_were_read_take_little_memory(wire: Wire, connection: Connection, row: list[Any]) -> None:
    count = 50_000
    points = b",".join(
        [json.dumps(row).encode(), json.dumps(row[::-1] if None in row else row).encode()] * (count // 2)
    )
    text = b'{"fields":["deltaTime","value"],"points":[%b],"meta":{"serverTime":1}}' % points
    wire.replies.append(chunked([text[start : start + 99_999] for start in range(0, len(text), 99_999)]))
    with traced_memory() as memory:
        series = connection.get_hf_points("event1")
        kept = memory()[0]
        assert sum(1 for _ in series.rows()) == count
        most = memory()[1]
    assert kept < 40 * count
    assert most < kept + 2_500_000


@pytest.mark.parametrize(
    "piece",
    [
        b"[0,1.5]",
        b"[0,{}]",
        b'[0,{"a":[]}]',
        b"[0,[[],[],[],[],[],[]]]",
        b'[0,"xxxxxxxx"]',
        b"[0," + b"1" * 2000 + b"]",
        b"[0,[" + b"{}," * 2000 + b"{}]]",
    ],
)
def test_an_endless_series_is_too_large(wire: Wire, piece: bytes) -> None:
    limit = 1_000_000
    pieces = [b'{"fields":["deltaTime","value"],"points":[[0,0]', *[b",%b" % piece * 1000] * (9_000 // len(piece))]
    wire.always = chunked(pieces, end=b"")
    with wire.connection(limits=Limits(response=limit)) as connection, traced_memory() as memory:
        with pytest.raises(ResponseTooLargeError, match=r"Limits\.response"):
            connection.get_hf_points("event1")
        assert memory()[1] < 12 * limit + 16_000_000
    assert len(wire.requests) == 1


def test_an_endless_point_is_too_large(wire: Wire) -> None:
    wire.always = chunked([b'{"fields":["value"],"points":[["', *[b"x" * 100_000] * 30], end=b"")
    with wire.connection(limits=Limits(event=1_000_000)) as connection, pytest.raises(ResponseTooLargeError):
        connection.get_hf_points("event1")
