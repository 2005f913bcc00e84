"""Validation of parameters by JSON schemas, with errors in the form of the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft4Validator, ValidationError
from jsonschema.validators import extend

from pryv_sandbox.libraries import descend
from pryv_sandbox.model.errors import invalid_parameters

Schema = dict[str, Any]

_CODES = {
    "additionalProperties": "OBJECT_ADDITIONAL_PROPERTIES",
    "anyOf": "ANY_OF_MISSING",
    "enum": "ENUM_MISMATCH",
    "format": "FORMAT",
    "maxItems": "ARRAY_LENGTH_LONG",
    "maxLength": "MAX_LENGTH",
    "maximum": "MAXIMUM",
    "minItems": "ARRAY_LENGTH_SHORT",
    "minLength": "MIN_LENGTH",
    "minimum": "MINIMUM",
    "not": "NOT_PASSED",
    "oneOf": "ONE_OF_MISSING",
    "pattern": "PATTERN",
    "required": "OBJECT_MISSING_REQUIRED_PROPERTY",
    "type": "INVALID_TYPE",
    "uniqueItems": "ARRAY_UNIQUE",
}


def _described(error: ValidationError) -> list[dict[str, Any]]:
    """The problems in a validation error; if the schema has alternatives, the problems of each come first."""
    keyword = str(error.validator)
    alternatives = [problem for cause in error.context or () for problem in _described(cause)]
    value: Any = error.instance
    limit: Any = error.validator_value
    path = "#" + "".join(f"/{step}" for step in error.absolute_path)
    if keyword == "required":
        names: list[Any] = [error.message]
        texts, path = [f"must have required property '{names[0]}'"], path + "/"
    elif keyword == "additionalProperties":
        schema: Any = error.schema
        names = [name for name in value if name not in schema.get("properties", {})]
        texts = ["must NOT have additional properties"] * len(names)
    else:
        names, texts = [None if keyword == "oneOf" else limit], [_text(keyword, limit)]
    own = [
        {
            "code": _CODES.get(keyword, keyword.upper()),
            "params": [] if keyword == "anyOf" else [name],
            "message": text,
            "path": path,
        }
        for name, text in zip(names, texts, strict=True)
    ]
    return alternatives + own


def _text(keyword: str, limit: Any) -> str:
    match keyword:
        case "type":
            return f"must be {','.join(limit) if isinstance(limit, list) else limit}"
        case "pattern" | "format":
            return f'must match {keyword} "{limit}"'
        case "enum":
            return "must be equal to one of the allowed values"
        case "minLength" | "maxLength":
            return f"must NOT have {'fewer' if keyword == 'minLength' else 'more'} than {limit} characters"
        case "minItems" | "maxItems":
            return f"must NOT have {'fewer' if keyword == 'minItems' else 'more'} than {limit} items"
        case "minimum" | "maximum":
            return f"must be {'>=' if keyword == 'minimum' else '<='} {limit}"
        case "oneOf":
            return "must match exactly one schema in oneOf"
        case "anyOf":
            return "must match a schema in anyOf"
        case _:
            return f"must pass {keyword}"


# ---- checking


_TYPES: dict[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": bool,
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}


def _is_plainly_right(value: Any, schema: Schema) -> bool:
    """Whether a value matches a schema that has a type at most; much faster than jsonschema."""
    if not schema:
        return True
    names = schema.get("type")
    if names is None or len(schema) > 1:
        return False
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in ([names] if isinstance(names, str) else names))


def _properties(validator: Any, properties: dict[str, Schema], instance: Any, schema: Schema) -> Iterator[Any]:
    if isinstance(instance, dict):
        for name, wanted in properties.items():
            if name in instance and not _is_plainly_right(instance[name], wanted):
                yield from descend(validator, instance[name], wanted, name)


def _items(validator: Any, items: Schema, instance: Any, schema: Schema) -> Iterator[Any]:
    if isinstance(instance, list):
        for index, value in enumerate(instance):
            if not _is_plainly_right(value, items):
                yield from descend(validator, value, items, index)


def _required(validator: Any, required: list[str], instance: Any, schema: Schema) -> Iterator[Any]:
    if isinstance(instance, dict):
        yield from (ValidationError(name) for name in required if name not in instance)


_QuickValidator = extend(Draft4Validator, {"properties": _properties, "items": _items, "required": _required})  # type: ignore[no-untyped-call]


class Validator:
    """Validates values by a schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._validator = _QuickValidator(schema)

    def problems(self, value: Any) -> list[dict[str, Any]]:
        """The problems of a value; none if it is valid."""
        if _is_plainly_right(value, self._schema):
            return []
        return [problem for error in self._validator.iter_errors(value) for problem in _described(error)]

    def check(self, value: Any, message: str = "The parameters' format is invalid.") -> None:
        """Refuse a value that is not valid.

        Raises:
            ApiError: ``invalid-parameters-format``, with the list of problems.
        """
        problems = self.problems(value)
        if problems:
            raise invalid_parameters(problems, message)
