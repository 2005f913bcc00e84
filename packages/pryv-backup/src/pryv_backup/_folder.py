"""A backup as data: its events, streams, attachments and points."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast

from pryv import Series
from pryv_backup import _files, _json
from pryv_backup._errors import BackupError
from pryv_backup._layout import (
    ATTACHMENTS,
    DELETIONS,
    MANIFEST,
    STREAMS,
    attachments_of,
    is_events_file,
    safe_id,
    series_file,
)
from pryv_backup._tree import is_tree

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
    """A backup as data. Each call reads the files, one item at a time; only the paths of attachments are kept.

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
            BackupError: a file is damaged, or a run has changed it in the meantime.
            OSError: a file cannot be read.
        """
        files = self._item_files()
        versions: dict[str, Any] = {}
        latest = self._latest(files, versions)
        for number, file in enumerate(files):
            for place, (item, _) in enumerate(self._items(file, versions)):
                if latest.get(item["id"]) == (number, place):
                    yield item

    def deletions(self) -> Iterator[dict[str, Any]]:
        """Yield the deletions of events, each with `id` and, in most cases, `deleted`; one may occur more than once.

        Raises:
            BackupError: a file is damaged.
            OSError: a file cannot be read.
        """
        for file in self._item_files():
            yield from (item for item, is_deletion in self._items(file, {}) if is_deletion)

    def streams(self) -> list[dict[str, Any]]:
        """Return the tree of streams, including those in the trash.

        Raises:
            BackupError: the file is damaged.
            OSError: the file cannot be read.
        """
        tree = self.document(STREAMS).get("streams")
        if not is_tree(tree):
            raise BackupError(f"{self.path / STREAMS}: it has no tree of streams")
        return cast(list[dict[str, Any]], tree)

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
        """Return the path of an attachment: a `Path` with the folder in front of it.

        The paths are looked up in the folder, and in the events for other tools' names, at the first call.

        Args:
            event_id: The id of the event.
            file_id: The id of the attachment.

        Raises:
            FileNotFoundError: the backup does not have it.
            BackupError: it is not a regular file, or a file with the event is damaged.
            OSError: a file cannot be read.
        """
        path = self._attachments.get((safe_id(event_id), safe_id(file_id)))
        path = path or self._old_attachments.get((event_id, file_id))
        if path is None or not os.path.lexists(self.path / path):
            raise FileNotFoundError(f"{self.path}: no attachment {file_id!r} of event {event_id!r}")
        _files.open_regular(self.path, path).close()
        return self.path / path

    def points(self, event_id: str) -> Series:
        """Return the points of a series; its rows are read from the file as they are used, once.

        Raises:
            FileNotFoundError: the backup does not have them.
            BackupError: the file is damaged.
            OSError: the file cannot be read.
        """
        path = series_file(event_id)
        fields: Any = next(self._values(path, "fields"), [])
        if not _is_list_of_texts(fields):
            raise BackupError(f"{self.path / path}: its fields are not a list of names")
        return Series(fields, self._values(path, "points"))

    @functools.cached_property
    def _attachments(self) -> dict[tuple[str, str], str]:
        """The paths of attachments by the ids of event and file, as their names have them."""
        directory = self.path / ATTACHMENTS
        names = os.listdir(directory) if directory.is_dir() else []
        parts = ((name, *name.split("_", 2)) for name in names if name.count("_") >= _SEPARATORS)
        return {(event_id, file_id): f"{ATTACHMENTS}/{name}" for name, event_id, file_id, _ in parts}

    @functools.cached_property
    def _old_attachments(self) -> dict[tuple[str, str], str]:
        """The paths that account-backup gives attachments, by the ids of event and file."""
        return {
            (event["id"], attachment.data["id"]): attachment.old_path
            for event in self.events()
            for attachment in attachments_of(event)
            if attachment.old_path is not None
        }

    def _values(self, file: str, key: str) -> Iterator[Any]:
        """Yield the value of a key of a document; of a long list, its items."""
        with _files.open_regular(self.path, file) as opened:
            yield from (value for name, value in _json.members(opened, self.path / file) if name == key)

    def _items(self, file: str, versions: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield the events and deletions in a file, each with whether it is a deletion.

        Args:
            file: The file.
            versions: Of each file, what identifies its content when it is first read: a run may replace it later.

        Raises:
            BackupError: the file has something else, or another version than before.
        """
        with _files.open_regular(self.path, file) as opened:
            status = os.fstat(opened.fileno())
            version = status.st_ino, status.st_size, status.st_mtime_ns
            if versions.setdefault(file, version) != version:
                raise BackupError(f"{self.path / file}: a run has changed it while the backup was read")
            for key, value in _json.members(opened, self.path / file):
                if key == "error":
                    raise BackupError(f"{self.path / file}: it has an error of the platform, no events")
                if key in ("events", "eventDeletions"):
                    item = _checked(value, self.path / file)
                    yield item, key == "eventDeletions" or item.get("deleted") is not None

    def _item_files(self) -> list[str]:
        """Return the files with events and deletions, the latest versions last."""
        names = [name for name in os.listdir(self.path) if name == DELETIONS or is_events_file(name)]
        return sorted(names, key=lambda name: (name.startswith(_INCREMENTAL), name))

    def _latest(self, files: list[str], versions: dict[str, Any]) -> dict[str, tuple[int, int]]:
        """Return the file and the place in it of the latest version of each event, by id."""
        found: dict[str, tuple[float, int, int]] = {}
        deleted: dict[str, float] = {}
        for number, file in enumerate(files):
            for place, (item, is_deletion) in enumerate(self._items(file, versions)):
                key = item["id"]
                if is_deletion:
                    deleted[key] = max(_time(item, "deleted", math.inf), deleted.get(key, -math.inf))
                else:
                    version = _time(item, "modified", -math.inf), number, place
                    found[key] = max(version, found.get(key, version))
        return {
            key: (number, place)
            for key, (modified, number, place) in found.items()
            if key not in deleted or modified > deleted[key]
        }


def _checked(item: Any, file: Path) -> dict[str, Any]:
    """Return an event or a deletion.

    Raises:
        BackupError: it is none.
    """
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        raise BackupError(f"{file}: it has an event or a deletion without an id")
    for key, is_right in _SHAPES.items():
        if item.get(key) is not None and not is_right(item[key]):
            raise BackupError(f"{file}: {key} of the event {item['id']} is damaged")
    return item


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


_SHAPES: Final[dict[str, Callable[[Any], bool]]] = {
    "time": lambda value: isinstance(value, (int, float)),
    "streamIds": _is_list_of_texts,
    "clientData": lambda value: isinstance(value, dict),
}
"""What is checked of an event, because it is used."""


def _time(item: dict[str, Any], key: str, default: float) -> float:
    """Return a time of an event or a deletion; the default, if it has none."""
    time = item.get(key)
    return time if isinstance(time, (int, float)) else default
