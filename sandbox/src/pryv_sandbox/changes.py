"""Telling whoever listens that something in an account has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Change:
    """One change, told once it can be read and before its author gets the answer.

    Attributes:
        username: whose account.
        kind: what changed.
        action: ``create``, ``update``, ``trash`` or ``delete``.
        item: the event, stream or access as it is now; of a deleted one, what is left.
    """

    username: str
    kind: Literal["events", "streams", "accesses"]
    action: Literal["create", "update", "trash", "delete"]
    item: dict[str, Any]


Listener = Callable[[Change], None]
