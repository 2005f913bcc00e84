"""JSON as the API speaks it: UTF-8, and no `NaN` or `Infinity` in either direction."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from pryv.errors import PryvProtocolError

HEADERS = {"Content-Type": "application/json"}
"""Those of a request whose body `encode` made."""


def encode(value: Any) -> bytes:
    """Return `value` as compact UTF-8 JSON.

    Raises:
        TypeError: something in it has no JSON form.
        ValueError: it holds `NaN`, an infinity, a lone surrogate, or itself, or is nested too deeply.
    """
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except RecursionError:
        problem = "is nested too deeply"
    except UnicodeEncodeError:  # it shows all of the data
        problem = "holds a lone surrogate"
    raise ValueError(f"the data {problem}")


def decode(body: bytes, label: str) -> Any:
    """Return the value of a JSON text, `label` being what it answers.

    Raises:
        PryvProtocolError: it is not JSON.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse_constant)
    except ValueError:
        problem = "not JSON" if body.strip() else "empty"
    except RecursionError:
        problem = "nested too deeply"
    raise PryvProtocolError(f"{label}: the answer is {problem}")


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
