"""Read JSON documents of any size and formatting item by item."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from pryv.addons import json_members
from pryv_backup._errors import BackupError

_LISTS: Final = ("events", "eventDeletions", "points")
"""The members that may be long: lists, of which one item is in memory at a time."""
_BLOCK: Final = 1 << 16


def members(file: BinaryIO, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the members of a document with their keys, and of events, deletions and points each item with its key.

    Args:
        file: The document.
        path: Its path, for messages.

    Raises:
        BackupError: it is not a JSON object, or one of these members is not a list.
        OSError: it cannot be read.
    """
    try:
        yield from json_members(iter(partial(file.read, _BLOCK), b""), _LISTS)
    except ValueError:
        raise BackupError(f"{path}: it is damaged, or not a JSON document of a backup") from None
