"""Changes, of which listeners are notified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["create", "update", "trash", "delete"]


@dataclass(frozen=True)
class Change:
    """A change in an account. Listeners are notified when it can be read, before the response is sent.

    Attributes:
        user: the key of the owner of the account.
        kind: the kind of item that changed; clients are not notified of webhooks.
        action: the kind of change.
        item: the event, stream, access or webhook as it is, or was before its deletion; empty if many have changed.
    """

    user: int
    kind: Literal["events", "streams", "accesses", "webhooks"]
    action: Action
    item: dict[str, Any]


Listener = Callable[[Change], None]
