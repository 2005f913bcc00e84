"""Changing some keys of an object."""

from __future__ import annotations

from typing import Any


def merged(data: dict[str, Any] | None, update: dict[str, Any]) -> dict[str, Any]:
    """The data with the given keys set; those that are null are removed."""
    return {key: value for key, value in {**(data or {}), **update}.items() if value is not None}
