"""`events.get` on any events, without a database that can select them."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pryv.types import EventsParams, Untyped
from pryv_monitor._query import Query
from pryv_monitor._streams import Stream, family

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
    given = query.params
    tests = [
        _state(given),
        _times(given),
        _modified(given),
        _types(given),
        _streams(given, tree),
        query.meets_conditions,
    ]
    selected = (event for event in events if all(test(event) for test in tests))
    skip, limit = given.get("skip", 0), given.get("limit", sys.maxsize)
    return itertools.islice(selected, min(skip, sys.maxsize), min(skip + limit, sys.maxsize))


def _always(_: Event) -> bool:
    return True


def _state(given: Mapping[str, Any]) -> Test:
    state = given.get("state", "default")
    if state == "all":
        return _always
    return lambda event: bool(event.get("trashed")) is (state == "trashed")


def _times(given: Mapping[str, Any]) -> Test:
    start, end = given.get("fromTime", -math.inf), given.get("toTime", math.inf)
    if given.get("running"):
        return lambda event: _is_running(event) and event["time"] <= end
    if not given.keys() & {"fromTime", "toTime"}:
        return _always
    lasts_until_now = start <= time.time() <= end

    def overlaps(event: Event) -> bool:
        if event["time"] > end:
            return False
        return lasts_until_now if _is_running(event) else bool(event["time"] + event.get("duration", 0) >= start)

    return overlaps


def _is_running(event: Event) -> bool:
    return event.get("duration", 0) is None


def _modified(given: Mapping[str, Any]) -> Test:
    since = given.get("modifiedSince")
    if since is None:
        return _always
    return lambda event: event.get("modified") is not None and event["modified"] > since


def _types(given: Mapping[str, Any]) -> Test:
    types = given.get("types")
    if not types:
        return _always
    names = {name for name in types if not name.endswith("*")}
    prefixes = tuple(name.removesuffix("*") for name in types if name.endswith("*"))
    return lambda event: event["type"] in names or event["type"].startswith(prefixes)


def _streams(given: Mapping[str, Any], tree: Sequence[Stream]) -> Test:
    trashed = given.get("state", "default") != "default"
    tests = [_in_streams(query, tree, trashed) for query in given["streams"]]
    return lambda event: any(test(event) for test in tests)


def _in_streams(query: Mapping[str, list[str]], tree: Sequence[Stream], trashed: bool) -> Test:
    """Select as the platform does: by the streams, with their descendants, of `any`, of each of `all`, and of `not`.

    A part of `any` and `all` without streams (all of them in the trash) does not count, unless all parts are.
    """
    left_out, named = frozenset(query.get("not", ())), frozenset(query["any"])
    groups = [query["any"], *([name] for name in query.get("all", ()))]
    tests = [test for ids in groups if (test := _held(ids, tree, trashed, left_out)) is not None]
    if not tests:
        return lambda _: False
    if left_out:
        outside = family(tree, left_out, trashed=trashed, without=named)
        tests.append(lambda event: outside.isdisjoint(event["streamIds"]))
    return lambda event: all(test(event) for test in tests)


def _held(ids: list[str], tree: Sequence[Stream], trashed: bool, left_out: frozenset[str]) -> Test | None:
    """Select by streams and their descendants; `*` includes streams that are not in the tree."""
    members = family(tree, ids, trashed=trashed, without=left_out)
    if "*" in ids:
        others = family(tree, ["*"], trashed=True, without=()) - members
        if not others:
            return _always
        return (lambda event: not others.issuperset(event["streamIds"])) if members else None
    return (lambda event: not members.isdisjoint(event["streamIds"])) if members else None
