"""Checks of parameters of `events.get`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pryv.addons import plain
from pryv.types import EventsParams

TIMES: Final = ("fromTime", "toTime", "modifiedSince")


def checked(params: Any, name: str) -> dict[str, Any]:
    """Return parameters of `events.get` as plain data, without those that are `None`.

    Args:
        params: The parameters; `None` for none.
        name: What they are called in the message.

    Raises:
        TypeError: they are not a dict, or one has no JSON form.
        ValueError: one is unknown, or has no JSON form.
    """
    if params is not None and not isinstance(params, Mapping):
        raise TypeError(f"{name} is a dict of events.get parameters, not {type(params).__name__}")
    given = {key: value for key, value in plain(dict(params or {})).items() if value is not None}
    if unknown := given.keys() - EventsParams.__annotations__.keys():
        raise ValueError(f"events.get has no parameter {', '.join(sorted(unknown))}")
    return given
