"""Queries that are longer than a request may be, as several that together find the same events.

The platform reads the parameters of `events.get` from the URL only, and what is in front of it takes request lines of
about 8 KiB (nginx: `large_client_header_buffers`, Apache: `LimitRequestLine`). The platform itself takes 100 values in
a condition (https://github.com/pryv/open-pryv.io, `MAX_VALUES_PER_IN`) and, of a key that is repeated, 20
(https://github.com/ljharb/qs, `arrayLimit`).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import attrs

from pryv._transport.urls import MAX_REPEATED, query_pairs
from pryv.errors import PryvStreamError

EVENTS, DELETIONS = "events", "eventDeletions"
Item = tuple[Any, str, Any]
"""The read that something came from, the section it was in, and the event or deletion itself."""

MAX_URL = 8000
"""Bytes of a URL."""
MAX_VALUES = 100
"""Values in a condition of a content query."""
MAX_QUERIES = 100
"""Queries that one may become, as all of them are read at once."""


def split(params: dict[str, Any], url: str) -> list[dict[str, Any]]:
    """Return queries to `url`, each short enough; `merged` makes of them what the one given would find.

    Raises:
        ValueError: there are none, or too many.
    """
    queries = list(_split(params, MAX_URL - len(f"{url}?")))
    if len(queries) == 1:
        return queries
    if len(queries) > MAX_QUERIES:
        raise ValueError(f"events.get: so long a query takes {len(queries)} reads at once; {MAX_QUERIES} is the limit")
    skip, limit = _window(params)
    once = {key: params[key] for key in ("includeDeletions",) if key in params}
    window = {"skip": None, "limit": None if limit is None else skip + limit, "includeDeletions": None}
    first, *others = ({**query, **window} for query in queries)
    return [{**first, **once}, *others]


def merged(reads: Sequence[Iterator[Item]], params: Mapping[str, Any]) -> Iterator[Item]:
    """Yield the items of reads that `split` made of a query, as one read would: each event once, in order.

    Raises:
        PryvStreamError: an event has no time or no id.
    """
    ascending = str(params.get("sortAscending")).lower() == "true"
    skip, limit = _window(params)
    end = math.inf if limit is None else skip + limit
    counts = {EVENTS: 0, DELETIONS: 0}
    latest, ids = math.nan, set[str]()
    for item in heapq.merge(*reads, key=lambda item: _place(item, ascending), reverse=not ascending):
        _, section, value = item
        if section == EVENTS:
            if value["time"] != latest:  # what several reads find comes from all of them at once
                latest, ids = value["time"], set()
            if value["id"] in ids:
                continue
            ids.add(value["id"])
        counts[section] += 1
        if skip < counts[section] <= end:
            yield item


def _place(item: Item, ascending: bool) -> float:
    """Return the time of an event; deletions come after all of them."""
    _, section, value = item
    if section == DELETIONS:
        return math.inf if ascending else -math.inf
    time = value.get("time")
    if not isinstance(time, (int, float)) or not isinstance(value.get("id"), str):
        raise PryvStreamError("GET events: an event without a time or an id cannot be put in order")
    return time


def _window(params: Mapping[str, Any]) -> tuple[int, int | None]:
    """Return how many events are left out at the beginning, and how many are to come at most."""
    try:
        limit = params.get("limit")
        return int(params.get("skip") or 0), None if limit is None else int(limit)
    except (TypeError, ValueError):
        raise ValueError("skip and limit are whole numbers") from None


def _split(params: dict[str, Any], room: int) -> Iterator[dict[str, Any]]:
    lists = [part for part in _lists(params) if len(part.values) > 1]
    too_many = [part for part in lists if len(part.values) > part.most]
    size = _size(params)
    if size <= room and not too_many:
        yield params
    elif lists:
        longest = max(too_many or lists, key=lambda part: _size({"": part.values}))
        for values in longest.parts(max(2, -(-size // room), -(-len(longest.values) // longest.most))):
            yield from _split(longest.put(values), room)
    else:
        key = max(params, key=lambda key: _size({key: params[key]}))
        raise ValueError(f"events.get: {key} is too long: of a URL, {room} bytes are left, and the query takes {size}")


@attrs.frozen
class _List:
    """A list in a query whose events are those of each of its values.

    Attributes:
        values: The list.
        most: How many of them a query may have.
        put: Returns the query with other values in their place.
    """

    values: list[Any]
    most: int
    put: Callable[[list[Any]], dict[str, Any]]

    def parts(self, count: int) -> Iterator[list[Any]]:
        """Yield the values of each data store, as a platform sorts by time what comes from one; or so many parts."""
        by_store: dict[str, list[Any]] = {}
        for value in self.values:
            by_store.setdefault(_store(value), []).append(value)
        if len(by_store) > 1:
            yield from by_store.values()
        else:
            length = -(-len(self.values) // count)
            yield from (self.values[start : start + length] for start in range(0, len(self.values), length))


def _lists(params: dict[str, Any]) -> Iterator[_List]:
    streams = params.get("streams")
    if isinstance(streams, list) and len(streams) == 1:
        streams = streams[0]
    if isinstance(streams, dict) and streams.keys() == {"any"}:
        streams = streams["any"]
    if isinstance(streams, list):
        yield _List(streams, len(streams), lambda values: {**params, "streams": values})
    types = params.get("types")
    if isinstance(types, list):
        yield _List(types, MAX_REPEATED, lambda values: {**params, "types": values})
    for field in ("content", "clientData"):
        conditions = params.get(field)
        for index, condition in enumerate(conditions if isinstance(conditions, list) else ()):
            if isinstance(condition, dict) and isinstance(condition.get("in"), list):
                yield _List(condition["in"], MAX_VALUES, _put_in(params, field, index))


def _put_in(params: dict[str, Any], field: str, index: int) -> Callable[[list[Any]], dict[str, Any]]:
    def put(values: list[Any]) -> dict[str, Any]:
        conditions = list(params[field])
        conditions[index] = {**conditions[index], "in": values}
        return {**params, field: conditions}

    return put


def _size(params: dict[str, Any]) -> int:
    return len(urlencode(query_pairs(params)))


def _store(value: Any) -> str:
    """Return the prefix of a stream's id that names its data store, as in `:_audit:accesses`."""
    return value[: value.find(":", 1) + 1] if isinstance(value, str) and value.startswith(":") else ""
