"""The changes that a monitor delivers, and the report of a pass."""

from __future__ import annotations

from typing import Any, Literal

import attrs

from pryv_monitor.anchor import Anchor

Kind = Literal["event", "eventDelete", "streams"]


@attrs.frozen
class Change:
    """One change.

    Attributes:
        kind: `event` (created or updated), `eventDelete` or `streams`.
        data: The event; the deletion, with its `id`; or the whole tree of streams.
    """

    kind: Kind
    data: Any


@attrs.frozen
class SyncReport:
    """The report of a pass.

    Attributes:
        events: Events delivered.
        event_deletions: Deletions delivered.
        streams_changed: Whether the streams were delivered.
        duplicates: Events and deletions that were read, but delivered before.
        anchor: Where the next pass starts.
        seconds: How long the pass took.
    """

    events: int
    event_deletions: int
    streams_changed: bool
    duplicates: int
    anchor: Anchor
    seconds: float
