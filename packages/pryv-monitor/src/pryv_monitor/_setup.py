"""The configuration of a monitor."""

from __future__ import annotations

import attrs

from pryv_monitor._listeners import Listeners
from pryv_monitor._source import Source
from pryv_monitor.protocols import Mirror


@attrs.frozen
class Setup:
    """The configuration of a monitor.

    Attributes:
        source: The source that it reads.
        mirror: The mirror that stores the delivered changes.
        keeps_copy: Whether the mirror keeps a copy: it then delivers only deletions of events that it has.
        listeners: The callbacks.
        overlap: The most seconds until a change becomes visible.
        wait: Seconds to wait for another monitor that uses the mirror.
    """

    source: Source
    mirror: Mirror
    keeps_copy: bool
    listeners: Listeners
    overlap: float
    wait: float
