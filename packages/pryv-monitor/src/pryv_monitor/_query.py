"""`events.get` on a mirror."""

from __future__ import annotations

import itertools
import operator
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from pryv.types import EventsParams

from ._json import decode, encode
from ._streams import Stream, everyone, family

_PARAMS: Final = EventsParams.__annotations__.keys()
_STATES: Final = {"default": "NOT trashed", "trashed": "trashed", "all": "TRUE"}
_ABSENT: Final = object()

Clause = tuple[str, list[Any]]


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def check(found: Any, value: Any) -> bool:
        same_kind = isinstance(found, str) is isinstance(value, str)
        return (
            isinstance(found, (int, float, str)) and not isinstance(found, bool) and same_kind and compare(found, value)
        )

    return check


def _same(found: Any, value: Any) -> bool:
    return isinstance(found, bool) is isinstance(value, bool) and bool(found == value)


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": _same,
    "neq": lambda found, value: found is not _ABSENT and not _same(found, value),
    "in": lambda found, values: any(_same(found, value) for value in values),
    "exists": lambda found, value: (found is not _ABSENT) is value,
    "gt": _ordered(operator.gt),
    "gte": _ordered(operator.ge),
    "lt": _ordered(operator.lt),
    "lte": _ordered(operator.le),
    "prefix": lambda found, value: isinstance(found, str) and found.startswith(value),
}


@attrs.frozen
class Query:
    """The parameters of `events.get`, as they select from a mirror."""

    params: Mapping[str, Any]

    @classmethod
    def of(cls, params: Mapping[str, Any] | None) -> Query:
        """Return the query with these parameters.

        Raises:
            ValueError: a parameter is unknown or malformed.
        """
        given = {key: value for key, value in (params or {}).items() if value is not None}
        unknown = given.keys() - _PARAMS
        if unknown:
            raise ValueError(f"events.get has no parameter {', '.join(sorted(unknown))}")
        if given.get("state", "default") not in _STATES:
            raise ValueError(f"state is one of {', '.join(_STATES)}")
        for condition in (*given.get("content", ()), *given.get("clientData", ())):
            if "path" not in condition or len(condition) != 2 or not condition.keys() & _OPERATORS.keys():
                raise ValueError("a condition has a path and one operator")
        return cls(given)

    def run(self, db: sqlite3.Connection, tree: list[Stream]) -> Iterator[dict[str, Any]]:
        """Yield what it selects."""
        clauses = [self._state(), self._times(), self._modified(), self._types(), self._streams(tree)]
        where = " AND ".join(f"({clause})" for clause, _ in clauses)
        values = [value for _, values in clauses for value in values]
        direction = "ASC" if self.params.get("sortAscending") else "DESC"
        sql = f"SELECT json FROM events WHERE {where} ORDER BY time {direction}, number {direction}"  # noqa: S608
        events = filter(self._matches_conditions, (decode(text) for (text,) in db.execute(sql, values)))
        skip, limit = self.params.get("skip", 0), self.params.get("limit")
        yield from itertools.islice(events, skip, None if limit is None else skip + limit)
        if self.params.get("includeDeletions") and "modifiedSince" in self.params:
            deletions = "SELECT json FROM deletions WHERE deleted > ? ORDER BY deleted DESC"
            yield from (decode(text) for (text,) in db.execute(deletions, [self.params["modifiedSince"]]))

    def _state(self) -> Clause:
        return _STATES[self.params.get("state", "default")], []

    def _times(self) -> Clause:
        clauses, values = ["TRUE"], []
        if "toTime" in self.params:
            clauses.append("time <= ?")
            values.append(self.params["toTime"])
        if self.params.get("running"):
            clauses.append("duration IS NULL")
        elif "fromTime" in self.params:
            clauses.append("(time + duration >= ? OR (duration IS NULL AND ?))")
            now = time.time()
            lasts_until_now = self.params["fromTime"] <= now <= self.params.get("toTime", now)
            values += [self.params["fromTime"], lasts_until_now]
        return " AND ".join(clauses), values

    def _modified(self) -> Clause:
        if "modifiedSince" not in self.params:
            return "TRUE", []
        return "modified > ?", [self.params["modifiedSince"]]

    def _types(self) -> Clause:
        if not self.params.get("types"):
            return "TRUE", []
        clauses, values = [], []
        for name in self.params["types"]:
            prefix = name.removesuffix("*")
            clauses.append("type = ?" if prefix == name else f"substr(type, 1, {len(prefix)}) = ?")
            values.append(prefix)
        return " OR ".join(clauses), values

    def _streams(self, tree: list[Stream]) -> Clause:
        trashed = self.params.get("state", "default") != "default"
        given = self.params.get("streams")
        if given is None:
            given = {"any": ["*"]}
        queries = [given] if isinstance(given, (str, Mapping)) else list(given)
        parts = [
            _stream_query(query if isinstance(query, Mapping) else {"any": [query]}, tree, trashed) for query in queries
        ]
        return " OR ".join(clause for clause, _ in parts) or "FALSE", [value for _, part in parts for value in part]

    def _matches_conditions(self, event: dict[str, Any]) -> bool:
        return all(
            _meets(event.get(field, _ABSENT), condition)
            for field in ("content", "clientData")
            for condition in self.params.get(field, ())
        )


def _stream_query(query: Mapping[str, Any], tree: list[Stream], trashed: bool) -> Clause:
    groups = []
    if query["any"] != ["*"]:
        groups.append(frozenset[str]().union(*(family(tree, name, trashed=trashed) for name in query["any"])))
    elif not trashed:
        groups.append(everyone(tree, trashed=False))
    groups += [family(tree, name, trashed=trashed) for name in query.get("all", ())]
    without = frozenset[str]().union(*(family(tree, name, trashed=True) for name in query.get("not", ())))
    clauses = [_IN_STREAMS] * len(groups) + [f"NOT {_IN_STREAMS}"]
    return f"({' AND '.join(clauses)})", [encode(sorted(group)) for group in (*groups, without)]


_IN_STREAMS: Final = (
    "EXISTS (SELECT 1 FROM json_each(stream_ids) AS held WHERE held.value IN (SELECT value FROM json_each(?)))"
)


def _meets(found: Any, condition: Mapping[str, Any]) -> bool:
    path = condition["path"]
    for segment in [] if path == "$" else path.split("."):
        found = found.get(segment, _ABSENT) if isinstance(found, dict) else _ABSENT
    ((name, value),) = ((key, value) for key, value in condition.items() if key != "path")
    return _OPERATORS[name](found, value)
