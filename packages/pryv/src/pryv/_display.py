"""What objects show of themselves in shells, notebooks and tracebacks."""

from __future__ import annotations

from typing import SupportsIndex


class SecretText(str):
    """Text that is a secret: a `str` in every way, but its `repr` is masked, and with it that of what it is in.

    Shells, notebooks and tracebacks show the `repr` of a value. Programs that use the text, encode it as JSON or pickle
    it get all of it.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        part = super().__getitem__(key)
        return SecretText(part) if isinstance(key, slice) else part  # rich cuts long texts, and shows their beginning


def public_names(of: object) -> list[str]:
    """Return what `dir` shows of an object, without private names: what completion offers."""
    return [name for name in object.__dir__(of) if not name.startswith("_") or name.startswith("__")]
