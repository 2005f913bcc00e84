"""Queries of any events, without a database that can select them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from pryv.types import EventsParams, Untyped
from pryv_monitor._query import Query
from pryv_monitor._streams import Stream

Event = dict[str, Any]
Test = Callable[[Event], bool]


def select_events(
    events: Iterable[Event], params: EventsParams | Untyped | None, tree: Sequence[Stream]
) -> Iterator[Event]:
    """Yield the events that `events.get` would return for these parameters.

    `sortAscending` is up to the caller, and so are deletions.

    Args:
        events: All events, or at least those that the parameters select, in the order of the result.
        params: Parameters of `events.get`. Without time bounds, they select events of any time; without `limit`, all.
        tree: The tree of streams, including those in the trash.

    Raises:
        ValueError: a parameter is unknown or malformed.
    """
    query = Query.of(params)
    tests = [
        _state(query),
        _times(query),
        _modified(query),
        _types(query),
        _streams(query, tree),
        query.meets_conditions,
    ]
    return query.page(event for event in events if all(test(event) for test in tests))


def _always(_: Event) -> bool:
    return True


def _state(query: Query) -> Test:
    state = query.params["state"]
    return _always if state == "all" else lambda event: bool(event.get("trashed")) is (state == "trashed")


def _times(query: Query) -> Test:
    start, end = query.bounds or (-math.inf, math.inf)
    if query.params.get("running"):
        return lambda event: _is_running(event) and event["time"] <= end
    if query.bounds is None:
        return _always
    lasts_until_now = start <= time.time() <= end

    def overlaps(event: Event) -> bool:
        if event["time"] > end:
            return False
        return lasts_until_now if _is_running(event) else bool(event["time"] + event.get("duration", 0) >= start)

    return overlaps


def _is_running(event: Event) -> bool:
    return event.get("duration", 0) is None


def _modified(query: Query) -> Test:
    since = query.modified_since
    if since is None:
        return _always
    return lambda event: event.get("modified") is not None and event["modified"] > since


def _types(query: Query) -> Test:
    names, prefixes = query.types
    if not names and not prefixes:
        return _always
    return lambda event: event["type"] in names or event["type"].startswith(tuple(prefixes))


_STREAMS: Final[dict[str, Callable[[frozenset[str], list[str]], bool]]] = {
    "in": lambda ids, held: not ids.isdisjoint(held),
    "not in": lambda ids, held: ids.isdisjoint(held),
    "in others": lambda ids, held: not ids.issuperset(held),
}


def _streams(query: Query, tree: Sequence[Stream]) -> Test:
    lists = query.streams_tests(tree)
    return lambda event: any(all(_STREAMS[how](ids, event["streamIds"]) for how, ids in tests) for tests in lists)
