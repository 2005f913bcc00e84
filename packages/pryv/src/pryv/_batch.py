"""Batches: calls are sent in chunks, by HTTP or a socket, and results are returned in order."""

from __future__ import annotations

import contextlib
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any

import attrs

from pryv._arguments import with_two_arguments
from pryv._transport import json
from pryv._transport.redact import mask_secrets
from pryv.errors import PryvProtocolError, api_error

Result = dict[str, Any]
Progress = Callable[[int | None, list[Result]], object] | Callable[[int | None], object]
SendChunk = Callable[["EncodedCalls"], Sequence[Result]]
"""Sends one chunk of calls (`{"method", "params"}`) and returns their results, one for each call, in order.

If a chunk is too large for one request, it raises `ChunkTooLargeError` and sends nothing.
"""


class ChunkTooLargeError(ValueError):
    """Raised by a `SendChunk` if the chunk is too large for one request. A chunk of several calls is then halved."""


def _without_secrets(params: Any) -> str:
    return repr(mask_secrets(params))


@attrs.frozen
class Call:
    """One call of a batch.

    Attributes:
        method: The API method's id, such as `events.create`.
        params: Its parameters; `None` means no parameters.
        handle_result: A callback that gets the result and this call as soon as the result has arrived; only the result
            if the callback takes one argument.
    """

    method: str
    params: Any = attrs.field(default=None, repr=_without_secrets)
    handle_result: Callable[[Result, Call], object] | Callable[[Result], object] | None = None

    __iter__ = None  # `__getitem__` alone would make it iterable: https://docs.python.org/3/reference/datamodel.html#object.__iter__

    def __getitem__(self, key: str) -> Any:
        """Return a member by its key in the API (`method`, `params`)."""
        return self.to_wire()[key]

    def to_wire(self) -> dict[str, Any]:
        """Return the call in the form of the API."""
        return {"method": self.method, "params": {} if self.params is None else self.params}


CallLike = Call | Mapping[str, Any]


def checked_chunk_size(size: Any) -> int:
    """Return a number of calls in a chunk.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is not above 0.
    """
    try:
        number = operator.index(size)
    except TypeError:
        raise TypeError(f"chunk_size is a whole number, not {type(size).__name__}") from None
    if number < 1:
        raise ValueError("chunk_size is at least 1")
    return number


class EncodedCalls(list[dict[str, Any]]):
    """Calls in the form of the API, with their JSON text."""

    def __init__(self, calls: Iterable[Call], body: bytes) -> None:
        super().__init__(call.to_wire() for call in calls)
        self.body = body


_MAPPINGS = (dict, Mapping)
"""`dict` comes first: `isinstance` is much faster for it than for `Mapping`."""


def as_call(item: CallLike, number: int) -> Call:
    """Return a batch's item, the `number`th from 0, as a `Call`.

    Raises:
        TypeError: it is neither a `Call` nor a dict with its members, or a member has the wrong type.
        ValueError: it has no method.
    """
    if isinstance(item, _MAPPINGS):
        handler = item.get("handle_result", item.get("handleResult"))
        item = Call(item.get("method", ""), item.get("params"), handler)
    elif not isinstance(item, Call):
        raise TypeError(f"call {number}: expected a pryv.Call or a dict, not {type(item).__name__}")
    if not isinstance(item.method, str):
        raise TypeError(f"call {number}: the method is a string, not {type(item.method).__name__}")
    if not item.method:
        raise ValueError(f"call {number}: there is no method")
    if not (item.params is None or isinstance(item.params, (dict, list, tuple, Mapping))):
        raise TypeError(f"call {number}: the params of {item.method} are a dict, not {type(item.params).__name__}")
    if item.handle_result is not None:
        with_two_arguments(item.handle_result, f"call {number}: handle_result")
    return item


def as_calls(calls: Iterable[CallLike]) -> Iterable[Call]:
    """Return `calls` as `Call`s: a sequence is checked at once, another iterable call by call.

    Raises:
        TypeError: `calls` is not an iterable of calls, or a call is malformed.
        ValueError: a call has no method.
    """
    if isinstance(calls, (str, bytes, Mapping, Call)) or not isinstance(calls, Iterable):
        raise TypeError(f"calls is an iterable of calls, not {type(calls).__name__}")
    numbered = map(as_call, calls, itertools.count())
    return list(numbered) if isinstance(calls, Sequence) else numbered


def iter_batch(send: SendChunk, calls: Iterable[CallLike], chunk_size: int) -> Iterator[list[tuple[Call, Result]]]:
    """Return an iterator that sends calls chunk by chunk and yields each chunk's calls with their results.

    If a call in a sequence is malformed or has no JSON form, nothing is sent.

    Raises:
        TypeError: `calls` is not an iterable of calls, or one is malformed or has no JSON form.
        ValueError: a call has no method, or no JSON form.
        ChunkTooLargeError: a single call is too large for one request.
        PryvProtocolError: the number of a chunk's results is not the number of its calls.
    """
    chunks = _chunks(as_calls(calls), chunk_size)
    return _results(send, list(chunks) if isinstance(calls, Sequence) else chunks)


def _chunks(calls: Iterable[Call], size: int) -> Iterator[tuple[list[Call], bytes]]:
    """Yield calls in chunks, each with its JSON text."""
    remaining = iter(calls)
    first = 0
    while chunk := list(itertools.islice(remaining, size)):
        yield chunk, encode_calls([call.to_wire() for call in chunk], first)
        first += len(chunk)
        del chunk  # or it would stay in memory while the next chunk is made


def encode_calls(calls: Sequence[Any], first: int = 0) -> bytes:
    """Return the JSON text of calls, the first of which is the `first` of the batch.

    Raises:
        EncodingError: a call has no JSON form; it is named by its number.
    """
    try:
        return json.encode(calls)
    except json.EncodingError as error:
        number, *place = error.path
        field = json.EncodingError(error.problem, tuple(place[place[:1] == ["params"] :]))
    raise json.EncodingError(f"call {first + int(number)}: {field}")


def _results(send: SendChunk, chunks: Iterable[tuple[list[Call], bytes]]) -> Iterator[list[tuple[Call, Result]]]:
    for chunk, body in chunks:
        yield from _send_in_parts(send, chunk, body)
        del chunk


def _send_in_parts(send: SendChunk, chunk: list[Call], body: bytes) -> Iterator[list[tuple[Call, Result]]]:
    """Send a chunk, or its halves if it is too large for one request."""
    try:
        results = send(EncodedCalls(chunk, body))
    except ChunkTooLargeError:
        if len(chunk) == 1:
            raise
    else:
        yield _pair(chunk, results)
        return
    half = len(chunk) // 2
    for part in (chunk[:half], chunk[half:]):
        yield from _send_in_parts(send, part, encode_calls([call.to_wire() for call in part]))


def _pair(chunk: list[Call], results: Any) -> list[tuple[Call, Result]]:
    """Return each call with its result.

    Raises:
        PryvProtocolError: the number of results is not the number of calls, or a result is not an object.
    """
    if not isinstance(results, Sequence) or len(results) != len(chunk):
        count = len(results) if isinstance(results, Sequence) else "no"
        raise PryvProtocolError(f"callBatch: the response has {count} results for {len(chunk)} calls")
    if not all(isinstance(result, dict) for result in results):
        raise PryvProtocolError("callBatch: a result is not an object")
    return list(zip(chunk, results, strict=True))


def run_batch(
    send: SendChunk,
    calls: Iterable[CallLike],
    chunk_size: int,
    progress: Progress | None = None,
    *,
    raise_on_error: bool = False,
) -> list[Result]:
    """Send all calls, in chunks, and return their results in order, as `Connection.api` does.

    Args:
        send: The transport, which sends one chunk at a time.
        calls: Instances of `Call`, or dicts with the same members; any iterable, read lazily.
        chunk_size: The number of calls in a chunk.
        progress: A callback after each chunk, as in `Connection.api`.
        raise_on_error: Whether the first error among the results is raised, once its chunk is done.

    Raises:
        TypeError: an argument has the wrong type, or a call is malformed or has no JSON form.
        ValueError: `chunk_size` is not above 0, or a call has no method or no JSON form.
        ChunkTooLargeError: a single call is too large for one request.
        ApiError: `raise_on_error` is set, and a call was refused: its number is `index`.
        PryvProtocolError: `send` did not return one result for each call. Any exception that stops it (of `send` or a
            callback too) has `results`: those received before.
    """
    chunk_size = checked_chunk_size(chunk_size)
    report = None if progress is None else with_two_arguments(progress, "progress")
    results: list[Result] = []
    total = len(calls) if isinstance(calls, Sized) else None
    try:
        for chunk in iter_batch(send, calls, chunk_size):
            results.extend(result for _, result in chunk)
            if raise_on_error:
                _handle_results([(call, result) for call, result in chunk if not is_error(result)])
                _raise_first(chunk, len(results) - len(chunk))
            else:
                _handle_results(chunk)
            if report is not None:
                report(None if total is None else math.floor(100 * len(results) / total + 0.5), results)
    except BaseException as error:
        with contextlib.suppress(AttributeError):
            error.results = results  # type: ignore[attr-defined]
        chunk, results = [], []  # or a traceback would show them
        raise
    return results


def is_error(result: Any) -> bool:
    """Return whether a result is an error of the API."""
    return isinstance(result, dict) and isinstance(result.get("error"), dict)


def _raise_first(chunk: list[tuple[Call, Result]], first: int) -> None:
    """Raise the first error of a chunk, the first call of which is the `first` of the batch."""
    failed = [(index, call, result) for index, (call, result) in enumerate(chunk, first) if is_error(result)]
    chunk = []  # or a traceback would show it
    for index, call, result in failed:
        error = api_error(result["error"], method=call.method)
        error.index = index
        raise error


def each_handled(chunks: Iterable[list[tuple[Call, Result]]]) -> Iterator[tuple[Call, Result]]:
    """Yield each call with its result, after the callbacks of its chunk were called."""
    for chunk in chunks:
        _handle_results(chunk)
        yield from chunk
        del chunk  # or it would stay in memory while the next chunk is made


def _handle_results(chunk: list[tuple[Call, Result]]) -> None:
    for call, result in chunk:
        if call.handle_result is not None:
            with_two_arguments(call.handle_result, "handle_result")(result, call)
