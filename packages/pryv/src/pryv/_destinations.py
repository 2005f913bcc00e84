"""Where downloads go: to files that appear once they are whole, or at once to what is no file."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

Destination = str | os.PathLike[str] | BinaryIO

_OF_OPEN_FILE = re.compile(r"/dev/(stdout|stderr|fd/\d+)|/proc/(self|thread-self|\d+)/(task/\d+/)?fd/\d+")
"""Paths of what a process has open, which may be files that a shell redirects to."""
_SLOTS = 8
"""Names of temporary files that are looked at for those of downloads that were killed."""
_NAME = 50
"""Characters of a name that its temporary file has too: names are limited to 255 bytes."""


@contextlib.contextmanager
def opened(destination: Destination) -> Iterator[BinaryIO]:
    """Open a destination: a path, whose file appears or is replaced if the block comes to its end, or a binary file.

    Raises:
        TypeError: it is neither.
        OSError: it cannot be written to.
    """
    if isinstance(destination, (str, os.PathLike)):
        path = os.fsdecode(destination)
        with open(path, "ab") if _is_written_at_once(path) else _replacement(path) as file:
            yield file
    elif hasattr(destination, "write"):
        destination.write(b"")
        yield destination
    else:
        raise TypeError(f"a destination is a path or a binary file object, not {type(destination).__name__}")


def _is_written_at_once(path: str) -> bool:
    """Tell whether a path is that of a pipe, a device, or a file that is open already."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    is_file = stat.S_ISREG(mode) and not _OF_OPEN_FILE.fullmatch(os.path.abspath(path))
    return not is_file and not stat.S_ISDIR(mode)


@contextlib.contextmanager
def _replacement(path: str) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of `path` if the block comes to its end, and vanishes otherwise.

    Who may read the file that was there may read the new one.
    """
    target = os.path.realpath(path)
    if os.path.isdir(target) or not os.path.basename(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    try:
        temporary, created = _created(target)
    except OSError as error:
        error.filename = path  # the other is not known outside
        raise
    with created as file:
        try:
            with contextlib.suppress(FileNotFoundError):
                shutil.copymode(target, temporary)
            yield file
            file.flush()
            os.replace(temporary, target)  # while it is locked, or another download might take it for one left behind
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise


def _created(target: str) -> tuple[str, BinaryIO]:
    """Create a temporary file beside `target`, locked for as long as it is open, and remove those left behind.

    Its name is one of few, so that the next download finds it.
    """
    directory, name = os.path.split(target)
    slots = [os.path.join(directory, f".{name[:_NAME]}.{slot}.part") for slot in range(_SLOTS)]
    for slot in slots:
        _remove_left_behind(slot)
    others = (os.path.join(directory, f".{secrets.token_hex(8)}.part") for _ in itertools.repeat(None))
    for temporary in itertools.chain(slots, others):
        with contextlib.suppress(FileExistsError):
            file = open(temporary, "xb")  # noqa: SIM115  (the caller closes it)
            _lock(file.fileno(), wait=True)
            if _is_at(file.fileno(), temporary):
                return temporary, file
            file.close()  # another download took it for one left behind
    raise AssertionError("names do not end")


def _remove_left_behind(path: str) -> None:
    """Remove a temporary file that no running download has locked."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            if _lock(handle, wait=False) and _is_at(handle, path):
                os.unlink(path)
        finally:
            os.close(handle)


def _lock(handle: int, *, wait: bool) -> bool:
    """Lock a file until it is closed, and tell whether that could be done."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is locked, or the file system has no locks
        return False
    return True


def _is_at(handle: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False
