"""How fast a platform is asked."""

from __future__ import annotations

import math
from typing import Any

import attrs

from pryv_fleet._arguments import require_count


@attrs.frozen
class Pacing:
    """Limits for each platform, over all workers.

    Attributes:
        connections: Accounts that are passed at the same time, at most.
        rate: Passes that begin in a second, at most; `None` for no limit. After a pause, those of one second may
            begin at once.

    Raises:
        TypeError: a number has the wrong type.
        ValueError: a number is out of range.
    """

    connections: int = attrs.field(default=16)
    rate: float | None = attrs.field(default=None)

    @connections.validator
    def _check_connections(self, _: Any, connections: Any) -> None:
        require_count(connections, "connections")

    @rate.validator
    def _check_rate(self, _: Any, rate: Any) -> None:
        if rate is None:
            return
        if isinstance(rate, bool) or not isinstance(rate, (int, float)):
            raise TypeError(f"rate is a number of passes in a second, not {type(rate).__name__}")
        if not 0 < rate < math.inf:
            raise ValueError("rate is a number of passes in a second, more than 0")
