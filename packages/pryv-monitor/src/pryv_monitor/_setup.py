"""What a monitor was made with."""

from __future__ import annotations

import attrs

from pryv_monitor._listeners import Listeners
from pryv_monitor._source import Source
from pryv_monitor.protocols import Mirror


@attrs.frozen
class Setup:
    """What a monitor was made with.

    Attributes:
        source: What it reads.
        mirror: Where it keeps what was delivered.
        keeps_copy: Whether the mirror keeps a copy: it then delivers only deletions of events that it has.
        listeners: The callbacks.
        overlap: How many seconds late a change may become visible.
        wait: Seconds to wait for another monitor that uses the mirror.
    """

    source: Source
    mirror: Mirror
    keeps_copy: bool
    listeners: Listeners
    overlap: float
    wait: float
