"""Files of a backup: written whole, read only where they are regular files in the folder."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

import attrs

from pryv.addons import replace_file
from pryv_backup._errors import BackupError

_BLOCK: Final = 1 << 20
PRIVATE_FILE: Final = 0o600
PRIVATE_DIRECTORY: Final = 0o700


@attrs.frozen
class Entry:
    """The size and the SHA-256 digest, in hexadecimal, of a file."""

    size: int
    digest: str

    @property
    def integrity(self) -> str:
        """The digest as the platform has it, in `integrity` of an attachment."""
        return f"sha256-{base64.b64encode(bytes.fromhex(self.digest)).decode()}"


class HashingWriter:
    """Writes to a file, and computes its entry."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        """Write bytes, and return their number."""
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    @property
    def entry(self) -> Entry:
        """The entry of what was written."""
        return Entry(self._size, self._hash.hexdigest())


class _UnchangedError(Exception):
    """The file would get the content that it has.

    Attributes:
        entry: Its entry.
    """

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.entry = entry


def make_directory(path: Path) -> None:
    """Make a directory that only its owner can use, or make it private.

    Raises:
        BackupError: it is a symbolic link, or no directory.
        OSError: it cannot be made.
    """
    try:
        os.mkdir(path, PRIVATE_DIRECTORY)
    except FileExistsError:
        mode = os.lstat(path).st_mode
        if not stat.S_ISDIR(mode):
            raise BackupError(f"{path}: not a directory, or a symbolic link to one") from None
        if stat.S_IMODE(mode) != PRIVATE_DIRECTORY:
            os.chmod(path, PRIVATE_DIRECTORY)


def make_parents(path: Path) -> None:
    """Make the directories above a path that are missing, each for its owner only."""
    for parent in reversed(path.parents):
        if not parent.exists():
            make_directory(parent)


def write(root: Path, path: str, fill: Callable[[HashingWriter], object]) -> tuple[Entry, bool]:
    """Write a private file as a whole: a reader finds the old content or the new one.

    Args:
        root: The folder.
        path: The path of the file in it, with `/`.
        fill: Writes the content.

    Returns:
        The entry of the file, and whether its content is new: a file is not replaced by equal content.

    Raises:
        OSError: it cannot be written; the present file remains.
    """
    try:
        with replace_file(os.fspath(root / path), private=True) as file:
            writer = HashingWriter(file)
            fill(writer)
            if size_of(root / path) == writer.entry.size and entry_of(root, path) == writer.entry:
                raise _UnchangedError(writer.entry)
    except _UnchangedError as unchanged:
        return unchanged.entry, False
    return writer.entry, True


def size_of(path: Path) -> int | None:
    """Return the size of a regular file; `None` if there is none."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def open_regular(root: Path, path: str) -> BinaryIO:
    """Open a regular file in the folder for reading, without following a symbolic link below it.

    Args:
        root: The folder.
        path: The path in it, with `/`.

    Raises:
        BackupError: it would leave the folder, or is not a regular file.
        FileNotFoundError: there is no file.
        OSError: it cannot be read.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise BackupError(f"{path!r} is not a path in the folder")
    for depth in range(1, len(parts)):
        if not stat.S_ISDIR(os.lstat(root.joinpath(*parts[:depth])).st_mode):
            raise BackupError(f"{root.joinpath(*parts[:depth])}: not a directory, or a symbolic link to one")
    file = root.joinpath(*parts)
    if not stat.S_ISREG(os.lstat(file).st_mode):
        raise BackupError(f"{file}: not a regular file")
    return open(file, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NOFOLLOW", 0)))


def copy(source: BinaryIO, target: HashingWriter) -> None:
    """Copy a file."""
    while block := source.read(_BLOCK):
        target.write(block)


def link(root: Path, path: str, other_path: str) -> None:
    """Give a regular file a second name; a copy, where the file system has no links.

    Raises:
        OSError: it cannot be made.
    """
    try:
        os.link(root / path, root / other_path)
    except OSError:
        with open_regular(root, path) as file:
            write(root, other_path, lambda target: copy(file, target))


def entry_of(root: Path, path: str) -> Entry:
    """Return the entry of a regular file in the folder.

    Raises:
        BackupError: it would leave the folder, or is not a regular file.
        OSError: it cannot be read.
    """
    with open_regular(root, path) as file:
        return entry_of_stream(file)


def entry_of_stream(file: BinaryIO) -> Entry:
    """Return the entry of an open file, read from its position to its end."""
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return Entry(size, digest.hexdigest())


def paths(root: Path, without: Iterable[str] = ()) -> Iterator[str]:
    """Yield the paths of all in the folder that is not a directory, with `/`; links are not followed.

    Args:
        root: The folder.
        without: Names at its top that are left out.
    """
    left = [""]
    while left:
        below = left.pop()
        with os.scandir(root / below) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if path in without:
                continue
            if entry.is_dir(follow_symlinks=False):
                left.append(path)
            else:
                yield path
