"""Split a query that is too long for one request into several that together find the same events.

The platform reads the parameters of `events.get` from the URL only, and the servers in front of it limit a request
line to about 8 KiB (https://nginx.org/en/docs/http/ngx_http_core_module.html#large_client_header_buffers,
https://httpd.apache.org/docs/2.4/mod/core.html#limitrequestline). The platform itself accepts 100 values in a condition
(https://github.com/pryv/open-pryv.io, `MAX_VALUES_PER_IN`), and a key repeated 20 times (https://github.com/ljharb/qs,
`arrayLimit`).
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
"""A read, the section of its response (events or deletions), and an event or deletion of that section."""

MAX_URL = 8000
"""The most bytes of a URL."""
MAX_VALUES = 100
"""The most values in a condition of a content query."""
MAX_QUERIES = 100
"""The most queries that one is split into, as all of them are read at once."""


def split(params: dict[str, Any], url: str) -> list[dict[str, Any]]:
    """Return queries that are short enough for `url`; `merged` joins their results to that of the one query.

    Raises:
        ValueError: the query cannot be split, or only into too many.
    """
    queries = list(_split(params, MAX_URL - len(f"{url}?")))
    if len(queries) == 1:
        return queries
    if len(queries) > MAX_QUERIES:
        raise ValueError(f"events.get: the query is too long: {len(queries)} reads at once; {MAX_QUERIES} is the limit")
    skip, limit = _window(params)
    once = {key: params[key] for key in ("includeDeletions",) if key in params}
    window = {"skip": None, "limit": None if limit is None else skip + limit, "includeDeletions": None}
    first, *others = ({**query, **window} for query in queries)
    return [{**first, **once}, *others]


def merged(reads: Sequence[Iterator[Item]], params: Mapping[str, Any]) -> Iterator[Item]:
    """Yield the items of the reads of a query that was split, as one read would: each event once, in order.

    Raises:
        PryvStreamError: an event has no time or no id.
    """
    ascending = str(params.get("sortAscending")).lower() == "true"
    skip, limit = _window(params)
    end = math.inf if limit is None else skip + limit
    counts = {EVENTS: 0, DELETIONS: 0}
    latest, ids = math.nan, set[str]()
    for item in heapq.merge(*reads, key=lambda item: _sort_key(item, ascending), reverse=not ascending):
        _, section, value = item
        if section == EVENTS:
            if value["time"] != latest:  # an event found by several reads comes from all of them in a row
                latest, ids = value["time"], set()
            if value["id"] in ids:
                continue
            ids.add(value["id"])
        counts[section] += 1
        if skip < counts[section] <= end:
            yield item


def _sort_key(item: Item, ascending: bool) -> float:
    """Return the time of an event; deletions come after all events."""
    _, section, value = item
    if section == DELETIONS:
        return math.inf if ascending else -math.inf
    time = value.get("time")
    if not isinstance(time, (int, float)) or not isinstance(value.get("id"), str):
        raise PryvStreamError("GET events: an event without a time or an id cannot be sorted")
    return time


def _window(params: Mapping[str, Any]) -> tuple[int, int | None]:
    """Return the numbers of events to skip and to return at most."""
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
        raise ValueError(f"events.get: {key} is too long: the query takes {size} bytes of the URL, {room} are left")


@attrs.frozen
class _List:
    """A list in a query that can be split: its events are the events of each value together.

    Attributes:
        values: The values.
        most: The most values that one query may have.
        put: Returns the query with other values in the list.
    """

    values: list[Any]
    most: int
    put: Callable[[list[Any]], dict[str, Any]]

    def parts(self, count: int) -> Iterator[list[Any]]:
        """Yield the values of each data store, or `count` parts of them if there is one store.

        A platform sorts the events of one data store by time, but not those of several stores.
        """
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
