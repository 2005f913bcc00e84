"""Find the latest event for each of several values of the content."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from pryv._arguments import as_dict
from pryv._events import EventStream
from pryv._long_queries import MAX_VALUES
from pryv._transport import json
from pryv.types import Event

_MISSING = object()


def latest_by_content(
    read: Callable[[dict[str, Any]], EventStream],
    path: str,
    values: Iterable[Hashable],
    base_query: Any,
) -> dict[Any, Event]:
    """Return the latest event for each value at `path`; see `Connection.get_latest_by_content`."""
    query = dict(as_dict({} if base_query is None else base_query, "base_query"))
    if not isinstance(path, str) or not path:
        raise ValueError("path is a dot-path into the content, or $")
    if "limit" in query or "skip" in query:
        raise ValueError("limit and skip are not supported: all events are searched for the latest")
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise TypeError(f"values is an iterable of values, not {type(values).__name__}")
    wanted: dict[Any, Any] = {}
    for number, value in enumerate(values):
        plain = json.plain(value, "values", number)
        if not isinstance(plain, (str, int, float)):
            raise TypeError(f"a value is a string, a number or a boolean, not {type(value).__name__}")
        wanted[_json_key(plain)] = plain
    keys_to_value = ["content"] if path == "$" else ["content", *path.split(".")]
    conditions = query.get("content") or ()
    found: dict[Any, Event] = {}
    left = iter(wanted)
    while keys := dict.fromkeys(itertools.islice(left, MAX_VALUES)):
        condition = {"path": path, "in": [wanted[key] for key in keys]}
        with read({**query, "content": [*conditions, condition], "sortAscending": False}) as events:
            for event in events:
                key = _json_key(_value_at(keys_to_value, event))
                if key in keys:
                    del keys[key]
                    found[wanted[key]] = event
                if not keys:
                    break
    return found


def _value_at(keys: list[str], data: Any) -> Any:
    """Return the value at a path of keys in data; without such a value, a marker that equals no other value."""
    for key in keys:
        if not isinstance(data, Mapping) or key not in data:
            return _MISSING
        data = data[key]
    return data


def _json_key(value: Any) -> Any:
    """Return a key that distinguishes values as JSON does: `True` is not 1."""
    return (isinstance(value, bool), value) if isinstance(value, Hashable) else _MISSING
