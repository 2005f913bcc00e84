"""`events.get` on a mirror."""

from __future__ import annotations

import itertools
import math
import operator
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from pryv.addons import plain
from pryv.types import EventsParams
from pryv_monitor._schema import EVENT_COLUMNS
from pryv_monitor._streams import Stream, family
from pryv_monitor._texts import seconds, shown_ids, stored

_PARAMS: Final = EventsParams.__annotations__.keys()
_EVENTS: Final = f"SELECT {EVENT_COLUMNS}, coalesce(exact, json) AS whole FROM event_texts"  # noqa: S608
_DELETIONS: Final = "SELECT coalesce(exact, json) FROM deletion_texts WHERE deleted > ? ORDER BY deleted DESC"
_STATES: Final = {"default": "NOT trashed", "trashed": "trashed", "all": "TRUE"}
_ABSENT: Final = object()
_INDEX: Final = re.compile(r"-?\d{1,9}", re.ASCII)

Clause = tuple[str, list[Any]]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda found, value: _is_number(found) and compare(found, value)


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
_OPERANDS: Final[dict[str, Callable[[Any], bool]]] = {
    "in": lambda value: isinstance(value, (list, tuple)),
    "exists": lambda value: isinstance(value, bool),
    "prefix": lambda value: isinstance(value, str),
    **dict.fromkeys(("gt", "gte", "lt", "lte"), _is_number),
}
"""What an operator can compare with, for those that cannot compare with everything."""


@attrs.frozen
class Query:
    """The parameters of `events.get`, as they select from a mirror."""

    params: Mapping[str, Any]

    @classmethod
    def of(cls, params: Any) -> Query:
        """Return the query with these parameters.

        Raises:
            TypeError: they are not a dict, or one has no JSON form.
            ValueError: a parameter is unknown or malformed.
        """
        if not isinstance(params, (Mapping, type(None))):
            raise TypeError(f"params is a dict of events.get parameters, not {type(params).__name__}")
        given = {key: value for key, value in plain(dict(params or {})).items() if value is not None}
        unknown = given.keys() - _PARAMS
        if unknown:
            raise ValueError(f"events.get has no parameter {', '.join(sorted(unknown))}")
        if given.get("state", "default") not in tuple(_STATES):
            raise ValueError(f"state is one of {', '.join(_STATES)}")
        _check_numbers(given)
        for key in ("streams", "types"):
            if isinstance(given.get(key), str):
                given[key] = [given[key]]
        for key in ("types", "content", "clientData"):
            if not isinstance(given.get(key, []), list):
                raise ValueError(f"{key} is a list")
        if not all(isinstance(name, str) for name in given.get("types", ())):
            raise ValueError("types are texts, such as note/txt or note/*")
        given["streams"] = _streams_queries(given.get("streams"))
        for condition in (*given.get("content", ()), *given.get("clientData", ())):
            _check_condition(condition)
        return cls(given)

    def run(self, db: sqlite3.Connection, tree: list[Stream]) -> Iterator[dict[str, Any]]:
        """Yield the events and deletions that it selects."""
        clauses = [self._state(), self._times(), self._modified(), self._types(), self._streams(tree)]
        where = " AND ".join(f"({clause})" for clause, _ in clauses)
        values = [value for _, values in clauses for value in values]
        direction = "ASC" if self.params.get("sortAscending") else "DESC"
        sql = f"SELECT whole FROM ({_EVENTS}) WHERE {where} ORDER BY time {direction}, number {direction}"  # noqa: S608
        events = filter(self.meets_conditions, (stored(text) for (text,) in db.execute(sql, values)))
        skip, limit = self.params.get("skip", 0), self.params.get("limit", sys.maxsize)
        yield from itertools.islice(events, min(skip, sys.maxsize), min(skip + limit, sys.maxsize))
        if self.params.get("includeDeletions") and "modifiedSince" in self.params:
            yield from (stored(text) for (text,) in db.execute(_DELETIONS, [self._seconds("modifiedSince")]))

    def _seconds(self, key: str, default: float = 0) -> float:
        return seconds(self.params.get(key, default))

    def _state(self) -> Clause:
        return _STATES[self.params.get("state", "default")], []

    def _times(self) -> Clause:
        if self.params.get("running"):
            return "duration IS NULL AND time <= ?", [self._seconds("toTime", math.inf)]
        if not self.params.keys() & {"fromTime", "toTime"}:
            return "TRUE", []
        start, end = self._seconds("fromTime", -math.inf), self._seconds("toTime", math.inf)
        lasts_until_now = start <= time.time() <= end
        return "time <= ? AND (time + duration >= ? OR (duration IS NULL AND ?))", [end, start, lasts_until_now]

    def _modified(self) -> Clause:
        if "modifiedSince" not in self.params:
            return "TRUE", []
        return "modified > ?", [self._seconds("modifiedSince")]

    def _types(self) -> Clause:
        if not self.params.get("types"):
            return "TRUE", []
        names = [name for name in self.params["types"] if not name.endswith("*")]
        prefixes = [name.removesuffix("*") for name in self.params["types"] if name.endswith("*")]
        parts = [(_AMONG, names), (_BEGINS_WITH, prefixes)]
        return " OR ".join(sql for sql, given in parts if given), [shown_ids(given) for _, given in parts if given]

    def _streams(self, tree: list[Stream]) -> Clause:
        trashed = self.params.get("state", "default") != "default"
        parts = [_in_streams(query, tree, trashed) for query in self.params["streams"]]
        return _joined("OR", [clause for clause, _ in parts]), [value for _, part in parts for value in part]

    def meets_conditions(self, event: dict[str, Any]) -> bool:
        """Return whether an event meets the conditions on its content and client data."""
        return all(
            _meets(event.get(field, _ABSENT), condition)
            for field in ("content", "clientData")
            for condition in self.params.get(field, ())
        )


def _check_numbers(given: Mapping[str, Any]) -> None:
    """Check the parameters that are numbers.

    Raises:
        ValueError: one is not a number.
    """
    for key in ("fromTime", "toTime", "modifiedSince"):
        if not _is_number(given.get(key, 0)):
            raise ValueError(f"{key} is a number of seconds")
    for key in ("limit", "skip"):
        if not isinstance(given.get(key, 0), int) or given.get(key, 0) < 0:
            raise ValueError(f"{key} is a whole number, at least 0")


def _streams_queries(given: Any) -> list[Mapping[str, list[str]]]:
    if given is None:
        given = ["*"]
    parts = given if isinstance(given, (list, tuple)) else [given]
    queries: list[Any] = [part for part in parts if not isinstance(part, str)]
    if ids := [part for part in parts if isinstance(part, str)]:
        queries.append({"any": ids})
    for query in queries:
        if not isinstance(query, Mapping) or not query.get("any") or not query.keys() <= {"any", "all", "not"}:
            raise ValueError("streams has ids, or queries of `any`, and perhaps `all` and `not`")
        if not all(isinstance(ids, list) and all(isinstance(name, str) for name in ids) for ids in query.values()):
            raise ValueError("`any`, `all` and `not` are lists of stream ids")
    return queries


def _in_streams(query: Mapping[str, list[str]], tree: list[Stream], trashed: bool) -> Clause:
    """Select as the platform does: by the streams, with their descendants, of `any`, of each of `all`, and of `not`.

    A part of `any` and `all` without streams (all of them in the trash) does not count, unless all parts are.
    """
    left_out, named = frozenset(query.get("not", ())), frozenset(query["any"])
    groups = [query["any"], *([name] for name in query.get("all", ()))]
    parts = [part for ids in groups if (part := _held(ids, tree, trashed, left_out))]
    if not parts:
        return "FALSE", []
    if left_out:
        parts.append((f"NOT {_HELD}", [shown_ids(sorted(family(tree, left_out, trashed=trashed, without=named)))]))
    return _joined("AND", [clause for clause, _ in parts]), [value for _, values in parts for value in values]


def _joined(operator: str, clauses: list[str]) -> str:
    """Join clauses in pairs, as SQLite limits the depth of an expression: https://sqlite.org/limits.html."""
    while len(clauses) > 1:
        pairs = zip(clauses[::2], clauses[1::2], strict=False)
        clauses = [*(f"({one} {operator} {other})" for one, other in pairs), *clauses[len(clauses) & ~1 :]]
    return clauses[0] if clauses else "FALSE"


def _held(ids: list[str], tree: list[Stream], trashed: bool, left_out: frozenset[str]) -> Clause | None:
    """Select by streams and their descendants; `*` includes streams that are not in the tree."""
    members = family(tree, ids, trashed=trashed, without=left_out)
    if "*" in ids:
        others = family(tree, ["*"], trashed=True, without=()) - members
        if not others:
            return "TRUE", []
        return (_HELD_BY_OTHERS, [shown_ids(sorted(others))]) if members else None
    return (_HELD, [shown_ids(sorted(members))]) if members else None


_AMONG: Final = "type IN (SELECT value FROM json_each(?))"
_BEGINS_WITH: Final = (
    "EXISTS (SELECT 1 FROM (SELECT value AS prefix FROM json_each(?)) WHERE substr(type, 1, length(prefix)) = prefix)"
)
_HELD: Final = (
    "EXISTS (SELECT 1 FROM json_each(stream_ids) AS held WHERE held.value IN (SELECT value FROM json_each(?)))"
)
_HELD_BY_OTHERS: Final = _HELD.replace("held.value IN", "held.value NOT IN")


def _check_condition(condition: Any) -> None:
    """Check that a condition is a path and one operator.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(condition, Mapping) or not isinstance(condition.get("path"), str) or len(condition) != 2:
        raise ValueError("a condition has a path and one operator")
    name, value = _operation(condition)
    if name not in _OPERATORS:
        raise ValueError(f"a condition's operator is one of {', '.join(_OPERATORS)}")
    if name in _OPERANDS and not _OPERANDS[name](value):
        raise ValueError(f"a condition cannot compare by {name} with a {type(value).__name__}")


def _operation(condition: Mapping[str, Any]) -> tuple[str, Any]:
    ((name, value),) = ((key, value) for key, value in condition.items() if key != "path")
    return name, value


def _meets(found: Any, condition: Mapping[str, Any]) -> bool:
    for segment in () if condition["path"] == "$" else condition["path"].split("."):
        found = _inside(found, segment)
    name, value = _operation(condition)
    return _OPERATORS[name](found, value)


def _inside(found: Any, segment: str) -> Any:
    """Return the value at a key of an object or an index of an array; a negative index counts from the end."""
    if isinstance(found, dict):
        return found.get(segment, _ABSENT)
    if isinstance(found, list) and _INDEX.fullmatch(segment) and -len(found) <= int(segment) < len(found):
        return found[int(segment)]
    return _ABSENT
