"""Points of high-frequency series, sent in requests that the platform accepts in size."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from datetime import datetime
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from pryv._display import public_names
from pryv._points import Points, read_points
from pryv._transport import json
from pryv._transport.account import Account
from pryv._transport.fast_json import encode_rows
from pryv._transport.http import Response
from pryv._transport.members import MalformedError, TooLargeError
from pryv._transport.redact import redact
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import path_segment, query_pairs
from pryv.errors import PryvError, PryvProtocolError, ResponseTooLargeError
from pryv.utils import to_datetime, to_timestamp

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MAX_BYTES = 8_000_000
"""The most bytes of points in one request; the platform refuses a body above 10 MB."""

MAX_ROWS = 20_000
"""The most rows in one request."""

_BLOCK = 200
ArrayT = TypeVar("ArrayT")

_PLAIN = {list, tuple}
_TIMES = ("M", "m")
"""The kinds of NumPy's `datetime64` and `timedelta64`."""


def _checked_fields(fields: Iterable[str]) -> list[str]:
    if isinstance(fields, str) or not isinstance(fields, Iterable):
        raise TypeError(f"fields is a list of the fields' names, not {type(fields).__name__}")
    names = list(fields)
    if not all(isinstance(name, str) for name in names):
        raise TypeError("the names of the fields are strings")
    if not all(names) or len(set(names)) < len(names):
        raise ValueError("the names of the fields are not empty and differ")
    return names


def _checked_points(points: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    if isinstance(points, (str, bytes, Mapping)) or not isinstance(points, Iterable):
        raise TypeError(f"points is an iterable of rows, not {type(points).__name__}")
    if getattr(points, "ndim", 2) != 2:
        raise ValueError("an array of points has two dimensions")
    return _without_times(points)


def _without_times(array: ArrayT) -> ArrayT:
    """Return an array that does not have times of NumPy: its `tolist` makes them numbers, of nanoseconds for example.

    Raises:
        TypeError: it has.
    """
    dtype = getattr(array, "dtype", None)
    if getattr(dtype, "kind", "") in _TIMES:
        raise TypeError(f"points are numbers, such as seconds, and not {dtype}")
    return array


def _rows_of_frame(fields: list[str], frame: Any) -> Any:
    """Return the columns of a DataFrame that have the fields' names, as an array."""
    missing = [field for field in fields if field not in frame.columns]
    if missing:
        raise ValueError(f"the DataFrame has no column {missing[0]!r}")
    return _without_times(frame[fields].to_numpy())


def _listed(points: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    return list(points) if isinstance(points, Points) else points


def _comparable(points: Any) -> Iterable[Sequence[Any]]:
    """Return points so that two of them compare as a whole; NumPy's arrays compare element by element."""
    return points.tolist() if hasattr(points, "tolist") else _listed(points)


@attrs.frozen(repr=False)
class Series:
    """Points of a series event.

    Attributes:
        fields: The name of each value in a row, such as `["deltaTime", "value"]`. If the platform has no points to
            return, the list is empty.
        points: The rows: any iterable of sequences, a 2-D array, or a pandas DataFrame, whose columns are found by
            their names. For a series that was read, each access makes new
            lists; `rows` and `columns` take less memory.

    Raises:
        TypeError: `fields` is not a list of strings, `points` is neither an iterable nor an array, or has
            times of NumPy, which are no numbers of seconds.
        ValueError: the name of a field is empty or occurs twice, the array is not 2-D, or the DataFrame lacks a field.
    """

    fields: list[str] = attrs.field(converter=_checked_fields)
    _points: Iterable[Sequence[Any]] = attrs.field(converter=_checked_points, eq=_comparable, alias="points")

    def __attrs_post_init__(self) -> None:
        if hasattr(self._points, "columns") and hasattr(self._points, "to_numpy"):
            object.__setattr__(self, "_points", _rows_of_frame(self.fields, self._points))

    def __len__(self) -> int:
        """Return the number of rows.

        Raises:
            TypeError: the points are an iterator.
        """
        return len(self._points)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[list[Any]]:
        """Yield each row as a list; see `rows`."""
        return self.rows()

    def __repr__(self) -> str:
        points = self._points
        shown = f"{len(points):,} rows" if isinstance(points, Sized) else type(points).__name__
        return f"Series(fields={self.fields}, points=<{shown}>)"

    __dir__ = public_names

    @property
    def points(self) -> Iterable[Sequence[Any]]:
        """The rows."""
        return _listed(self._points)

    def rows(self) -> Iterator[list[Any]]:
        """Yield each row as a list; an iterator passed as `points` can be read only once.

        Raises:
            TypeError: a row is not a sequence of values.
            ValueError: the number of values in a row is not the number of fields.
        """
        for block in self.blocks():
            yield from map(list, block)

    def blocks(self) -> Iterator[list[Sequence[Any]]]:
        """Yield the rows in blocks; see `rows`."""
        first = 0
        rows_are_alike = hasattr(self._points, "ndim")
        for block in _blocks_of(self._points):
            checked = block[:1] if rows_are_alike else block
            if not (set(map(type, checked)) <= _PLAIN and set(map(len, checked)) == {len(self.fields)}):
                block = [self._checked_row(number, row) for number, row in enumerate(block, first)]
            yield block
            first += len(block)

    def _checked_row(self, number: int, row: Any) -> Sequence[Any]:
        row = _without_times(row).tolist() if hasattr(row, "tolist") else row
        if isinstance(row, (str, bytes)) or not isinstance(row, Sequence):
            raise TypeError(f"row {number} is not a sequence of values but {type(row).__name__}")
        if len(row) != len(self.fields):
            raise ValueError(f"row {number} has {len(row)} values for {len(self.fields)} fields")
        return list(row)

    def columns(self) -> dict[str, list[Any]]:
        """Return the values of each field.

        Raises:
            TypeError: a row is not a sequence of values.
            ValueError: the number of values in a row is not the number of fields.
        """
        if isinstance(self._points, Points):
            return {field: self._points.column(index) for index, field in enumerate(self.fields)}
        rows = list(self.rows())
        return {field: [row[index] for row in rows] for index, field in enumerate(self.fields)}

    def times(self, start: float | datetime) -> list[datetime]:
        """Return the time of each row, in UTC.

        Args:
            start: The time of the series event: seconds since 1970, or an aware datetime.

        Raises:
            TypeError: `start` is not a time.
            ValueError: there is no field `deltaTime`, or a time is outside the years 1 to 9999.
        """
        first = _seconds_of(start)
        return [to_datetime(first + seconds) for seconds in self._delta_times()]

    def to_pandas(self, start: float | datetime | None = None) -> pd.DataFrame:
        """Return the points as a DataFrame, with a column per field.

        Args:
            start: The time of the series event, in seconds or as an aware datetime. With it, the index has the time of
                each row (UTC, to the microsecond); without it, the rows are numbered.

        Raises:
            MissingAddonError: pandas is not installed.
            TypeError: `start` is not a time.
            ValueError: `start` is given, and there is no field `deltaTime`.
        """
        from pryv._frames import series_to_pandas

        moments = None
        if start is not None:
            first = _seconds_of(start)
            moments = [first + seconds for seconds in self._delta_times()]
        return series_to_pandas(self.columns(), moments)

    def to_arrow(self) -> pa.Table:
        """Return the points as a table of Arrow, with a column per field.

        Raises:
            MissingAddonError: pyarrow is not installed.
        """
        from pryv._frames import series_to_arrow

        return series_to_arrow(self.columns())

    def _delta_times(self) -> list[float]:
        if "deltaTime" not in self.fields:
            raise ValueError("the series has no field 'deltaTime'")
        return self.columns()["deltaTime"]


def _seconds_of(start: float | datetime) -> float:
    """Return a time in seconds since 1970.

    Raises:
        TypeError: it is neither a number nor a `datetime`.
        ValueError: it is a `datetime` without a time zone, or no time in the years 1 to 9999.
    """
    if isinstance(start, datetime):
        return to_timestamp(start)
    if not isinstance(start, Real) or isinstance(start, bool):
        raise TypeError(f"start is a time in seconds or an aware datetime, not {type(start).__name__}")
    try:
        return float(start)
    except OverflowError:
        raise ValueError("start is not a time in the years 1 to 9999") from None


def _blocks_of(points: Any) -> Iterator[list[Any]]:
    """Yield rows in blocks; the rows of an array become lists of Python numbers."""
    if hasattr(points, "tolist"):
        for start in range(0, len(points), _BLOCK):
            yield points[start : start + _BLOCK].tolist()
    else:
        rows = iter(points)
        while block := list(itertools.islice(rows, _BLOCK)):
            yield block


def add_points(account: Account, event_id: str, series: Series, timeout: CallTimeout) -> int:
    """Add points to one series; see `Connection.add_points_to_hf_event`."""
    account.require_bearer("series")
    bodies = ((_flat_json(series, points), count) for points, count in _packed(_encoded_rows(series)))
    return _post_all(account, f"events/{path_segment(event_id)}/series", bodies, timeout)


def add_batch(account: Account, series_by_event: Mapping[str, Series], timeout: CallTimeout) -> int:
    """Add points to several series; see `Connection.add_points_batch`."""
    account.require_bearer("series")
    if not isinstance(series_by_event, Mapping) or not all(
        isinstance(event_id, str) and isinstance(series, Series) for event_id, series in series_by_event.items()
    ):
        raise TypeError("series_by_event is a dict of event ids and pryv.Series")
    for event_id in series_by_event:
        path_segment(event_id)
    elements = (
        (b'{"eventId":%b,"data":%b}' % (json.encode(event_id), _flat_json(series, points)), count)
        for event_id, series in series_by_event.items()
        for points, count in _packed(_encoded_rows(series, f"event {event_id}: "))
    )
    bodies = ((b'{"format":"seriesBatch","data":[%b]}' % data, count) for data, count in _packed(elements))
    return _post_all(account, "series/batch", bodies, timeout)


def get_points(
    account: Account,
    event_id: str,
    from_delta_time: float | None,
    to_delta_time: float | None,
    timeout: CallTimeout,
) -> Series:
    """Read points of a series; see `Connection.get_hf_points`."""
    account.require_bearer("series")
    path = f"events/{path_segment(event_id)}/series"
    bounds: dict[str, Any] = {"fromDeltaTime": from_delta_time, "toDeltaTime": to_delta_time}
    for name, bound in bounds.items():
        number = json.plain(bound, name)
        if not isinstance(number, (int, float, type(None))) or isinstance(number, bool) or isinstance(bound, datetime):
            raise TypeError(f"{name} is a number of seconds, not {type(bound).__name__}")
    query = query_pairs(bounds)
    label = redact(f"GET {path}", *account.secrets)
    limits = account.http.limits
    error: PryvError

    def read(response: Response) -> dict[str, Any]:
        with contextlib.closing(response.chunks()) as chunks:
            return read_points(chunks, limits)

    try:
        response = account.send("GET", path, label=label, query=query, idempotent=True, read=read, timeout=timeout)
    except TooLargeError:
        error = ResponseTooLargeError(f"{label}: the series is larger than {limits.response} bytes (Limits.response)")
    except (MalformedError, UnicodeDecodeError):
        error = PryvProtocolError(f"{label}: the response is not a series")
    else:
        return _series_of(account.result(response), label)
    raise account.failed(error)


def _series_of(body: Mapping[str, Any], label: str) -> Series:
    points = body.get("points")
    with contextlib.suppress(KeyError, TypeError, ValueError):
        if isinstance(points, Points) and points.width in (0, len(body["fields"])):
            return Series(body["fields"], points)
    raise PryvProtocolError(f"{label}: the response is not a series")


def _post_all(account: Account, path: str, bodies: Iterator[tuple[bytes, int]], timeout: CallTimeout) -> int:
    label = redact(f"POST {path}", *account.secrets)
    sent = 0
    try:
        for body, count in bodies:
            response = account.send("POST", path, headers=json.HEADERS, body=body, timeout=timeout)
            if account.result(response).get("status") != "ok":
                raise PryvProtocolError(f"{label}: the platform did not confirm the points")
            sent += count
    except BaseException as error:
        with contextlib.suppress(AttributeError):
            error.points_sent = sent  # type: ignore[attr-defined]
        raise
    return sent


def _packed(items: Iterable[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """Join items, each with its number of rows, as long as they fit into one request."""
    pack: list[bytes] = []
    size = count = 0
    for item, rows in items:
        if pack and (size + len(item) > MAX_BYTES or count + rows > MAX_ROWS):
            yield b",".join(pack), count
            pack, size, count = [], 0, 0
        pack.append(item)
        size += len(item) + 1
        count += rows
    if pack:
        yield b",".join(pack), count


def _flat_json(series: Series, points: bytes) -> bytes:
    return b'{"format":"flatJSON","fields":%b,"points":[%b]}' % (json.encode(series.fields), points)


def _encoded_rows(series: Series, label: str = "") -> Iterator[tuple[bytes, int]]:
    """Yield the rows block by block, as JSON without the outer brackets, and the number of rows in each.

    Raises:
        EncodingError: a value has no JSON form; the message contains the label, its row and its field.
    """
    first = 0
    for block in series.blocks():
        try:
            yield from _encoded_block(block)
        except json.EncodingError as error:
            row, field, *rest = error.path
            path = (series.fields[int(field)], *rest)
            raise json.EncodingError(
                f"{label}row {first + int(row)}: {json.EncodingError(error.problem, path)}"
            ) from None
        first += len(block)


def _encoded_block(rows: list[Sequence[Any]]) -> Iterator[tuple[bytes, int]]:
    text = encode_rows(rows)[1:-1]
    if len(text) <= MAX_BYTES or len(rows) == 1:
        yield text, len(rows)
    else:
        middle = len(rows) // 2
        yield from _encoded_block(rows[:middle])
        yield from _encoded_block(rows[middle:])
