"""Change monitor add-on of the Pryv.io SDK for Python: a sync that never loses a change.

A name's module is imported when the name is first used, as in `pryv`.
"""

from __future__ import annotations

from pryv import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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

_LATER = {
    "Anchor": "pryv_monitor.anchor",
    "Identity": "pryv_monitor.anchor",
    "Change": "pryv_monitor.changes",
    "SyncReport": "pryv_monitor.changes",
    "AnchorCorruptError": "pryv_monitor.errors",
    "AnchorError": "pryv_monitor.errors",
    "AnchorLockedError": "pryv_monitor.errors",
    "AnchorMismatchError": "pryv_monitor.errors",
    "ContendedError": "pryv_monitor.errors",
    "SQLiteMirror": "pryv_monitor.mirror",
    "Monitor": "pryv_monitor.monitor",
    "Mirror": "pryv_monitor.protocols",
    "MirrorTransaction": "pryv_monitor.protocols",
    "AnchorStore": "pryv_monitor.stores",
    "FileAnchorStore": "pryv_monitor.stores",
    "MemoryAnchorStore": "pryv_monitor.stores",
    "EventsTimer": "pryv_monitor.update_methods",
    "SocketUpdates": "pryv_monitor.update_methods",
    "UpdateMethod": "pryv_monitor.update_methods",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
