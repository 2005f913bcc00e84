"""What a monitor looks at: parameters of `events.get`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

import attrs

from pryv.addons import plain
from pryv_monitor.anchor import Anchor

START: Final = -sys.float_info.max
END: Final = sys.float_info.max
"""The earliest and the latest time an event can have, in seconds: the platform takes any number."""


@attrs.frozen
class Scope:
    """The events a monitor looks at.

    Attributes:
        params: Parameters of `events.get`, all but `limit` and `skip`. The `state` is `all` where not given. Changes
            made until `modifiedSince`, where given, are not looked at.
    """

    params: Mapping[str, Any]

    @classmethod
    def of(cls, params: Any) -> Scope:
        """Return the scope that has these parameters.

        Raises:
            TypeError: they are not a dict, or one has no JSON form.
            ValueError: `limit` or `skip` is among them, or one has no JSON form.
        """
        if params is not None and not isinstance(params, Mapping):
            raise TypeError(f"scope is a dict of events.get parameters, not {type(params).__name__}")
        given = {key: value for key, value in plain(dict(params or {})).items() if value is not None}
        for key in ("limit", "skip"):
            if key in given:
                raise ValueError(f"a scope has no {key!r}: a monitor follows every event in it")
        return cls({"state": "all", "includeDeletions": True, **given})

    @property
    def floor(self) -> float | None:
        """The time until which changes are not looked at."""
        return self.params.get("modifiedSince")

    def start_over(self, anchor: Anchor, now: float) -> Anchor:
        """Return the anchor from which the whole scope is read, and after it what changed since `anchor`."""
        if self.floor is None:
            anchor = attrs.evolve(anchor, reached=START, began=now)
        else:  # what changed since then is the whole scope
            anchor = attrs.evolve(anchor, since=self.floor, reached=END, began=min(self.floor, now))
        return attrs.evolve(anchor, generation=anchor.generation + 1, streams=None, remembered={})

    def whole(self, reached: float) -> dict[str, Any]:
        """Return the parameters that read all events from the time `reached` on, the earliest first."""
        params = {key: value for key, value in self.params.items() if key not in ("modifiedSince", "includeDeletions")}
        return {**params, "fromTime": max(params.get("fromTime", START), reached), "sortAscending": True}

    def changed(self, since: float) -> dict[str, Any]:
        """Return the parameters that read what was changed after `since`."""
        floor = START if self.floor is None else self.floor
        return {**self.params, "modifiedSince": max(floor, since), "sortAscending": True}
