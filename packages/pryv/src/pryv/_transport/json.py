"""JSON as the API speaks it: UTF-8, and no `NaN` or `Infinity` in either direction.

What is sent may hold aware datetimes, which become seconds since 1970, and numbers of NumPy and pandas. Neither of the
two is imported: their numbers are known by their `dtype`, and a `pandas.Timestamp` is a datetime.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NoReturn

from pryv.errors import PryvProtocolError
from pryv.utils import to_timestamp

HEADERS = {"Content-Type": "application/json"}
"""Those of a request whose body `encode` made."""

_NUMBERS = frozenset("biuf")
"""Kinds of a NumPy `dtype`: booleans, integers with and without a sign, floats."""

_DECRYPTED = "decryptedFrom"
"""A member that only a decrypted event has (`EventsCipher` of `pryv-encryption`, and of the JavaScript client)."""

_DECRYPTED_MEMBER = [b'%b"%b":' % (before, _DECRYPTED.encode()) for before in (b"{", b",")]
"""How it is written, which no string is: there, a backslash stands before a quotation mark."""

_DEEPEST = 500
"""Levels of nesting that are searched for what is wrong."""


class EncodingError(TypeError, ValueError):
    """Something that was to be sent has no JSON form.

    Attributes:
        problem: What is wrong with it.
        path: Where it is in the data, by keys and indexes.
    """

    def __init__(self, problem: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{_dotted(path)}: {problem}" if path else problem)
        self.problem = problem
        self.path = path


def encode(value: Any, *path: str | int) -> bytes:
    """Return `value`, which is found at `path` in what is sent, as compact UTF-8 JSON.

    Raises:
        EncodingError: something in it has no JSON form, or is a decrypted event.
    """
    try:
        return _encoded(value)
    except (TypeError, ValueError, RecursionError):  # may show all of the data
        problem, place = _located(value)
    raise EncodingError(problem, (*path, *place))


def plain(value: Any, *path: str | int) -> Any:
    """Return what the platform reads where `value` is sent: `None`, booleans, numbers, strings, lists and dicts.

    It is found at `path` in what is sent.

    Raises:
        EncodingError: something in it has no JSON form.
    """
    return json.loads(encode(value, *path))


def decode(body: bytes, label: str) -> Any:
    """Return the value of a JSON text, which may begin with a byte order mark, `label` being what it answers.

    Raises:
        PryvProtocolError: it is not JSON.
    """
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=refuse_constant)
    except ValueError:
        problem = "not JSON" if body.strip() else "empty"
    except RecursionError:
        problem = "nested too deeply"
    raise PryvProtocolError(f"{label}: the response is {problem}")


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _plain(value: Any) -> float | dict[Any, Any]:
    """Return what stands for a value which `json` does not know."""
    if isinstance(value, datetime):
        return to_timestamp(value)
    if isinstance(value, Mapping):
        return dict(value)
    if getattr(getattr(value, "dtype", None), "kind", None) in _NUMBERS and getattr(value, "ndim", None) == 0:
        number = value.item()
        return number if isinstance(number, (int, float)) else float(number)  # a longdouble is its own item
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_plain).encode


def _encoded(value: Any) -> bytes:
    data = _encode(value).encode()
    if any(member in data for member in _DECRYPTED_MEMBER):
        raise ValueError(f"it has {_DECRYPTED}")
    return data


def _located(value: Any) -> tuple[str, tuple[str | int, ...]]:
    """Return what is wrong with a value, and the path to where it is."""
    path: list[str | int] = []
    while len(path) < _DEEPEST:
        for key, item in _items(value):
            if not _has_form(item):
                path.append(key)
                value = item
                break
        else:
            return _problem_of(value), tuple(path)
    return "nested too deeply, or in itself", tuple(path[:3])


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value) if isinstance(value, (list, tuple)) else ()


def _has_form(value: Any) -> bool:
    try:
        _encoded(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _problem_of(value: Any) -> str:
    """Return what is wrong with a value in which all other values are right."""
    if isinstance(value, str):
        return "a lone surrogate has no UTF-8 form"
    if isinstance(value, Mapping) and _DECRYPTED in value:
        return f"a decrypted event would be stored in clear: encrypt it, or leave out its {_DECRYPTED}"
    if isinstance(value, Mapping):
        return "a key has no JSON form"
    if isinstance(value, int):
        return "a number of too many digits"
    try:
        number = value if isinstance(value, float) else _plain(value)
    except (TypeError, ValueError) as error:
        return str(error)
    return f"{number} has no JSON form"


def _dotted(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
