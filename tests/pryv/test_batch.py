"""Batches: chunks, order, progress, and the results of a batch that stops."""

from __future__ import annotations

import functools
import itertools
import pickle
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.pryv.wire import Wire, error_reply, reply

from pryv import (
    ApiError,
    Call,
    Connection,
    ForbiddenError,
    PryvProtocolError,
    ServerError,
    UnknownResourceError,
    addons,
)

if TYPE_CHECKING:
    from tests.accounts import Account


def results(*values: Any) -> Any:
    return reply({"results": [{"value": value} for value in values]})


def reads(count: int) -> list[Call]:
    return [Call("events.getOne", {"id": str(number)}) for number in range(count)]


@pytest.mark.parametrize(("count", "size", "chunks"), [(0, 3, []), (1, 3, [1]), (3, 3, [3]), (7, 3, [3, 3, 1])])
@pytest.mark.parametrize("lazy", [True, False])
def test_calls_are_sent_in_chunks_and_results_are_in_order(
    wire: Wire, count: int, size: int, chunks: list[int], lazy: bool
) -> None:
    numbers = iter(range(count))
    wire.replies.extend(results(*itertools.islice(numbers, chunk)) for chunk in chunks)
    seen: list[tuple[int | None, int]] = []
    with wire.connection(chunk_size=size) as connection:
        calls = iter(reads(count)) if lazy else reads(count)
        found = connection.api(calls, lambda percent, so_far: seen.append((percent, len(so_far))))
    assert [result["value"] for result in found] == list(range(count))
    assert [len(request.json()) for request in wire.requests] == chunks
    done = list(itertools.accumulate(chunks))
    assert seen == [(None if lazy else int(100 * part / count + 0.5), part) for part in done]


def test_handlers_get_each_result_and_its_call(wire: Wire, connection: Connection) -> None:
    seen: list[Any] = []
    wire.replies.append(results(0, 1, 2))
    calls: list[Any] = [
        Call("a.get", {"x": 1}, lambda result, call: seen.append((result["value"], call.method, call["params"]))),
        {"method": "b.get", "handle_result": lambda result, call: seen.append((result["value"], call["method"]))},
        {"method": "c.get", "handleResult": lambda result, call: seen.append((result["value"], call.params))},
    ]
    connection.api(calls)
    assert seen == [(0, "a.get", {"x": 1}), (1, "b.get"), (2, None)]
    assert wire.requests[0].json() == [
        {"method": "a.get", "params": {"x": 1}},
        {"method": "b.get", "params": {}},
        {"method": "c.get", "params": {}},
    ]


def test_an_exception_has_the_results_received_before_it(wire: Wire) -> None:
    def stop(*_: Any) -> None:
        raise ZeroDivisionError

    def broken() -> Iterator[Call]:
        yield from reads(2)
        raise ZeroDivisionError

    with wire.connection(chunk_size=2, retry=None) as connection:
        wire.replies.extend([results(0, 1), error_reply(503, "x")])
        with pytest.raises(ServerError) as failed:
            connection.api(reads(4))
        assert [result["value"] for result in failed.value.results] == [0, 1]
        assert pickle.loads(pickle.dumps(failed.value)).results == failed.value.results
        wire.replies.extend([results(0, 1), reply({"results": []})])
        with pytest.raises(PryvProtocolError) as odd:
            connection.api(reads(4))
        assert len(odd.value.results) == 2  # type: ignore[attr-defined]
        for calls, progress in [
            ([*reads(1), Call("events.get", None, stop)], None),
            (reads(4), stop),
            (broken(), None),
        ]:
            wire.replies.append(results(0, 1))
            with pytest.raises(ZeroDivisionError) as own:
                connection.api(calls, progress)
            assert len(own.value.results) == 2  # type: ignore[attr-defined]


def refused(message: str) -> dict[str, Any]:
    return {"error": {"id": "forbidden", "message": message}}


@pytest.mark.parametrize("size", [2, 3, 10])
def test_raise_on_error_raises_the_first_error(wire: Wire, size: int) -> None:
    calls = [Call("events.create", {"content": number}) for number in range(9)]
    expected = [{"value": 0}, {"value": 1}, {"value": 2}, refused("first"), refused("second"), *[{"value": 5}] * 4]
    wire.replies.extend(reply({"results": expected[start : start + size]}) for start in range(0, 9, size))
    with wire.connection(chunk_size=size) as connection, pytest.raises(ForbiddenError) as failed:
        connection.api(calls, raise_on_error=True)
    sent = min(9, (3 // size + 1) * size)
    assert (failed.value.index, failed.value.results) == (3, expected[:sent])
    assert (failed.value.message, failed.value.method) == ("first", "events.create")
    assert str(failed.value) == "call 3: events.create: first [forbidden]"
    assert sum(len(request.json()) for request in wire.requests) == sent
    assert pickle.loads(pickle.dumps(failed.value)).index == 3


def test_raise_on_error_calls_the_handlers_first(wire: Wire, connection: Connection) -> None:
    handled: list[Any] = []
    progress: list[Any] = []
    calls = [Call("a.get", None, lambda result: handled.append(result["value"])) for _ in range(3)]
    wire.always = reply({"results": [{"value": 0}, refused("no"), {"value": 2}]})
    with pytest.raises(ForbiddenError):
        connection.api(calls, progress.append, raise_on_error=True)
    assert (handled, progress) == ([0, 2], [])


def test_raise_on_error_without_errors_returns_the_results(wire: Wire, connection: Connection) -> None:
    wire.always = results(0, 1)
    assert connection.api(iter(reads(2)), raise_on_error=True) == [{"value": 0}, {"value": 1}]
    assert connection.api([], raise_on_error=True) == []


def test_an_error_of_a_batch_shows_neither_token_nor_password(wire: Wire) -> None:
    """Nor do the results that came with it show any in a traceback."""
    call = Call("account.changePassword", {"oldPassword": "see-you-soon", "newPassword": "s"})
    said = refused(f"{wire.token}, see-you-soon and s are no passwords")
    calls = [Call("accesses.create", {"name": "a"}), call]
    wire.always = reply({"results": [{"access": {"token": "canary"}}, said]})
    with wire.connection() as connection:
        assert connection.api(calls)[1]["error"]["message"] == "***, *** and *** are no passwords"
        with pytest.raises(ForbiddenError) as failed:
            connection.api(calls, raise_on_error=True)
    assert failed.value.message == "***, *** and *** are no passwords"
    shown = traceback.TracebackException.from_exception(failed.value, capture_locals=True)
    assert not [frame for frame in shown.stack if frame.filename != __file__ and "canary" in repr(frame.locals)]


class Callbacks:
    """Callables of every kind, which take one or two arguments and record the first."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def one(self, value: Any) -> None:
        self.seen.append(value)

    def two(self, value: Any, _: Any) -> None:
        self.seen.append(value)

    def __call__(self, value: Any, /) -> None:
        self.seen.append(value)

    def more(self, value: Any, *others: Any, **_: Any) -> None:
        self.seen.append(value)
        assert len(others) == 1

    def optional(self, value: Any, other: Any = None, *, more: Any = None) -> None:
        self.seen.append(value)
        assert other is not None


def all_of(callbacks: Callbacks) -> list[Any]:
    return [
        callbacks,
        callbacks.one,
        callbacks.two,
        callbacks.more,
        callbacks.optional,
        callbacks.seen.append,
        functools.partial(callbacks.two, _=None),
        functools.partial(Callbacks.one, callbacks),
        functools.partial(Callbacks.two, callbacks),
        lambda value: callbacks.one(value),
        lambda value, _: callbacks.one(value),
        lambda *values: callbacks.one(values[0]),
    ]


@pytest.mark.parametrize("number", range(len(all_of(Callbacks()))))
def test_callbacks_take_one_argument_or_two(wire: Wire, connection: Connection, number: int) -> None:
    callbacks = Callbacks()
    callback = all_of(callbacks)[number]
    wire.always = results("result")
    for call in (Call("a.get", None, callback), {"method": "a.get", "handleResult": callback}):
        connection.api([call])
        list(connection.iter_api(iter([call])))
    assert callbacks.seen == [{"value": "result"}] * 4
    callbacks.seen.clear()
    wire.always = results(0)
    with wire.connection(chunk_size=1) as small:
        small.api(reads(2), callback)
        small.api(iter(reads(1)), callback)
    assert callbacks.seen == [50, 100, None]


def test_built_in_functions_can_be_callbacks(
    wire: Wire, connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.always = results(0, 1)
    seen: set[Any] = set()
    last: deque[Any] = deque(maxlen=1)
    connection.api([Call("a.get", None, last.append)] * 2, seen.add)
    connection.api(reads(2), print)
    assert (seen, list(last)) == ({100}, [{"value": 1}])
    assert capsys.readouterr().out == "100 [{'value': 0}, {'value': 1}]\n"


async def asynchronous(*_: Any) -> None:
    """As callbacks of lib-js may be."""


NO_CALLBACKS: list[Any] = [
    asynchronous,
    functools.partial(asynchronous, 1),
    "progress",
    5,
    lambda: None,
    lambda a, b, c: None,
    lambda a, *, b: None,
    lambda **_: None,
    functools.partial(lambda a, b: None, 1, 2),
    Callbacks,
]


@pytest.mark.parametrize("callback", NO_CALLBACKS)
def test_invalid_callbacks_are_refused_before_any_request(wire: Wire, connection: Connection, callback: Any) -> None:
    with pytest.raises(TypeError, match=r"^progress is "):
        connection.api(reads(1), callback)
    calls = [*reads(3), Call("a.get", None, callback)]
    for call in (lambda: connection.api(calls), lambda: connection.iter_api(calls)):
        with pytest.raises(TypeError, match=r"^call 3: handle_result is "):
            call()
    assert wire.requests == []


def notes(count: int, size: int) -> list[Call]:
    return [Call("events.create", {"content": str(number) * size}) for number in range(count)]


def test_a_chunk_too_large_for_a_request_is_sent_in_parts(wire: Wire, connection: Connection) -> None:
    wire.replies.extend([results(0, 1), results(2), results(3, 4)])
    progress: list[int | None] = []
    found = connection.api(notes(5, 3_000_000), lambda percent, _: progress.append(percent))
    assert [result["value"] for result in found] == [0, 1, 2, 3, 4]
    sent = [[call["params"]["content"][0] for call in request.json()] for request in wire.requests]
    assert sent == [["0", "1"], ["2"], ["3", "4"]]
    assert max(len(request.body) for request in wire.requests) < 8_000_000
    assert progress == [40, 60, 100]


def test_an_exception_has_the_results_of_the_parts_before_it(wire: Wire) -> None:
    wire.replies.extend([results(0), error_reply(503, "x")])
    with wire.connection(retry=None) as connection, pytest.raises(ServerError) as failed:
        connection.api(notes(2, 5_000_000))
    assert [result["value"] for result in failed.value.results] == [0]


def test_a_single_call_of_any_size_is_sent(wire: Wire, connection: Connection) -> None:
    wire.replies.append(results(0))
    assert connection.api(notes(1, 9_000_000)) == [{"value": 0}]


def test_a_platform_takes_a_batch_larger_than_a_request(new_account: Callable[[], Account]) -> None:
    _, _, connection = new_account()
    connection.post("streams", {"id": "batch", "name": "Batch"})
    event = {"streamIds": ["batch"], "type": "note/txt"}
    calls = [Call("events.create", {**event, "content": f"{number:02}" * 250_000}) for number in range(24)]
    found = connection.api(calls)
    assert [result["event"]["content"][:2] for result in found] == [f"{number:02}" for number in range(24)]


def test_a_lazy_batch_holds_one_chunk(wire: Wire) -> None:
    taken = 0

    def calls() -> Iterator[Call]:
        nonlocal taken
        for call in reads(9):
            taken += 1
            yield call

    wire.always = results(0, 1, 2)
    with wire.connection(chunk_size=3) as connection:
        pairs = connection.iter_api(calls())
        assert taken == len(wire.requests) == 0
        for number, (call, result) in enumerate(pairs):
            assert call.params == {"id": str(number)}
            assert result["value"] == number % 3
            assert taken == 3 * (number // 3 + 1)
            assert len(wire.requests) == number // 3 + 1


def test_a_lazy_batch_frees_the_chunk_before(wire: Wire) -> None:
    made: list[weakref.ref[Call]] = []
    kept: list[int] = []

    def calls() -> Iterator[Call]:
        for number in range(12):
            call = Call("events.getOne", {"id": str(number)})
            made.append(weakref.ref(call))
            kept.append(sum(ref() is not None for ref in made))
            yield call

    wire.always = results(0, 1, 2, 3)
    with wire.connection(chunk_size=4) as connection:
        for _ in connection.iter_api(calls()):
            pass
    assert len(kept) == 12
    assert max(kept) <= 4 + 1  # the one the loop holds


def test_a_stopiteration_of_a_handler_is_a_runtime_error(wire: Wire, connection: Connection) -> None:
    nothing: Iterator[int] = iter(())
    wire.always = results(0)
    with pytest.raises(RuntimeError):
        list(connection.iter_api([Call("events.get", None, lambda *_: next(nothing))]))


NOT_CALLS: list[Any] = [None, 5, "events.get", b"x", {"method": "events.get"}, Call("events.get"), object()]
BAD_CALLS: list[Any] = [
    None,
    5,
    "events.get",
    ["events.get"],
    {},
    {"params": {}},
    {"method": None},
    {"method": 5},
    {"method": ""},
    {"method": "events.get", "params": "limit=1"},
    {"method": "events.get", "params": 5},
    {"method": "events.get", "handle_result": "print"},
    Call("", {}),
    Call("events.get", object()),
]
BAD_PARAMS = [{"a": object()}, {"a": b"x"}, {"a": {1, 2}}, {"a": float("nan")}, {"a": float("inf")}, {"a": "\ud800"}]


@pytest.mark.parametrize("calls", [*NOT_CALLS, *([bad] for bad in BAD_CALLS)])
def test_invalid_calls_are_refused_before_any_request(wire: Wire, connection: Connection, calls: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        connection.api(calls)
    with pytest.raises((TypeError, ValueError)):
        connection.iter_api(calls)
    if isinstance(calls, list):
        with pytest.raises((TypeError, ValueError)):
            connection.api([Call("streams.get"), *calls])
        with pytest.raises((TypeError, ValueError)):
            connection.api(iter(calls))
    assert wire.requests == []


@pytest.mark.parametrize("params", BAD_PARAMS)
def test_data_without_a_json_form_are_refused_before_any_request(
    wire: Wire, connection: Connection, params: Any
) -> None:
    for call in (
        lambda: connection.api([Call("events.create", params)]),
        lambda: connection.api_one("events.create", params),
        lambda: connection.post("events", params),
        lambda: connection.put("events/x", params),
        lambda: connection.post("", [{"method": "events.get", "params": params}]),
    ):
        with pytest.raises((TypeError, ValueError)):
            call()
    assert wire.requests == []


def test_data_nested_too_deeply_or_in_themselves_are_refused(wire: Wire, connection: Connection) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    itself: list[Any] = []
    itself.append(itself)
    for data in (deep, itself):
        with pytest.raises(ValueError, match=r"nested|Circular"):
            connection.post("events", {"content": data})
    assert wire.requests == []


@pytest.mark.parametrize("chunk_size", [0, -1])
def test_a_chunk_size_is_positive(chunk_size: int) -> None:
    with pytest.raises(ValueError, match="chunk_size"):
        Connection("https://host/", chunk_size=chunk_size)
    with pytest.raises(ValueError, match="chunk_size"):
        addons.run_batch(lambda _: [], [Call("streams.get")], chunk_size)


@pytest.mark.parametrize("chunk_size", ["10", 1.5, None, np.arange(3)])
def test_a_chunk_size_is_an_integer(chunk_size: Any) -> None:
    with pytest.raises(TypeError, match=r"^chunk_size is a whole number, not "):
        Connection("https://host/", chunk_size=chunk_size)


def test_api_one_returns_the_result_or_one_of_its_members(wire: Wire, connection: Connection) -> None:
    wire.replies.extend([results(1), results(1), results(1), results(None)])
    assert connection.api_one("a.get") == {"value": 1}
    assert connection.api_one("a.get", {}, "value") == 1
    for _ in range(2):
        with pytest.raises(PryvProtocolError, match="no "):
            connection.api_one("a.get", {}, "value" if len(wire.requests) == 3 else "other")
    wire.replies.append(reply({"results": [{"error": {"id": "forbidden", "message": "no"}}]}))
    with pytest.raises(ForbiddenError) as failed:
        connection.api_one("a.get")
    assert (failed.value.status, failed.value.method) == (None, "a.get")


@pytest.mark.parametrize("error_id", ["api-unavailable", "unexpected-error"])
def test_a_server_error_in_a_batch_has_its_own_class(wire: Wire, connection: Connection, error_id: str) -> None:
    wire.replies.append(reply({"results": [{"error": {"id": error_id, "message": "no"}}]}))
    with pytest.raises(ServerError) as failed:
        connection.api_one("a.get")
    assert failed.value.retryable


def test_errors_stay_in_their_place_on_a_platform(module_account: Account) -> None:
    _, _, connection = module_account
    calls = [
        {"method": "streams.create", "params": {"id": "batch", "name": "Batch"}},
        {"method": "no.such", "params": {}},
        {"method": "events.create", "params": {"streamIds": ["nowhere"], "type": "note/txt", "content": "x"}},
        {"method": "events.create", "params": {"streamIds": ["batch"], "type": "note/txt", "content": "é😀"}},
    ]
    found = connection.api(calls)
    assert [next(iter(result)) for result in found] == ["stream", "error", "error", "event"]
    assert found[3]["event"]["content"] == "é😀"
    with pytest.raises(UnknownResourceError):
        connection.api_one("events.getOne", {"id": "c" * 25}, "event")
    with pytest.raises(ApiError):
        connection.api_one("events.get", {"no such parameter": 1})
