"""Files that are replaced as a whole: whoever reads one sees the former content or the new one."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

_SLOTS = 8
"""Names of temporary files that are looked at for those of processes that were killed."""
_NAME = 50
"""Characters of a name that its temporary file has too: names are limited to 255 bytes."""


@contextlib.contextmanager
def replacing(path: str, *, private: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of `path` if the block comes to its end, and vanishes otherwise.

    Who may read the file that was there may read the new one, and a symbolic link is followed. A private file can be
    read by its owner alone, takes the place of a link, and is on the disk when this returns.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    target = os.path.abspath(path) if private else os.path.realpath(path)
    if os.path.isdir(target) or not os.path.basename(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    try:
        temporary, created = _created(target, 0o600 if private else 0o666)
    except OSError as error:
        error.filename = path  # the other is not known outside
        raise
    with created as file:
        try:
            if not private:
                with contextlib.suppress(FileNotFoundError):
                    shutil.copymode(target, temporary)
            yield file
            file.flush()
            if private:
                os.fsync(file.fileno())
            os.replace(temporary, target)  # while it is locked, or another process might take it for one left behind
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    if private:
        _sync_directory(os.path.dirname(target))


def _created(target: str, mode: int) -> tuple[str, BinaryIO]:
    """Create a temporary file beside `target`, locked for as long as it is open, and remove those left behind.

    Its name is one of few, so that whoever replaces the file next finds it.
    """
    directory, name = os.path.split(target)
    slots = [os.path.join(directory, f".{name[:_NAME]}.{slot}.part") for slot in range(_SLOTS)]
    for slot in slots:
        _remove_left_behind(slot)
    others = (os.path.join(directory, f".{secrets.token_hex(8)}.part") for _ in itertools.repeat(None))
    for temporary in itertools.chain(slots, others):
        with contextlib.suppress(FileExistsError):
            file = open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115  (the caller closes it)
            _lock(file.fileno(), wait=True)
            if _is_at(file.fileno(), temporary):
                return temporary, file
            file.close()  # another process took it for one left behind
    raise AssertionError("names do not end")


def _remove_left_behind(path: str) -> None:
    """Remove a temporary file that no process has locked."""
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


def _sync_directory(directory: str) -> None:
    if sys.platform == "win32":  # a directory cannot be opened there, and needs no flush
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
