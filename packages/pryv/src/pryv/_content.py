"""Finding the latest event for each of several contents."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from pryv._events import EventStream
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
    values = list(values)
    if not all(isinstance(value, (str, int, float)) for value in values):
        raise TypeError("the values looked for are strings, numbers or booleans")
    wanted = {_distinct(value): value for value in values}
    condition = {"path": path, "in": list(wanted.values())}
    query |= {"content": [*query.get("content", ()), condition], "sortAscending": False}
    found: dict[Any, Event] = {}
    if not wanted:
        return found
    place = ["content"] if path == "$" else ["content", *path.split(".")]
    with read(query) as events:
        for event in events:
            value = wanted.pop(_distinct(_found_at(place, event)), _MISSING)
            if value is not _MISSING:
                found[value] = event
            if not wanted:
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
