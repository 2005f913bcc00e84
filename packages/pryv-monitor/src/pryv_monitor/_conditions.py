"""Conditions on the content and the client data of events."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

FIELDS: Final = ("content", "clientData")
_ABSENT: Final = object()
_INDEX: Final = re.compile(r"-?\d{1,9}", re.ASCII)


def is_number(value: Any) -> bool:
    """Return whether a value is a number, of any size."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda found, value: is_number(found) and compare(found, value)


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
    **dict.fromkeys(("gt", "gte", "lt", "lte"), is_number),
}
"""What an operator can compare with, for those that cannot compare with everything."""


@attrs.frozen
class Condition:
    """A condition: an operator compares the value at a path in a field of an event with another value."""

    field: str
    path: tuple[str, ...]
    operator: str
    value: Any

    @classmethod
    def of(cls, field: str, given: Any) -> Condition:
        """Return a condition that is given as for `events.get`.

        Raises:
            ValueError: it is not a path and one operator, or the operator cannot compare with the value.
        """
        if not isinstance(given, Mapping) or not isinstance(given.get("path"), str) or len(given) != 2:
            raise ValueError("a condition has a path and one operator")
        ((name, value),) = ((key, value) for key, value in given.items() if key != "path")
        if name not in _OPERATORS:
            raise ValueError(f"a condition's operator is one of {', '.join(_OPERATORS)}")
        if name in _OPERANDS and not _OPERANDS[name](value):
            raise ValueError(f"a condition cannot compare by {name} with a {type(value).__name__}")
        return cls(field, () if given["path"] == "$" else tuple(given["path"].split(".")), name, value)

    def is_met_by(self, event: dict[str, Any]) -> bool:
        """Return whether an event meets the condition."""
        found = event.get(self.field, _ABSENT)
        for segment in self.path:
            found = _inside(found, segment)
        return _OPERATORS[self.operator](found, self.value)


def _inside(found: Any, segment: str) -> Any:
    """Return the value at a key of an object or an index of an array; a negative index counts from the end."""
    if isinstance(found, dict):
        return found.get(segment, _ABSENT)
    if isinstance(found, list) and _INDEX.fullmatch(segment) and -len(found) <= int(segment) < len(found):
        return found[int(segment)]
    return _ABSENT
