"""JSON as JavaScript reads and writes it."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

_MAX_SAFE_INTEGER = 2**53 - 1
_ALL_DIGITS_BELOW = 1e21
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*)(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)

dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def loads(text: bytes | str) -> Any:
    """The value of a JSON text; a lone surrogate is replaced by U+FFFD.

    Raises:
        ValueError: if it is not JSON.
    """
    data = text.encode() if isinstance(text, str) else text
    if b"\\ud" in data or b"\\uD" in data:
        data = _LONE_SURROGATE.sub(lambda found: found[1] + (found[2] or b"\\ufffd"), data)
    return json.loads(data, parse_constant=_refuse_constant, parse_float=_number, parse_int=_integer)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"Unexpected token {name} in JSON")


def _integer(text: str) -> float:
    number = int(text)
    return number if -_MAX_SAFE_INTEGER <= number <= _MAX_SAFE_INTEGER else _number(text)


def _number(text: str) -> float:
    """The number that JavaScript would write: a double, as an integer of up to 21 digits if it has no fraction.

    See Number::toString, https://tc39.es/ecma262/#sec-numeric-types-number-tostring.
    """
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"Number out of range {text} in JSON")
    return int(Decimal(repr(number))) if number.is_integer() and abs(number) < _ALL_DIGITS_BELOW else number
