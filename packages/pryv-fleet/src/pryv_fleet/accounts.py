"""The accounts of a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import attrs

State = Literal["active", "refused", "paused", "failing"]
STATES = ("active", "refused", "paused", "failing")


@attrs.frozen
class Account:
    """An account of a fleet. It contains no token.

    Attributes:
        name: Its name in the fleet.
        endpoint: The URL of its API, without the token; `None` for the mirror of a single monitor.
        platform: What its platform is known by: the part of the URL that its accounts have in common.
        state: `active`; `failing`: the last pass failed, it is tried again; `refused`: the platform refused the
            token, or it is of another account, and a new one is needed; `paused`: by an operator.
        error: Why the last pass failed.
        failures: How many passes in a row have failed.
        due: When the next pass is due.
        synced: When the last complete pass began; `None` if there was none.
        scope: The parameters of `events.get` that say what is kept of it; `None` for the scope of the fleet.
        interval: Seconds between two passes; `None` for the interval of the fleet.
    """

    name: str
    endpoint: str | None
    platform: str | None
    state: State
    error: str | None
    failures: int
    due: datetime
    synced: datetime | None
    scope: Mapping[str, Any] | None = None
    interval: float | None = None


def name_of(endpoint: str) -> str:
    """Return the username in an endpoint: `https://alice.pryv.me/` or `https://host.example/alice/`."""
    parts = urlsplit(endpoint)
    path = parts.path.strip("/")
    return path.rpartition("/")[2] if path else (parts.hostname or "").partition(".")[0]


def platform_of(endpoint: str) -> str:
    """Return what the endpoints of a platform have in common: the URL without the username."""
    parts = urlsplit(endpoint)
    path = parts.path.strip("/")
    if path:
        return f"{parts.scheme}://{parts.netloc}/{path.rpartition('/')[0]}"
    _, dot, domain = parts.netloc.partition(".")
    is_name = dot and not (parts.hostname or "").replace(".", "").isdigit()
    return f"{parts.scheme}://{domain if is_name and '.' in domain else parts.netloc}/"
