"""Parameters in a query string."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Literal

Kind = Literal["number", "boolean", "array"]

_MOST_VALUES = 20
_MAX_SAFE = 2**53
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


def parse_query(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The parameters in a query string: a key that is repeated, or written ``key[]``, has a list.

    A list of more than 20 is an object instead, as qs, the platform's parser, makes it since 6.14.1.
    """
    params: dict[str, Any] = {}
    for name, value in pairs:
        key = name.removesuffix("[]")
        if key in params:
            earlier = params[key] if isinstance(params[key], list) else [params[key]]
            params[key] = [*earlier, value]
        else:
            params[key] = value if key == name else [value]
    return {
        key: {str(index): item for index, item in enumerate(value)}
        if isinstance(value, list) and len(value) > _MOST_VALUES
        else value
        for key, value in params.items()
    }


def coerce(params: dict[str, Any], kinds: dict[str, Kind]) -> dict[str, Any]:
    """The parameters, with strings converted to these kinds where possible."""
    return {
        key: _coerced(value, kinds[key]) if key in kinds and isinstance(value, str) else value
        for key, value in params.items()
    }


def _coerced(value: str, kind: Kind) -> Any:
    match kind:
        case "array":
            return [value]
        case "boolean":
            return {"true": True, "false": False}.get(value.lower(), value)
        case "number":
            number = float(value) if _NUMBER.fullmatch(value) else math.inf
            if math.isinf(number):
                return value
            return int(number) if number.is_integer() and abs(number) < _MAX_SAFE else number
