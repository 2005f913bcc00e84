"""Finding the latest event for each of several contents."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from pryv._events import EventStream
from pryv._long_queries import MAX_VALUES
from pryv._transport import json
from pryv.types import Event

_MISSING = object()


def latest_by_content(
    read: Callable[[dict[str, Any]], EventStream],
    path: str,
    values: Iterable[Hashable],
    base_query: Mapping[str, Any] | None,
) -> dict[Any, Event]:
    """Return the latest event for each value that is found at `path`; see `Connection.get_latest_by_content`."""
    query = dict(base_query or {})
    if not isinstance(path, str) or not path:
        raise ValueError("path is a dot-path into the content, or $")
    if "limit" in query or "skip" in query:
        raise ValueError("the latest event of each value is looked for in all events: limit and skip have no place")
    wanted: dict[Any, Any] = {}
    for number, value in enumerate(values):
        plain = json.plain(value, "values", number)
        if not isinstance(plain, (str, int, float)):
            raise TypeError(f"the values looked for are strings, numbers or booleans, not {type(value).__name__}")
        wanted[_distinct(plain)] = plain
    place = ["content"] if path == "$" else ["content", *path.split(".")]
    conditions = query.get("content") or ()
    found: dict[Any, Event] = {}
    left = iter(wanted)
    while keys := dict.fromkeys(itertools.islice(left, MAX_VALUES)):
        condition = {"path": path, "in": [wanted[key] for key in keys]}
        with read({**query, "content": [*conditions, condition], "sortAscending": False}) as events:
            for event in events:
                key = _distinct(_found_at(place, event))
                if key in keys:
                    del keys[key]
                    found[wanted[key]] = event
                if not keys:
                    break
    return found


def _found_at(place: list[str], data: Any) -> Any:
    """Return what stands at a place in data, or a marker that equals nothing wanted."""
    for key in place:
        if not isinstance(data, Mapping) or key not in data:
            return _MISSING
        data = data[key]
    return data


def _distinct(value: Any) -> Any:
    """Return a key that tells a value from others as JSON does: `True` is not 1."""
    return (isinstance(value, bool), value) if isinstance(value, Hashable) else _MISSING
