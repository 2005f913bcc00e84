"""Queries of the tables of a mirror."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator
from typing import Any, Final

from pryv_monitor._query import Query
from pryv_monitor._schema import EVENT_COLUMNS
from pryv_monitor._streams import Stream
from pryv_monitor._texts import kept_item, shown_ids

_EVENTS: Final = f"SELECT {EVENT_COLUMNS}, coalesce(exact, json) AS whole FROM event_texts"  # noqa: S608
_DELETIONS: Final = "SELECT coalesce(exact, json) FROM deletion_texts WHERE deleted > ? ORDER BY deleted DESC"
_STATES: Final = {"default": "NOT trashed", "trashed": "trashed", "all": "TRUE"}
_AMONG: Final = "type IN (SELECT value FROM json_each(?))"
_BEGINS_WITH: Final = (
    "EXISTS (SELECT 1 FROM (SELECT value AS prefix FROM json_each(?)) WHERE substr(type, 1, length(prefix)) = prefix)"
)
_HELD: Final = (
    "EXISTS (SELECT 1 FROM json_each(stream_ids) AS held WHERE held.value IN (SELECT value FROM json_each(?)))"
)
_STREAMS: Final = {
    "in": _HELD,
    "not in": f"NOT {_HELD}",
    "in others": _HELD.replace("held.value IN", "held.value NOT IN"),
}

Clause = tuple[str, list[Any]]


def run(query: Query, db: sqlite3.Connection, tree: list[Stream]) -> Iterator[dict[str, Any]]:
    """Yield the events and deletions that a query selects."""
    clauses = [
        (_STATES[query.params["state"]], []),
        _times(query),
        _modified(query),
        _types(query),
        _streams(query, tree),
    ]
    where = " AND ".join(f"({clause})" for clause, _ in clauses)
    values = [value for _, values in clauses for value in values]
    direction = "ASC" if query.params.get("sortAscending") else "DESC"
    sql = f"SELECT whole FROM ({_EVENTS}) WHERE {where} ORDER BY time {direction}, number {direction}"  # noqa: S608
    events = (kept_item(text) for (text,) in db.execute(sql, values))
    yield from query.page(filter(query.meets_conditions, events))
    if query.params.get("includeDeletions") and query.modified_since is not None:
        yield from (kept_item(text) for (text,) in db.execute(_DELETIONS, [query.modified_since]))


def _times(query: Query) -> Clause:
    start, end = query.bounds or (-math.inf, math.inf)
    if query.params.get("running"):
        return "duration IS NULL AND time <= ?", [end]
    if query.bounds is None:
        return "TRUE", []
    lasts_until_now = start <= time.time() <= end
    return "time <= ? AND (time + duration >= ? OR (duration IS NULL AND ?))", [end, start, lasts_until_now]


def _modified(query: Query) -> Clause:
    return ("TRUE", []) if query.modified_since is None else ("modified > ?", [query.modified_since])


def _types(query: Query) -> Clause:
    parts = [(sql, given) for sql, given in zip((_AMONG, _BEGINS_WITH), query.types, strict=True) if given]
    return " OR ".join(sql for sql, _ in parts) or "TRUE", [shown_ids(given) for _, given in parts]


def _streams(query: Query, tree: list[Stream]) -> Clause:
    lists = query.streams_tests(tree)
    sql = _joined(
        "OR", [_joined("AND", [_STREAMS[how] for how, _ in tests] or ["TRUE"]) for tests in lists] or ["FALSE"]
    )
    return sql, [shown_ids(sorted(ids)) for tests in lists for _, ids in tests]


def _joined(operator: str, clauses: list[str]) -> str:
    """Join clauses in pairs, as SQLite limits the depth of an expression: https://sqlite.org/limits.html."""
    while len(clauses) > 1:
        pairs = zip(clauses[::2], clauses[1::2], strict=False)
        clauses = [*(f"({one} {operator} {other})" for one, other in pairs), *clauses[len(clauses) & ~1 :]]
    return clauses[0]
