"""The display of objects in shells, notebooks and tracebacks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, SupportsIndex, TypeVar

_T = TypeVar("_T")
_SECRETS = ("token", "apiEndpoint", "recoveryCodes")
"""Members of accesses that contain a token, and of a profile set that contains recovery codes."""


class SecretText(str):
    """A secret text: a `str` with a masked `repr`, so that the `repr` of a list or dict with it is masked too.

    Shells, notebooks and tracebacks show the `repr` of a value. Programs that use the text, encode it as JSON or pickle
    it get the whole text.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        part = super().__getitem__(key)
        return SecretText(part) if isinstance(key, slice) else part  # rich cuts long texts, and shows their beginning


def secret(value: _T) -> _T:
    """Return a text with a masked `repr`, and any other value as it is.

    An argument that is replaced by it is masked in tracebacks with local variables.
    """
    return SecretText(value) if isinstance(value, str) else value  # type: ignore[return-value]


def safe_repr(function: Callable[[_T], str]) -> Callable[[_T], str]:
    """Return a `__repr__` that can be used while `__init__` runs: a traceback with local variables calls it."""

    @functools.wraps(function)
    def wrapper(self: _T) -> str:
        try:
            return function(self)
        except AttributeError:
            return f"<{type(self).__name__}>"

    return wrapper


def with_secrets(data: Any, levels: int = 3) -> Any:
    """Return data of the API, such as accesses, with tokens and recovery codes that have a masked `repr`.

    Args:
        data: The data.
        levels: The levels of nesting that are searched.
    """
    if not levels:
        return data
    if isinstance(data, list):
        return [with_secrets(item, levels - 1) for item in data]
    if not isinstance(data, dict):
        return data
    return {
        name: _masked(value) if name in _SECRETS else with_secrets(value, levels - 1) for name, value in data.items()
    }


def _masked(value: Any) -> Any:
    return [secret(item) for item in value] if isinstance(value, list) else secret(value)


def public_names(of: object) -> list[str]:
    """Return the public names of an object, for `dir` and completion."""
    return [name for name in object.__dir__(of) if not name.startswith("_") or name.startswith("__")]
