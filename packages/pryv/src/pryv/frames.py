"""Events as frames of pandas and Arrow, by the extras `pryv[pandas]` and `pryv[arrow]`.

The default columns are `id`, `time` (UTC), `duration`, `type`, `stream_ids`, `content` (where it is a number),
`content_text` (a text, or the JSON of anything else), `modified` (UTC) and `trashed`. Deletions are left out.
Timestamps are of microseconds; a time outside the years 1 to 9999 is null.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pryv._event_values import content_texts
from pryv._frames import arrow_values, optional_module, pandas_values

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from pryv._columns import Column

__all__ = ["iter_arrow", "to_arrow", "to_pandas"]

Columns = Iterable[str] | Mapping[str, type | None]
"""Names of default columns and JSON paths such as `content.systolic`; a mapping may give the type: float or str."""

ROWS = 65_536
"""Rows of a record batch, by default."""

_EVENTS_AT_ONCE = 64
"""Events that are alive at the same time, so that they stay in the processor's cache."""


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
        TypeError: `events` is one event, or `columns` has a name that is not a string, or a type other than float and
            str.
        ValueError: `columns` is empty, or a value is not of the type that it gives; the message has the path.
    """
    pandas = optional_module("pandas", "pandas")
    found = _filled(events, columns)
    return pandas.DataFrame({name: pandas_values(pandas, column.take(), column.kind) for name, column in found.items()})


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
        TypeError: `events` is one event, or `columns` has a name that is not a string, or a type other than float and
            str.
        ValueError: `columns` is empty, or a value is not of the type that it gives; the message has the path.
    """
    arrow = optional_module("pyarrow", "arrow")
    found = _filled(events, columns)
    return arrow.table({name: arrow_values(arrow, column.take(), column.kind) for name, column in found.items()})


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
        TypeError: `events` is one event, `rows` is not an int, or `columns` has a name that is not a string, or a type
            other than float and str.
        ValueError: `rows` is less than 1, `columns` is empty, or a value does not fit the type of its path; the message
            has the path.
    """
    if isinstance(rows, bool) or not isinstance(rows, int):
        raise TypeError(f"rows is an int, not {type(rows).__name__}")
    if rows < 1:
        raise ValueError("rows is at least 1")
    arrow = optional_module("pyarrow", "arrow")
    return _batches(arrow, _without_deletions(events), _columns(columns), rows)


def _filled(events: Iterable[Mapping[str, Any]], columns: Columns | None) -> dict[str, Column]:
    """Return columns with the values of all events."""
    found = _columns(columns)
    kept = _without_deletions(events)
    while _add(kept, found, _EVENTS_AT_ONCE):
        pass
    return found


def _batches(
    arrow: Any, events: Iterator[Mapping[str, Any]], found: dict[str, Column], rows: int
) -> Iterator[pa.RecordBatch]:
    while True:
        count = 0
        while added := _add(events, found, min(rows - count, _EVENTS_AT_ONCE)):
            count += added
        if not count:
            return
        arrays = {name: arrow_values(arrow, column.take(), column.kind) for name, column in found.items()}
        yield arrow.record_batch(list(arrays.values()), names=list(arrays))


def _without_deletions(events: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    if isinstance(events, (Mapping, str, bytes)):
        raise TypeError(f"events is an iterable of events, not {type(events).__name__}")
    return (event for event in events if event.get("deleted") is None)


def _add(events: Iterator[Mapping[str, Any]], found: dict[str, Column], most: int) -> int:
    """Add the next events to the columns, and return how many there were."""
    some = list(itertools.islice(events, most))
    for column in found.values():
        column.add(some)
    return len(some)


def _columns(columns: Columns | None) -> dict[str, Column]:
    from pryv import _columns as kinds

    default: dict[str, Callable[[], Column]] = {
        "id": lambda: kinds.Texts(kinds.at_path("id")),
        "time": lambda: kinds.Times(kinds.at_path("time")),
        "duration": lambda: kinds.Numbers(kinds.at_path("duration")),
        "type": lambda: kinds.Texts(kinds.at_path("type")),
        "stream_ids": lambda: kinds.Lists(kinds.at_path("streamIds")),
        "content": lambda: kinds.Numbers(kinds.at_path("content")),
        "content_text": lambda: kinds.Texts(kinds.at_path("content"), content_texts),
        "modified": lambda: kinds.Times(kinds.at_path("modified")),
        "trashed": lambda: kinds.Flags(kinds.at_path("trashed")),
    }
    if columns is None:
        return {name: make() for name, make in default.items()}
    if isinstance(columns, (str, bytes)):
        raise TypeError("columns is a list of names, or a dict of names and types")
    types: dict[str, type | None] = dict(columns) if isinstance(columns, Mapping) else dict.fromkeys(columns)
    if not types:
        raise ValueError("columns is empty: a frame without columns has no rows")
    found: dict[str, Column] = {}
    for name, kind in types.items():
        if not isinstance(name, str):
            raise TypeError(f"the name of a column is a string, not {type(name).__name__}")
        if kind is float:
            found[name] = kinds.Numbers(kinds.at_path(name), name)
        elif kind is str:
            found[name] = kinds.Texts(kinds.at_path(name))
        elif kind is not None:
            raise TypeError(f"the type of column {name!r} is float or str")
        else:
            found[name] = default[name]() if name in default else kinds.Inferred(name)
    return found
