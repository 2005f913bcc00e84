"""Events as frames of pandas and Arrow, by the extras `pryv[pandas]` and `pryv[arrow]`.

The default columns are `id`, `time` (UTC), `duration`, `type`, `stream_ids`, `content` (where it is a number),
`content_text` (a text, or the JSON of anything else), `modified` (UTC) and `trashed`. Deletions are left out.
Timestamps are of microseconds; a time outside the years 1 to 9999 is null.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pryv._event_members import Values, member_reader
from pryv._event_values import content_texts
from pryv._frames import arrow_values, optional_module, pandas_values

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from pryv._columns import Field

__all__ = ["iter_arrow", "to_arrow", "to_pandas"]

Columns = Iterable[str] | Mapping[str, type | None]
"""Names of default columns and JSON paths such as `content.systolic`; a mapping may give the type: float or str."""

ROWS = 65_536
"""Rows of a record batch, by default."""


def __dir__() -> list[str]:
    return __all__


def to_pandas(events: Iterable[Mapping[str, Any]], columns: Columns | None = None) -> pd.DataFrame:
    """Return events as a DataFrame.

    Args:
        events: Events, such as those of `Connection.iter_events` or of a mirror; read once.
        columns: The columns, in place of the default ones. A path is a column of floats if all its values are numbers
            or null and one at least is a number, otherwise of text; the dict `{path: float}` gives the type.

    Returns:
        The frame, one row per event. `time` and `modified` are `datetime64[us, UTC]`, `duration` and `content` float64,
        `trashed` is bool, all others are objects.

    Raises:
        MissingAddonError: pandas is not installed.
        TypeError: `events` is one event, or has an item that is no event; `columns` has a name that is not a string, or
            a type other than float and str.
        ValueError: `columns` is empty, or a value is not of the type that it gives; the message has the path.
    """
    pandas = optional_module("pandas", "pandas")
    found = _filled(events, columns)
    values = {name: pandas_values(pandas, field.take(), field.kind) for name, field in found.items()}
    return pandas.DataFrame(values, copy=False)


def to_arrow(events: Iterable[Mapping[str, Any]], columns: Columns | None = None) -> pa.Table:
    """Return events as a table of Arrow.

    Args:
        events: Events, read once.
        columns: See `to_pandas`.

    Returns:
        The table, one row per event: `time` and `modified` are `timestamp[us, UTC]`, `duration` and `content` double,
        `stream_ids` is a list of strings, `trashed` is bool, all others are strings.

    Raises:
        MissingAddonError: pyarrow is not installed.
        TypeError: `events` is one event, or has an item that is no event; `columns` has a name that is not a string, or
            a type other than float and str.
        ValueError: `columns` is empty, or a value is not of the type that it gives; the message has the path.
    """
    arrow = optional_module("pyarrow", "arrow")
    found = _filled(events, columns)
    return arrow.table({name: arrow_values(arrow, field.take(), field.kind) for name, field in found.items()})


def iter_arrow(
    events: Iterable[Mapping[str, Any]], columns: Columns | None = None, rows: int = ROWS
) -> Iterator[pa.RecordBatch]:
    """Yield events as record batches of Arrow, at constant memory.

    Args:
        events: Events, read lazily.
        columns: See `to_pandas`. The first batch decides the type of a path for which none is given.
        rows: The number of rows of a batch; the last one may have fewer.

    Raises:
        MissingAddonError: pyarrow is not installed.
        TypeError: `events` is one event, or has an item that is no event; `rows` is not an int; `columns` has a name
            that is not a string, or a type other than float and str.
        ValueError: `rows` is less than 1, `columns` is empty, or a value does not fit the type of its path; the message
            has the path.
    """
    if isinstance(rows, bool) or not isinstance(rows, int):
        raise TypeError(f"rows is an int, not {type(rows).__name__}")
    if rows < 1:
        raise ValueError("rows is at least 1")
    arrow = optional_module("pyarrow", "arrow")
    found = _fields(columns)
    return _batches(arrow, _reader(events, found), found, rows)


def _filled(events: Iterable[Mapping[str, Any]], columns: Columns | None) -> dict[str, Field]:
    """Return columns with the values of all events."""
    found = _fields(columns)
    read = _reader(events, found)
    while values := read(sys.maxsize):
        _add(values, found)
    return found


def _batches(arrow: Any, read: Callable[[int], Values], found: dict[str, Field], rows: int) -> Iterator[pa.RecordBatch]:
    while True:
        count = 0
        while count < rows and (values := read(rows - count)):
            count += _add(values, found)
        if not count:
            return
        arrays = {name: arrow_values(arrow, field.take(), field.kind) for name, field in found.items()}
        yield arrow.record_batch(list(arrays.values()), names=list(arrays))


def _reader(events: Iterable[Mapping[str, Any]], found: dict[str, Field]) -> Callable[[int], Values]:
    if isinstance(events, (Mapping, str, bytes)):
        raise TypeError(f"events is an iterable of events, not {type(events).__name__}")
    return member_reader(events, [field.member for field in found.values()])


def _add(values: Values, found: dict[str, Field]) -> int:
    """Add the values of some events, and return how many events there were."""
    for field in found.values():
        field.add(values)
    return len(next(iter(values.values())))


def _fields(columns: Columns | None) -> dict[str, Field]:
    from pryv import _columns as kinds

    default: dict[str, Callable[[], Field]] = {
        "id": lambda: kinds.Field("id", kinds.Texts()),
        "time": lambda: kinds.Field("time", kinds.Times()),
        "duration": lambda: kinds.Field("duration", kinds.Numbers()),
        "type": lambda: kinds.Field("type", kinds.Texts()),
        "stream_ids": lambda: kinds.Field("streamIds", kinds.Lists()),
        "content": lambda: kinds.Field("content", kinds.Numbers()),
        "content_text": lambda: kinds.Field("content", kinds.Texts(content_texts)),
        "modified": lambda: kinds.Field("modified", kinds.Times()),
        "trashed": lambda: kinds.Field("trashed", kinds.Flags()),
    }
    if columns is None:
        return {name: make() for name, make in default.items()}
    if isinstance(columns, (str, bytes)):
        raise TypeError("columns is a list of names, or a dict of names and types")
    types: dict[str, type | None] = dict(columns) if isinstance(columns, Mapping) else dict.fromkeys(columns)
    if not types:
        raise ValueError("columns is empty: a frame without columns has no rows")
    found: dict[str, Field] = {}
    for name, kind in types.items():
        if not isinstance(name, str):
            raise TypeError(f"the name of a column is a string, not {type(name).__name__}")
        if kind is float:
            found[name] = kinds.Field(name, kinds.Numbers(name))
        elif kind is str:
            found[name] = kinds.Field(name, kinds.Texts())
        elif kind is not None:
            raise TypeError(f"the type of column {name!r} is float or str")
        else:
            found[name] = default[name]() if name in default else kinds.Field(name, kinds.Inferred(name))
    return found
