"""Read JSON documents of any size and formatting item by item."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from pryv.addons import json_members
from pryv_backup import _files
from pryv_backup._errors import BackupError

_LISTS: Final = ("events", "eventDeletions", "points")
"""The members that may be long: lists, of which one item is in memory at a time."""
_BLOCK: Final = 1 << 16


def members(root: Path, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the members of a document with their keys, and of events, deletions and points each item with its key.

    Args:
        root: The folder.
        path: The document in it.

    Raises:
        BackupError: the document is not a JSON object, one of these members is not a list, or it is no regular file.
        OSError: it cannot be read.
    """
    with _files.open_regular(root, path) as file:
        try:
            yield from json_members(iter(partial(file.read, _BLOCK), b""), _LISTS)
        except ValueError:
            raise BackupError(f"{root / path}: it is damaged, or not a JSON document of a backup") from None


def items(root: Path, path: str, key: str) -> Iterator[Any]:
    """Yield the items of a list in a document; without it, there are none.

    Raises:
        BackupError: as `members`.
        OSError: it cannot be read.
    """
    return (value for name, value in members(root, path) if name == key)
