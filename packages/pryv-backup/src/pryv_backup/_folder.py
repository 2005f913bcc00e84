"""A backup as data: its events, streams, attachments and points."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pryv import Series
from pryv_backup import _files, _json
from pryv_backup._errors import BackupError
from pryv_backup._layout import (
    ATTACHMENTS,
    DELETIONS,
    MANIFEST,
    STREAMS,
    Named,
    attachments_of,
    is_events_file,
    safe_id,
    series_file,
)

_INCREMENTAL: Final = "events-incremental-"
_SEPARATORS: Final = 2
"""The least number of `_` in the name of an attachment."""


def read(folder: str | os.PathLike[str]) -> BackupFolder:
    """Return a backup as data: one of this package, or of the tool account-backup.

    Args:
        folder: The folder of the backup, or one above it that has no other backup.

    Raises:
        BackupError: there is no backup.
        OSError: the folder cannot be read.
    """
    return BackupFolder(root_of(folder))


def root_of(folder: str | os.PathLike[str]) -> Path:
    """Return the folder of the backup: this one, or the only one in it that is a backup.

    Raises:
        BackupError: there is no backup, or several.
        OSError: it cannot be read.
    """
    root = Path(os.path.abspath(os.fsdecode(folder)))
    if _is_backup(root):
        return root
    found = [path for path in sorted(root.iterdir()) if path.is_dir() and not path.is_symlink() and _is_backup(path)]
    if len(found) != 1:
        count = f"{len(found)} backups below it: choose one" if found else "no backup"
        raise BackupError(f"{root}: {count}")
    return found[0]


def _is_backup(root: Path) -> bool:
    names = os.listdir(root)
    return MANIFEST in names or STREAMS in names or any(map(is_events_file, names))


class BackupFolder:
    """A backup as data. Each call reads the files, one item at a time; only the names of attachments are kept.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"BackupFolder({str(self.path)!r})"

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield each event once, in its latest version, and none that was deleted.

        Memory grows by the ids of the events only.

        Raises:
            BackupError: a file is damaged.
            OSError: a file cannot be read.
        """
        files = self._events_files()
        latest = self._latest(files)
        for number, file in enumerate(files):
            for place, event in enumerate(_json.items(self.path, file, "events")):
                if latest.get(event["id"]) == (number, place):
                    yield event

    def deletions(self) -> Iterator[dict[str, Any]]:
        """Yield the deletions of events, each with `id` and `deleted`; one may come more than once.

        Raises:
            BackupError: a file is damaged.
            OSError: a file cannot be read.
        """
        if _files.size_of(self.path / DELETIONS) is not None:
            yield from _json.items(self.path, DELETIONS, "eventDeletions")
        for file in self._events_files():
            yield from _json.items(self.path, file, "eventDeletions")

    def streams(self) -> list[dict[str, Any]]:
        """Return the tree of streams, including those in the trash.

        Raises:
            BackupError: the file is damaged.
            OSError: the file cannot be read.
        """
        streams = self.document(STREAMS).get("streams")
        if not isinstance(streams, list):
            raise BackupError(f"{self.path / STREAMS}: it has no streams")
        return streams

    def document(self, name: str) -> dict[str, Any]:
        """Return a document such as `account.json`.

        Raises:
            FileNotFoundError: the backup does not have it.
            BackupError: it is damaged.
            OSError: it cannot be read.
        """
        with _files.open_regular(self.path, name) as file:
            try:
                data = json.loads(file.read().decode("utf-8-sig"))
            except (ValueError, RecursionError):
                data = None
        if not isinstance(data, dict):
            raise BackupError(f"{self.path / name}: not a JSON object")
        return data

    def attachment(self, event_id: str, file_id: str) -> Path:
        """Return the path of an attachment.

        Args:
            event_id: The id of the event.
            file_id: The id of the attachment.

        Raises:
            FileNotFoundError: the backup does not have it.
            BackupError: it is not a regular file, or a file with the event is damaged.
            OSError: a file cannot be read.
        """
        path = self._attachments.get((safe_id(event_id), safe_id(file_id))) or self._old_attachment(event_id, file_id)
        if path is None:
            raise FileNotFoundError(f"{self.path}: no attachment {file_id!r} of event {event_id!r}")
        _files.open_regular(self.path, path).close()
        return self.path / path

    def attachment_of(self, event_id: str, attachment: Named) -> Path:
        """Return the path of an attachment in an event that was read; see `attachments_of`.

        Raises:
            FileNotFoundError: the backup does not have it.
            BackupError: it is not a regular file.
        """
        for path in filter(None, (attachment.path, attachment.old_path)):
            if os.path.lexists(self.path / path):
                _files.open_regular(self.path, path).close()
                return self.path / path
        raise FileNotFoundError(f"{self.path}: no attachment {attachment.data['id']!r} of event {event_id!r}")

    def points(self, event_id: str) -> Series:
        """Return the points of a series; its rows are read from the file as they are used, once.

        Raises:
            FileNotFoundError: the backup does not have them.
            BackupError: the file is damaged.
            OSError: the file cannot be read.
        """
        path = series_file(event_id)
        fields = list(_json.items(self.path, path, "fields"))
        return Series(fields, _json.items(self.path, path, "points"))

    @functools.cached_property
    def _attachments(self) -> dict[tuple[str, str], str]:
        """The paths of attachments by the ids of event and file, as their names have them."""
        directory = self.path / ATTACHMENTS
        names = os.listdir(directory) if directory.is_dir() else []
        parts = ((name, *name.split("_", 2)) for name in names if name.count("_") >= _SEPARATORS)
        return {(event_id, file_id): f"{ATTACHMENTS}/{name}" for name, event_id, file_id, _ in parts}

    def _old_attachment(self, event_id: str, file_id: str) -> str | None:
        for event in self.events():
            if event["id"] == event_id:
                for attachment in attachments_of(event):
                    if attachment.data["id"] == file_id:
                        return self.attachment_of(event_id, attachment).relative_to(self.path).as_posix()
        return None

    def _events_files(self) -> list[str]:
        """Return the files with events, the latest versions last."""
        names = [name for name in os.listdir(self.path) if is_events_file(name)]
        return sorted(names, key=lambda name: (name.startswith(_INCREMENTAL), name))

    def _latest(self, files: list[str]) -> dict[str, tuple[int, int]]:
        """Return the file and the place in it of the latest version of each event, by id."""
        found: dict[str, tuple[float, int, int]] = {}
        for number, file in enumerate(files):
            for place, event in enumerate(_json.items(self.path, file, "events")):
                version = _version(event, self.path / file), number, place
                if event["id"] not in found or found[event["id"]] < version:
                    found[event["id"]] = version
        for deletion in self.deletions():
            known = found.get(deletion["id"])
            if known is not None and known[0] <= deletion.get("deleted", math.inf):
                del found[deletion["id"]]
        return {key: (number, place) for key, (_, number, place) in found.items()}


def _version(event: Any, file: Path) -> float:
    """Return the time of change of an event; the earliest, if it has none.

    Raises:
        BackupError: it is not an event.
    """
    if not isinstance(event, dict) or not isinstance(event.get("id"), str):
        raise BackupError(f"{file}: it has an event without an id")
    modified = event.get("modified")
    return modified if isinstance(modified, (int, float)) else -math.inf
