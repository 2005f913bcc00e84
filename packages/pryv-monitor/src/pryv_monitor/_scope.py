"""The scope of a monitor: parameters of `events.get`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

import attrs

from pryv_monitor import _params
from pryv_monitor._shape import is_number
from pryv_monitor.anchor import Anchor

START: Final = -sys.float_info.max
END: Final = sys.float_info.max
"""The earliest and the latest time an event can have, in seconds: the platform accepts any number."""


@attrs.frozen
class Scope:
    """The events that a monitor follows.

    Attributes:
        params: Parameters of `events.get`, all but `limit` and `skip`. The default `state` is `all`. Changes made
            until `modifiedSince`, if it is set, are ignored.
    """

    params: Mapping[str, Any]

    @classmethod
    def of(cls, params: Any) -> Scope:
        """Return the scope that has these parameters.

        Raises:
            TypeError: they are not a dict, or one has no JSON form.
            ValueError: one is `limit`, `skip` or unknown, a time is not a number, or one has no JSON form.
        """
        given = _params.checked(params, "scope")
        for key in ("limit", "skip"):
            if key in given:
                raise ValueError(f"a scope has no {key!r}: a monitor follows every event in it")
        for key in _params.TIMES:
            if not is_number(given.get(key, 0)):
                raise ValueError(f"a scope's {key} is a number of seconds")
        return cls({"state": "all", "includeDeletions": True, **given})

    @property
    def floor(self) -> float | None:
        """The time until which changes are ignored."""
        return self.params.get("modifiedSince")

    def start_over(self, anchor: Anchor, now: float) -> Anchor:
        """Return the anchor for a full read, after which the changes since `anchor` are read."""
        if self.floor is None:
            anchor = attrs.evolve(anchor, reached=START, began=now)
        else:  # the changes since then are the whole scope
            anchor = attrs.evolve(anchor, since=self.floor, reached=END, began=min(self.floor, now))
        return attrs.evolve(anchor, generation=anchor.generation + 1, streams=None, remembered={})

    def whole(self, reached: float) -> dict[str, Any]:
        """Return the parameters that read all events from the time `reached` on, the earliest first."""
        params = {key: value for key, value in self.params.items() if key not in ("modifiedSince", "includeDeletions")}
        return {**params, "fromTime": max(params.get("fromTime", START), reached), "sortAscending": True}

    def changed(self, since: float) -> dict[str, Any]:
        """Return the parameters that read the changes after `since`."""
        floor = START if self.floor is None else self.floor
        return {**self.params, "modifiedSince": max(floor, since), "sortAscending": True}

    def changed_within(self, since: float, limit: int) -> dict[str, Any]:
        """Return the parameters that read at most `limit` changes after `since`, of events of any time.

        A limit of the platform's own, 20 events, applies to a query without time bounds.
        """
        return {"fromTime": START, "toTime": END, **self.changed(since), "limit": limit}
