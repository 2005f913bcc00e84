"""Telling whoever listens that something in an account has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["create", "update", "trash", "delete"]


@dataclass(frozen=True)
class Change:
    """One change, told once it can be read and before its author gets the answer.

    Attributes:
        username: whose account.
        kind: what changed; clients are not notified of webhooks.
        action: what was done to it.
        item: the event, stream or access as it is now, or was before it was deleted; empty where many have changed.
    """

    username: str
    kind: Literal["events", "streams", "accesses", "webhooks"]
    action: Action
    item: dict[str, Any]


Listener = Callable[[Change], None]
