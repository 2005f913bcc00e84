"""Frames of events."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bodies import EventsBody
from row import Function, Reply, Row, Site


def site(size: int) -> Site:
    """Return an account with `size` events."""
    return {"GET /events": Reply(EventsBody(size))}


def pandas_frame(url: str, size: int) -> Callable[[], int]:
    """Make a DataFrame with `to_pandas` and the standard library."""
    sys.modules["msgspec"] = None  # type: ignore[assignment]  # as if it were not installed
    return pandas_frame_with_msgspec(url, size)


def pandas_frame_with_msgspec(url: str, _: int) -> Callable[[], int]:
    """Make a DataFrame with `to_pandas` and the extra `speed`."""
    from pryv import Connection
    from pryv.frames import to_pandas

    connection = Connection(url)
    to_pandas([])
    return lambda: len(to_pandas(connection.iter_events()))


def arrow_table(url: str, size: int) -> Callable[[], int]:
    """Make a table with `to_arrow` and the standard library."""
    sys.modules["msgspec"] = None  # type: ignore[assignment]
    return arrow_table_with_msgspec(url, size)


def arrow_table_with_msgspec(url: str, _: int) -> Callable[[], int]:
    """Make a table with `to_arrow` and the extra `speed`."""
    from pryv import Connection
    from pryv.frames import to_arrow

    connection = Connection(url)
    to_arrow([])
    return lambda: to_arrow(connection.iter_events()).num_rows


def arrow_batches(url: str, _: int) -> Callable[[], int]:
    """Read record batches with `iter_arrow`."""
    from pryv import Connection
    from pryv.frames import iter_arrow

    connection = Connection(url)
    list(iter_arrow([{}]))
    return lambda: sum(batch.num_rows for batch in iter_arrow(connection.iter_events()))


def frame_by_hand(url: str, size: int) -> Callable[[], int]:
    """Make a DataFrame of a list of all events, read with the standard library."""
    sys.modules["msgspec"] = None  # type: ignore[assignment]
    return frame_by_hand_with_msgspec(url, size)


def frame_by_hand_with_msgspec(url: str, _: int) -> Callable[[], int]:
    """Make a DataFrame of a list of all events, read with the extra `speed`."""
    from pandas import DataFrame

    from pryv import Connection

    connection = Connection(url)
    DataFrame([{}])
    return lambda: len(DataFrame(list(connection.iter_events())))


def _row(name: str, what: str, subject: str, reference: str) -> Row:
    return Row(
        name,
        what,
        "cpu",
        Function(subject),
        {"`DataFrame(list(iter_events()))`": Function(reference)},
        {"`DataFrame(list(iter_events()))`": 0.3},
        size=(100_000, 300),
        site=site,
    )


def _memory_row(name: str, count: int) -> Row:
    return Row(
        name,
        f"`iter_arrow`, {count:,} events",
        "memory",
        Function("arrow_batches"),
        size=(count, 300),
        site=site,
        rounds=3,
    )


ROWS = [
    _row("pandas", "`to_pandas`, 100,000 events", "pandas_frame", "frame_by_hand"),
    _row("arrow", "`to_arrow`, 100,000 events", "arrow_table", "frame_by_hand"),
    _row("pandas-speed", "`to_pandas`, with `pryv[speed]`", "pandas_frame_with_msgspec", "frame_by_hand_with_msgspec"),
    _row("arrow-speed", "`to_arrow`, with `pryv[speed]`", "arrow_table_with_msgspec", "frame_by_hand_with_msgspec"),
    _memory_row("batches", 1_000_000),
    _memory_row("batches-few", 200_000),
]
