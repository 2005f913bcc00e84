"""Points of high-frequency series."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bodies import META, encoded
from row import Function, Reply, Row, Site

if TYPE_CHECKING:
    import requests

_FIELDS = ["deltaTime", "value"]
_POINTS_A_REQUEST = 20_000


def site(_: int) -> Site:
    """Return an account with a series."""
    return {"POST /events/e/series": Reply.of(encoded({"meta": META, "status": "ok"}))}


def points(size: int) -> Iterator[tuple[float, float]]:
    """Generate points."""
    return ((number / 128, 60 + number % 977 / 8) for number in range(size))


def array(size: int) -> Any:
    """Return the points as an array."""
    import numpy as np

    number = np.arange(size)
    return np.column_stack((number / 128, 60 + number % 977 / 8))


def generated(url: str, size: int) -> Callable[[], int]:
    """Send points as they are generated, with the standard library."""
    sys.modules["msgspec"] = None  # type: ignore[assignment]  # as if it were not installed
    return generated_with_msgspec(url, size)


def generated_with_msgspec(url: str, size: int) -> Callable[[], int]:
    """Send points as they are generated, with the extra `speed`."""
    from pryv import Connection

    connection = Connection(url)
    return lambda: connection.add_points_to_hf_event("e", _FIELDS, points(size))


def from_array(url: str, size: int) -> Callable[[], int]:
    """Send an array of points, with the standard library."""
    sys.modules["msgspec"] = None  # type: ignore[assignment]  # as if it were not installed
    return from_array_with_msgspec(url, size)


def from_array_with_msgspec(url: str, size: int) -> Callable[[], int]:
    """Send an array of points, with the extra `speed`."""
    from pryv import Connection

    connection, data = Connection(url), array(size)
    return lambda: connection.add_points_to_hf_event("e", _FIELDS, data)


def generated_by_hand(url: str, size: int) -> Callable[[], int]:
    """Send points as they are generated, with requests and json."""
    import requests

    rows = points(size)
    chunks = iter(lambda: list(itertools.islice(rows, _POINTS_A_REQUEST)), [])
    return lambda: send_by_hand(requests.Session(), url, chunks)


def from_array_by_hand(url: str, size: int) -> Callable[[], int]:
    """Send an array of points, made lists chunk by chunk, with requests and json."""
    import requests

    data = array(size)
    starts = range(0, size, _POINTS_A_REQUEST)
    chunks = (data[start : start + _POINTS_A_REQUEST].tolist() for start in starts)
    return lambda: send_by_hand(requests.Session(), url, chunks)


def send_by_hand(session: requests.Session, url: str, chunks: Iterator[list[Any]]) -> int:
    """Send chunks of points, as large as the SDK's."""
    sent = 0
    with session:
        for chunk in chunks:
            body = json.dumps({"format": "flatJSON", "fields": _FIELDS, "points": chunk})
            headers = {"Content-Type": "application/json"}
            response = session.post(f"{url}events/e/series", data=body, headers=headers, timeout=60)
            response.raise_for_status()
            sent += len(chunk)
    return sent


ROWS = [
    Row(
        "series",
        "1,000,000 points from a generator",
        "cpu",
        Function("generated"),
        {"chunks by hand": Function("generated_by_hand")},
        {"chunks by hand": 1.3},
        size=(1_000_000, 1_000),
        site=site,
    ),
    Row(
        "series-array",
        "1,000,000 points from a NumPy array",
        "cpu",
        Function("from_array"),
        {
            "chunks by hand, `tolist()`": Function("from_array_by_hand"),
            "chunks by hand, from a generator": Function("generated_by_hand"),
        },
        {"chunks by hand, `tolist()`": 0.9},
        size=(1_000_000, 1_000),
        site=site,
    ),
    Row(
        "series-speed",
        "1,000,000 points from a generator, with `pryv[speed]`",
        "cpu",
        Function("generated_with_msgspec"),
        {"chunks by hand": Function("generated_by_hand")},
        {"chunks by hand": 0.5},
        size=(1_000_000, 1_000),
        site=site,
    ),
    Row(
        "series-array-speed",
        "1,000,000 points from a NumPy array, with `pryv[speed]`",
        "cpu",
        Function("from_array_with_msgspec"),
        {"chunks by hand, `tolist()`": Function("from_array_by_hand")},
        {"chunks by hand, `tolist()`": 0.45},
        size=(1_000_000, 1_000),
        site=site,
    ),
    Row(
        "series-memory",
        "1,000,000 points from a generator",
        "memory",
        Function("generated"),
        reach={"": 32},
        size=(1_000_000, 1_000),
        site=site,
        rounds=3,
    ),
    Row(
        "series-array-memory",
        "1,000,000 points from a NumPy array",
        "memory",
        Function("from_array"),
        reach={"": 32},
        size=(1_000_000, 1_000),
        site=site,
        rounds=3,
    ),
]
