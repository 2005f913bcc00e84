"""JSON of the API: UTF-8, without `NaN` and `Infinity` in requests and responses.

Data to send may contain aware datetimes, which become seconds since 1970, and numbers of NumPy and pandas. Neither of
the two is imported: their numbers are recognized by their `dtype`, and a `pandas.Timestamp` is a datetime.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NoReturn

from pryv.errors import PryvProtocolError
from pryv.utils import to_timestamp

HEADERS = {"Content-Type": "application/json"}
"""The headers of a request with a JSON body."""

_NUMBERS = frozenset("biuf")
"""Kinds of a NumPy `dtype`: booleans, signed and unsigned integers, floats."""

_DECRYPTED = "decryptedFrom"
"""A member that only a decrypted event has (`EventsCipher` of `pryv-encryption`, and of the JavaScript client)."""

_DECRYPTED_MEMBER = [b'%b"%b":' % (before, _DECRYPTED.encode()) for before in (b"{", b",")]
"""The member in JSON text. It cannot occur inside a string, where quotation marks are escaped."""

_DEEPEST = 500
"""The levels of nesting that are searched for the value without a JSON form."""


class EncodingError(TypeError, ValueError):
    """A value to send has no JSON form.

    Attributes:
        problem: The problem with the value.
        path: The path of the value in the data: keys and indexes.
    """

    def __init__(self, problem: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{_dotted(path)}: {problem}" if path else problem)
        self.problem = problem
        self.path = path


def encode(value: Any, *path: str | int) -> bytes:
    """Return `value` as compact UTF-8 JSON.

    Args:
        value: The value.
        path: The path of the value in larger data, for the error.

    Raises:
        EncodingError: a value in it has no JSON form, or is a decrypted event.
    """
    try:
        return _encoded(value)
    except (TypeError, ValueError, RecursionError):  # not chained: the message may contain all of the data
        problem, inner_path = _locate_problem(value)
    raise EncodingError(problem, (*path, *inner_path))


def plain(value: Any, *path: str | int) -> Any:
    """Return `value` as the platform will read it: made of `None`, booleans, numbers, strings, lists and dicts.

    Args:
        value: The value.
        path: The path of the value in larger data, for the error.

    Raises:
        EncodingError: a value in it has no JSON form.
    """
    return json.loads(encode(value, *path))


def decode(body: bytes, label: str) -> Any:
    """Return the value of a JSON text, which may begin with a byte order mark.

    Args:
        body: The text.
        label: The name of the request in messages.

    Raises:
        PryvProtocolError: it is not JSON.
    """
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=refuse_constant)
    except ValueError:
        begin = body.strip()[:1]
        problem = "an HTML page, not JSON" if begin == b"<" else "not JSON" if begin else "empty"
    except RecursionError:
        problem = "nested too deeply"
    raise PryvProtocolError(f"{label}: the response is {problem}")


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _plain(value: Any) -> float | dict[Any, Any]:
    """Return the JSON form of a value of a type that `json` does not know."""
    if isinstance(value, datetime):
        return to_timestamp(value)
    if getattr(getattr(value, "dtype", None), "kind", None) in _NUMBERS and getattr(value, "ndim", None) == 0:
        number = value.item()
        return number if isinstance(number, (int, float)) else float(number)  # a longdouble is its own item
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_plain).encode


def _encoded(value: Any) -> bytes:
    data = _encode(value).encode()
    if any(member in data for member in _DECRYPTED_MEMBER):
        raise ValueError(f"it has {_DECRYPTED}")
    return data


def _locate_problem(value: Any) -> tuple[str, tuple[str | int, ...]]:
    """Return the problem with a value that has no JSON form, and its path in the data."""
    path: list[str | int] = []
    while len(path) < _DEEPEST:
        for key, item in _items(value):
            if not _has_form(item):
                path.append(key)
                value = item
                break
        else:
            return _problem_of(value), tuple(path)
    return "nested too deeply, or contains itself", tuple(path[:3])


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
    """Return the problem with a value whose items all have a JSON form."""
    if isinstance(value, str):
        return "a lone surrogate has no UTF-8 form"
    if isinstance(value, Mapping) and _DECRYPTED in value:
        return f"a decrypted event would be stored in clear: encrypt it, or leave out its {_DECRYPTED}"
    if isinstance(value, Mapping):
        return "a key has no JSON form"
    if isinstance(value, int):
        return "a number with too many digits"
    try:
        number = value if isinstance(value, float) else _plain(value)
    except (TypeError, ValueError) as error:
        return str(error)
    return f"{number} has no JSON form"


def _dotted(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
