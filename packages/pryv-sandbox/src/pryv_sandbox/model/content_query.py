"""Conditions on the ``content`` and ``clientData`` of events."""

from __future__ import annotations

import json
import operator
import re
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any, Literal

from pryv_sandbox.model.errors import invalid_parameters

Field = Literal["content", "clientData"]

_OPERATORS = ("eq", "neq", "in", "exists", "gt", "gte", "lt", "lte", "prefix")
_ORDER = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
_INDEX = re.compile(r"-?\d{1,9}")
_SEGMENT = re.compile(r"[a-zA-Z0-9_:-]+")
_MAX_CONDITIONS = 10
_MAX_VALUES = 100
_ABSENT = object()


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, bool)) or _is_number(value)


def _same(value: Any, expected: Any) -> bool:
    """Whether two JSON values are equal; ``true`` is not ``1``."""
    return isinstance(value, bool) is isinstance(expected, bool) and bool(value == expected)


@dataclass(frozen=True)
class Condition:
    """A condition: the value at ``path`` in the field is compared with ``value`` by the operator."""

    field: Field
    path: tuple[str, ...]
    operator: str
    value: Any

    def matches(self, event: dict[str, Any]) -> bool:
        """Whether the event meets the condition."""
        found = event.get(self.field, _ABSENT)
        for segment in self.path:
            found = _step(found, segment)
        match self.operator:
            case "exists":
                return (found is not _ABSENT) is self.value
            case "eq":
                return _same(found, self.value)
            case "neq":
                return found is not _ABSENT and not _same(found, self.value)
            case "in":
                return any(_same(found, value) for value in self.value)
            case "prefix":
                return isinstance(found, str) and found.startswith(self.value)
            case _:
                return _is_number(found) and bool(_ORDER[self.operator](found, self.value))


def _step(value: Any, segment: str) -> Any:
    """The value at a key of an object, or at an index of an array."""
    if isinstance(value, dict):
        return value.get(segment, _ABSENT)
    if isinstance(value, list) and _INDEX.fullmatch(segment) and -len(value) <= int(segment) < len(value):
        return value[int(segment)]
    return _ABSENT


# ---- in SQL


def dump_conditions(conditions: list[Condition]) -> str:
    """The conditions as text, for ``meets``."""
    return json.dumps([astuple(condition) for condition in conditions])


def meets(doc: str, conditions: str) -> bool:
    """Whether an event, as JSON text, meets all conditions: a function for use in SQL."""
    event = json.loads(doc)
    return all(condition.matches(event) for condition in _load_conditions(conditions))


@lru_cache
def _load_conditions(text: str) -> list[Condition]:
    return [Condition(field, tuple(path), operator, value) for field, path, operator, value in json.loads(text)]


# ---- parsing


def parse_conditions(raw: Any, field: Field) -> list[Condition]:
    """The conditions in a parameter, given as JSON text or as a list.

    Raises:
        ApiError: if they are not valid.
    """
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except ValueError:
            raise invalid_parameters(field, f"Invalid '{field}' parameter: not valid JSON.") from None
    if not isinstance(raw, list):
        raise invalid_parameters(field, f"Invalid '{field}' parameter: expected an array of conditions.")
    if len(raw) > _MAX_CONDITIONS:
        raise invalid_parameters(
            field, f"Invalid '{field}' parameter: at most {_MAX_CONDITIONS} conditions are allowed (got {len(raw)})."
        )
    return [_parse_condition(item, field, number) for number, item in enumerate(raw, 1)]


def _parse_condition(raw: Any, field: Field, number: int) -> Condition:
    problem = _problem(raw)
    if problem:
        raise invalid_parameters(field, f"Invalid '{field}' parameter: condition #{number} {problem}.")
    (name,) = (key for key in raw if key != "path")
    path = () if raw["path"] == "$" else tuple(raw["path"].split("."))
    return Condition(field, path, name, raw[name])


def _problem(raw: Any) -> str | None:
    if not isinstance(raw, dict):
        return 'must be an object with "path" and one operator'
    path = raw.get("path")
    if not isinstance(path, str) or not path:
        return 'is missing a valid "path" string'
    if path != "$" and not all(_SEGMENT.fullmatch(segment) for segment in path.split(".")):
        return f"has an invalid path '{path}'"
    names = [key for key in raw if key in _OPERATORS]
    if len(names) != 1:
        return f"must carry exactly one operator among: {', '.join(_OPERATORS)}"
    unknown = [key for key in raw if key not in (*_OPERATORS, "path")]
    if unknown:
        return f"has unknown properties: {', '.join(unknown)}"
    return _value_problem(names[0], raw[names[0]])


def _value_problem(name: str, value: Any) -> str | None:
    match name:
        case "eq" | "neq" if not _is_scalar(value):
            return f"'{name}' value must be a string, number or boolean"
        case "in" if not (isinstance(value, list) and 0 < len(value) <= _MAX_VALUES and all(map(_is_scalar, value))):
            return f"'in' value must be an array of 1 to {_MAX_VALUES} strings, numbers or booleans"
        case "exists" if not isinstance(value, bool):
            return "'exists' value must be a boolean"
        case "gt" | "gte" | "lt" | "lte" if not _is_number(value):
            return f"'{name}' value must be a number"
        case "prefix" if not (isinstance(value, str) and value):
            return "'prefix' value must be a non-empty string"
        case _:
            return None
