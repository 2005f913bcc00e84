"""The names of the files in a backup."""

from __future__ import annotations

import hashlib
import math
import os
import re
import unicodedata
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

MANIFEST: Final = "manifest.json"
STREAMS: Final = "streams.json"
DELETIONS: Final = "event-deletions.json"
FAR: Final = "events-far.json"
AUDIT: Final = "audit_logs.json"
ATTACHMENTS: Final = "attachments"
SERIES: Final = "hf-data"
APP_PROFILES: Final = "app_profiles"
HISTORIES: Final = "accesses-history"
DOCUMENT_DIRECTORIES: Final = ("", APP_PROFILES, HISTORIES)
"""The directories in which documents are, besides events, attachments and points."""
STATE: Final = ".state"
"""The directory of what a backup needs for the next run; it is not part of the archive."""
OTHER_STATES: Final = frozenset((".state.json", ".sync-state.json", "sync-state.json"))
"""The files of account-backup for its next run."""

_EPOCH: Final = datetime(1970, 1, 1)
_EVENTS: Final = re.compile(r"events(-\d{4}-\d{2}|-far|-incremental-.+)?\.json")
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9-][A-Za-z0-9.-]{0,39}")
"""An id without `_`, which separates the parts of a file name, and short enough to leave room for the others."""
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\ud800-\udfff]|[. ]\Z')
"""What no file name should have: FAT drops a dot and a space at the end."""
_IMPOSSIBLE: Final = _UNSAFE if os.name == "nt" else re.compile(r"[/\0\ud800-\udfff]|[. ]\Z")
"""What no file name of this system has."""
_LONGEST_NAME: Final = 143
"""Bytes of a file name on eCryptfs, as in an encrypted folder of a NAS: https://launchpad.net/bugs/344878."""
_LONGEST_OLD_NAME: Final = 255
"""Bytes of a file name on most file systems."""
_LONGEST_ENDING: Final = 20


def events_file(time: float) -> str:
    """Return the file of an event by its time, in seconds: that of its month (UTC), the first moment included."""
    try:
        moment = _EPOCH + timedelta(seconds=math.floor(time))
    except OverflowError:
        return FAR
    return f"events-{moment.year:04}-{moment.month:02}.json"


def is_events_file(name: str) -> bool:
    """Return whether a file has events, in the layout of this package or of account-backup."""
    return _EVENTS.fullmatch(name) is not None


def safe_id(item_id: str) -> str:
    """Return an id as part of a file name: itself, unless a file cannot have it in its name."""
    if _SAFE_ID.fullmatch(item_id):
        return item_id
    return f"x{hashlib.sha256(item_id.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def attachment_file(event_id: str, attachment: dict[str, Any]) -> str:
    """Return the path of an attachment."""
    prefix = f"{safe_id(event_id)}_{safe_id(attachment['id'])}_"
    return f"{ATTACHMENTS}/{prefix}{_safe_name(_name_of(attachment), _LONGEST_NAME - len(prefix))}"


def old_attachment_file(event_id: str, attachment: dict[str, Any]) -> str | None:
    """Return the path that account-backup gives an attachment; `None` if no file can have that name."""
    name = f"{event_id}_{_name_of(attachment)}"
    if _IMPOSSIBLE.search(name) or len(name.encode()) > _LONGEST_OLD_NAME or not _SAFE_ID.fullmatch(event_id):
        return None
    return f"{ATTACHMENTS}/{name}"


def series_file(event_id: str) -> str:
    """Return the path of the points of a series."""
    return f"{SERIES}/{safe_id(event_id)}.json"


@attrs.frozen
class Named:
    """An attachment of an event, with the names of its file.

    Attributes:
        data: The attachment.
        path: The path of the file.
        old_path: The path that account-backup gives it, if no other file of the event can have it.
    """

    data: dict[str, Any]
    path: str
    old_path: str | None


def attachments_of(event: dict[str, Any]) -> list[Named]:
    """Return the attachments of an event that have an id."""
    attachments = event.get("attachments")
    found = attachments if isinstance(attachments, list) else []
    items = [item for item in found if isinstance(item, dict) and isinstance(item.get("id"), str)]
    paths = [attachment_file(event["id"], item) for item in items]
    old_paths = [old_attachment_file(event["id"], item) for item in items]
    taken = Counter(map(_folded, filter(None, [*paths, *old_paths])))
    return [
        Named(item, path, old_path if old_path and taken[_folded(old_path)] == 1 else None)
        for item, path, old_path in zip(items, paths, old_paths, strict=True)
    ]


def stream_ids_of(event: dict[str, Any]) -> list[str]:
    """Return the ids of the streams of an event; a backup of an old platform has one, as `streamId`."""
    return event.get("streamIds") or [key for key in [event.get("streamId")] if isinstance(key, str)]


def is_series(event: dict[str, Any]) -> bool:
    """Return whether an event is a high-frequency series."""
    return str(event.get("type", "")).startswith("series:")


def _folded(path: str) -> str:
    """Return what paths have in common that are the same file on macOS or Windows."""
    return unicodedata.normalize("NFC", path).casefold()


def _name_of(attachment: dict[str, Any]) -> str:
    name = attachment.get("fileName")
    return name if isinstance(name, str) else ""


def _safe_name(name: str, size: int) -> str:
    """Return a name without characters that a file name cannot have, cut to some bytes; it keeps its ending."""
    name = _UNSAFE.sub("_", name)
    if len(name.encode()) <= size:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > _LONGEST_ENDING:
        stem, dot, ending = name, "", ""
    room = size - len((dot + ending).encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + ending
