"""The files of a backup while it is made: what was written, what is kept, what is removed."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pryv_backup import _files
from pryv_backup._files import Entry, HashingWriter
from pryv_backup._layout import ATTACHMENTS, DOCUMENT_DIRECTORIES, MANIFEST, SERIES, STATE, is_events_file
from pryv_backup._manifest import Manifest

EVENTS = "events"
"""The part of a backup that is all files with events."""
DOCUMENTS = "documents"
"""The part of a backup that is all other JSON documents, but for points."""
_REFUSED_NAME: Final = (errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG)
"""FAT refuses a colon, for instance, and eCryptfs a name of more than 143 bytes."""


class Archive:
    """The folder of one backup. It is locked.

    Args:
        root: The folder.
        before: The manifest of the last backup, an empty one if there is none.

    Attributes:
        root: The folder.
        before: The manifest of the last backup.
        bytes: The bytes written.
    """

    def __init__(self, root: Path, before: Manifest) -> None:
        self.root = root
        self.before = before
        self.bytes = 0
        self._entries: dict[str, Entry] = {}
        self._parts: set[str] = set()

    def begin(self, part: str) -> None:
        """Begin a part: its files that are not written or kept until the end are removed.

        Args:
            part: `EVENTS`, `DOCUMENTS`, or the name of a directory.
        """
        self._parts.add(part)

    def write(self, path: str, fill: Callable[[HashingWriter], object]) -> bool:
        """Write a file as a whole, and return whether its content is new."""
        directory = path.rpartition("/")[0]
        if directory:
            _files.make_directory(self.root / directory)
        self._entries[path], is_new = _files.write(self.root, path, fill)
        self.bytes += self._entries[path].size if is_new else 0
        return is_new

    def keep(self, path: str, entry: Entry | None = None) -> None:
        """Keep a file as it is.

        Args:
            path: The file.
            entry: Its entry; by default, that of the last backup, if it has the file.
        """
        entry = entry or self.before.entries.get(path)
        if entry is not None and _files.size_of(self.root / path) is not None:
            self._entries[path] = entry

    def link(self, path: str, other_path: str) -> None:
        """Give a file a second name; a copy, where the file system has no links; none, where it refuses the name."""
        source, target = self.root / path, self.root / other_path
        if os.path.lexists(target) and not os.path.samestat(os.lstat(source), os.lstat(target)):
            target.unlink()
        if not os.path.lexists(target):
            try:
                _files.link(self.root, path, other_path)
            except OSError as error:
                if error.errno not in _REFUSED_NAME:
                    raise
                return
        self._entries[other_path] = self._entries[path]

    def has_events_of(self, anchor: str, *, trashed: bool) -> bool:
        """Return whether the files with events are there, as they were written for an anchor, and can be kept."""
        if EVENTS in self._parts or self.before.anchor != anchor or self.before.trashed is not trashed:
            return False
        entries = {path: entry for path, entry in self.before.entries.items() if _part_of(path) == EVENTS}
        return all(_files.size_of(self.root / path) == entry.size for path, entry in entries.items())

    def remove_temporary(self) -> None:
        """Remove the unfinished files of a run that was killed."""
        for path in list(_files.paths(self.root, without=[STATE])):
            name = path.rpartition("/")[2]
            if name.startswith(".") and name.endswith(".part"):
                os.unlink(self.root / path)

    def finish(self, describe: Callable[[dict[str, Entry]], Manifest]) -> None:
        """Remove what is no longer in the account, keep what was not copied this time, and write the manifest.

        Args:
            describe: Returns the manifest of these files.
        """
        for path in list(_files.paths(self.root, without=[STATE, MANIFEST])):
            if path not in self._entries:
                if _part_of(path) in self._parts:
                    os.unlink(self.root / path)
                else:
                    self.keep(path)
        text = describe(self._entries).dumps(time.time())
        _files.write(self.root, MANIFEST, lambda file: file.write(text.encode()))


def _part_of(path: str) -> str:
    """Return the part of a backup that a file belongs to."""
    directory, _, name = path.rpartition("/")
    if directory in (ATTACHMENTS, SERIES):
        return directory
    if is_events_file(name) and not directory:
        return EVENTS
    return DOCUMENTS if name.endswith(".json") and directory in DOCUMENT_DIRECTORIES else path
