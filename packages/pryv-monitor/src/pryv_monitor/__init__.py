"""Change monitor add-on of the Pryv.io SDK for Python: a sync that never loses a change."""

from pryv import __version__
from pryv_monitor.anchor import Anchor, Identity
from pryv_monitor.changes import Change, SyncReport
from pryv_monitor.errors import (
    AnchorCorruptError,
    AnchorError,
    AnchorLockedError,
    AnchorMismatchError,
    ContendedError,
)
from pryv_monitor.mirror import SQLiteMirror
from pryv_monitor.monitor import Monitor
from pryv_monitor.protocols import Mirror, MirrorTransaction
from pryv_monitor.stores import AnchorStore, FileAnchorStore, MemoryAnchorStore
from pryv_monitor.update_methods import EventsTimer, SocketUpdates, UpdateMethod

__all__ = [
    "Anchor",
    "AnchorCorruptError",
    "AnchorError",
    "AnchorLockedError",
    "AnchorMismatchError",
    "AnchorStore",
    "Change",
    "ContendedError",
    "EventsTimer",
    "FileAnchorStore",
    "Identity",
    "MemoryAnchorStore",
    "Mirror",
    "MirrorTransaction",
    "Monitor",
    "SQLiteMirror",
    "SocketUpdates",
    "SyncReport",
    "UpdateMethod",
    "__version__",
]
