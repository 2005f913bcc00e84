"""How long an idle connection may be used again."""

from __future__ import annotations

import math
import re

_TIMEOUT = re.compile(r"(?:^|[,;\s])timeout\s*=\s*\"?(\d{1,9})\b", re.IGNORECASE)
_MARGIN = 1.0
"""Seconds in which a request reaches the server."""


def usable_seconds(keep_alive: str | None) -> float:
    """Return how many seconds after a response a connection may be used again: a second less than the server keeps it.

    Args:
        keep_alive: The response's `Keep-Alive` header
            (https://datatracker.ietf.org/doc/html/draft-thomson-hybi-http-timeout-03#section-2).
    """
    timeout = _TIMEOUT.search(keep_alive or "")
    if timeout is None:
        return math.inf
    seconds = int(timeout[1])
    return seconds - min(_MARGIN, seconds / 2)
