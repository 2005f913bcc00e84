"""Checks of arguments, made before any request."""

from __future__ import annotations

import inspect
import math
import re
import types
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, TypeGuard

from pryv._spelling import web_url

_TOKEN = re.compile(r"[\x21-\x7e]+")
"""What the header `Authorization` can hold without quotes."""


def require(**arguments: Any) -> None:
    """Check that arguments are strings and not empty.

    Raises:
        TypeError: one is not a string.
        ValueError: one is empty.
    """
    for name, value in arguments.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} is a string, not {type(value).__name__}")
        if not value:
            raise ValueError(f"{name} is empty")


def is_token(value: object) -> TypeGuard[str]:
    """Return whether a value can be sent as a token."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def require_token(**arguments: Any) -> None:
    """Check that arguments are tokens.

    Raises:
        TypeError: one is not a string.
        ValueError: one is empty, or malformed.
    """
    require(**arguments)
    for name, value in arguments.items():
        if not is_token(value):
            raise ValueError(f"{name} is not a token")


def as_dict(value: object, name: str) -> Mapping[str, Any]:
    """Return an argument that is a dict.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is a dict, not {type(value).__name__}")
    return value


def http_url(url: Any, name: str) -> str:
    """Return an argument that is an http(s) URL, normalized.

    Raises:
        TypeError: it is not a string.
        ValueError: it is not an http(s) URL, or contains credentials.
    """
    if not isinstance(url, str):
        raise TypeError(f"{name} is a string, not {type(url).__name__}")
    try:
        return web_url(url)
    except ValueError:
        raise ValueError(f"{name} is not an http(s) URL without credentials, such as https://host/path") from None


def require_seconds(value: Any, name: str, *, above_zero: bool = False, endless: bool = False) -> float:
    """Return an argument that is a number of seconds, as a float.

    Other numbers are not used as they are: a `numpy.float32` makes the sum with a time a `float32` too, which is
    minutes off.

    Args:
        value: The argument.
        name: Its name, for the message.
        above_zero: Whether 0 is refused too.
        endless: Whether it may be infinite.

    Raises:
        TypeError: it is not a number; a boolean is none.
        ValueError: it is negative, NaN, or another number that is not allowed.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} is a number of seconds, not {type(value).__name__}")
    seconds = _as_float(value)
    if not (seconds > 0 if above_zero else seconds >= 0) or (seconds == math.inf and not endless):
        raise ValueError(f"{name} is a number of seconds, {'above' if above_zero else 'at least'} 0")
    return seconds


def _as_float(number: Real) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf  # type: ignore[operator]  # Real lacks its types' operators


def require_methods(value: object, name: str, kind: str, *methods: str) -> None:
    """Refuse an argument that does not have the methods of a protocol.

    Args:
        value: The argument.
        name: Its name, for the message.
        kind: The name of the protocol with its article, for the message.
        methods: The names of the methods.

    Raises:
        TypeError: one is missing, or the argument is a class.
    """
    if isinstance(value, type) or not all(callable(getattr(value, method, None)) for method in methods):
        what = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{name} is {kind}, not {what}")


def require_callback(callback: object, name: str) -> None:
    """Refuse a callback that cannot be called, or whose call would do nothing.

    Raises:
        TypeError: it is not callable, or is a coroutine or generator function.
    """
    if not callable(callback):
        raise TypeError(f"{name} is not callable")
    functions = (callback, type(callback).__call__)
    if any(map(inspect.iscoroutinefunction, functions)):
        raise TypeError(f"{name} is a coroutine function: calls block, and nothing awaits it")
    if any(inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function) for function in functions):
        raise TypeError(f"{name} is a generator function: nothing iterates over what it returns")


def with_two_arguments(callback: Callable[..., object], name: str) -> Callable[[Any, Any], object]:
    """Return a callback with two arguments that passes one or both to `callback`, as its signature requires.

    Raises:
        TypeError: it cannot be called, or its signature takes neither two arguments nor one.
    """
    require_callback(callback, name)
    if _takes(callback, 2):
        return callback
    if _takes(callback, 1):
        return lambda first, _: callback(first)
    raise TypeError(f"{name} is called with two arguments or one, but its signature is {inspect.signature(callback)}")


def _takes(callback: Callable[..., Any], count: int) -> bool:
    try:
        signature = inspect.signature(callback)
    except ValueError:
        # Some built-ins have no signature (https://docs.python.org/3/library/inspect.html#inspect.signature): before
        # Python 3.13 methods such as `set.add`, before 3.11 `print`.
        is_method = isinstance(callback, types.BuiltinMethodType) and not inspect.ismodule(callback.__self__)
        return count == (1 if is_method else 2)
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True
