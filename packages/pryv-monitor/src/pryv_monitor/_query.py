"""Queries of a mirror, by the parameters of `events.get`."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import attrs

from pryv_monitor import _params
from pryv_monitor._conditions import FIELDS, Condition, is_number
from pryv_monitor._streams import Stream, family
from pryv_monitor._texts import seconds

STATES: Final = ("default", "trashed", "all")

StreamsTest = tuple[Literal["in", "not in", "in others"], frozenset[str]]
"""A test of the streams of an event: it is in one of these, in none of them, or in one that is not among them."""
_DEFAULTS: Final = {"state": "default", "streams": "*", "types": [], "content": [], "clientData": [], "skip": 0}


@attrs.frozen
class Query:
    """The parameters of `events.get`, checked and with their defaults.

    Attributes:
        params: The parameters. Those without a default may be missing.
        conditions: The conditions in `content` and `clientData`.
    """

    params: Mapping[str, Any]
    conditions: Sequence[Condition]

    @classmethod
    def of(cls, params: Any) -> Query:
        """Return the query with these parameters.

        Raises:
            TypeError: they are not a dict, or one has no JSON form.
            ValueError: a parameter is unknown or malformed.
        """
        given = {**_DEFAULTS, "limit": sys.maxsize, **_params.checked(params, "params")}
        if given["state"] not in STATES:
            raise ValueError(f"state is one of {', '.join(STATES)}")
        for key in _params.TIMES:
            if not is_number(given.get(key, 0)):
                raise ValueError(f"{key} is a number of seconds")
        for key in ("limit", "skip"):
            if not isinstance(given[key], int) or given[key] < 0:
                raise ValueError(f"{key} is a whole number, at least 0")
        if isinstance(given["types"], str):
            given["types"] = [given["types"]]
        for key in ("types", *FIELDS):
            if not isinstance(given[key], list):
                raise ValueError(f"{key} is a list")
        if not all(isinstance(name, str) for name in given["types"]):
            raise ValueError("types are texts, such as note/txt or note/*")
        given["streams"] = _streams_queries(given["streams"])
        return cls(given, [Condition.of(field, item) for field in FIELDS for item in given[field]])

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The first and the last time, in seconds; `None` for any time."""
        if not self.params.keys() & {"fromTime", "toTime"}:
            return None
        return seconds(self.params.get("fromTime", -math.inf)), seconds(self.params.get("toTime", math.inf))

    @property
    def modified_since(self) -> float | None:
        """The time, in seconds, after which the events were changed; `None` for any time."""
        return seconds(self.params["modifiedSince"]) if "modifiedSince" in self.params else None

    @property
    def types(self) -> tuple[list[str], list[str]]:
        """The types of the events, and what other types begin with; any type, if both are empty."""
        names: list[str] = self.params["types"]
        prefixes = [name.removesuffix("*") for name in names if name.endswith("*")]
        return [name for name in names if not name.endswith("*")], prefixes

    def meets_conditions(self, event: dict[str, Any]) -> bool:
        """Return whether an event meets the conditions on its content and client data."""
        return all(condition.is_met_by(event) for condition in self.conditions)

    def page(self, events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Return those of all events that are neither skipped nor beyond the limit."""
        skip, limit = self.params["skip"], self.params["limit"]
        return itertools.islice(events, min(skip, sys.maxsize), min(skip + limit, sys.maxsize))

    def streams_tests(self, tree: Sequence[Stream]) -> list[list[StreamsTest]]:
        """Return lists of tests: the streams of an event that is selected pass all tests of one list."""
        trashed = self.params["state"] != "default"
        found = [_tests(query, tree, trashed=trashed) for query in self.params["streams"]]
        return [tests for tests in found if tests is not None]


def _streams_queries(given: Any) -> list[Mapping[str, list[str]]]:
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


def _tests(query: Mapping[str, list[str]], tree: Sequence[Stream], *, trashed: bool) -> list[StreamsTest] | None:
    """Select as the platform does: by the streams, with their descendants, of `any`, of each of `all`, and of `not`.

    A part of `any` and `all` without streams (all of them in the trash) does not count, unless all parts are: then no
    event is selected, and this returns `None`.
    """
    left_out, named = frozenset(query.get("not", ())), frozenset(query["any"])
    groups = [query["any"], *([name] for name in query.get("all", ()))]
    parts = [part for ids in groups if (part := _held(ids, tree, left_out, trashed=trashed)) is not None]
    if not parts:
        return None
    tests = [test for part in parts for test in part]
    return [*tests, ("not in", family(tree, left_out, trashed=trashed, without=named))] if left_out else tests


def _held(
    ids: list[str], tree: Sequence[Stream], left_out: frozenset[str], *, trashed: bool
) -> list[StreamsTest] | None:
    """Select by streams and their descendants; `*` includes streams that are not in the tree."""
    members = family(tree, ids, trashed=trashed, without=left_out)
    if "*" not in ids:
        return [("in", members)] if members else None
    others = family(tree, ["*"], trashed=True, without=()) - members
    if not others:
        return []
    return [("in others", others)] if members else None
