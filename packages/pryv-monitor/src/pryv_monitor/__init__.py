"""Change monitor add-on of the Pryv.io SDK for Python: a sync that never loses a change."""

from pryv import __version__

from .anchor import Anchor
from .changes import Change, SyncReport
from .errors import AnchorCorruptError, AnchorError, AnchorLockedError, AnchorMismatchError
from .mirror import SQLiteMirror
from .monitor import Monitor
from .stores import AnchorStore, FileAnchorStore, MemoryAnchorStore
from .update_methods import EventsTimer, SocketUpdates, UpdateMethod

__all__ = [
    "Anchor",
    "AnchorCorruptError",
    "AnchorError",
    "AnchorLockedError",
    "AnchorMismatchError",
    "AnchorStore",
    "Change",
    "EventsTimer",
    "FileAnchorStore",
    "MemoryAnchorStore",
    "Monitor",
    "SQLiteMirror",
    "SocketUpdates",
    "SyncReport",
    "UpdateMethod",
    "__version__",
]
