"""Replace files atomically: a reader sees the old content or the new one."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

_SLOTS = 8
"""The number of names for temporary files. The next replacement checks them for files left by killed processes."""
_NAME = 50
"""The number of characters of a file's name that are in its temporary name: names are limited to 255 bytes."""

_WITHOUT_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""The errors of `fsync` on a directory where the file system has no such operation, as SMB and some of FUSE."""


@contextlib.contextmanager
def replacing(path: str, *, private: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` if the `with` block succeeds, and is removed otherwise.

    The new file gets the permissions of the old one, and a symbolic link is followed. A private file can be read by
    its owner only, replaces a symbolic link itself, and is flushed to the disk when this returns. See `put_in_place`.

    Raises:
        OSError: it cannot be written; the old file is unchanged.
    """
    target = os.path.abspath(path) if private else os.path.realpath(path)
    if os.path.isdir(target) or not os.path.basename(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    try:
        temporary, created = _created(target, 0o600 if private else 0o666)
    except OSError as error:
        error.filename = path  # the caller does not know the temporary name
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
            put_in_place(temporary, target)  # still locked, or another process would remove it
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    if private:
        sync_directory(os.path.dirname(target))


def put_in_place(temporary: str, target: str) -> None:
    """Give a file the name of another, which it replaces.

    A file that is mounted itself, as one file of a container may be, cannot be replaced
    (https://man7.org/linux/man-pages/man2/rename.2.html): its content is overwritten. This is not atomic.

    Args:
        temporary: The path of the file.
        target: The other path, in the same directory.

    Raises:
        OSError: it cannot be replaced.
    """
    try:
        os.replace(temporary, target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        _overwrite(temporary, target)
        os.unlink(temporary)


def _overwrite(source: str, target: str) -> None:
    """Overwrite a file, without making it shorter before: there is room for what replaces its content."""
    handle = os.open(target, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
    with open(handle, "wb") as file, open(source, "rb") as content:
        os.fchmod(handle, stat.S_IMODE(os.fstat(content.fileno()).st_mode))
        shutil.copyfileobj(content, file)
        file.truncate()
        file.flush()
        os.fsync(handle)


def sync_directory(directory: str) -> None:
    """Flush the names of the files in a directory to the disk, if its file system can.

    Windows cannot, and neither can a few network file systems.

    Raises:
        OSError: the disk failed.
    """
    if sys.platform == "win32":
        return
    with contextlib.suppress(PermissionError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in _WITHOUT_SYNC:
                raise
        finally:
            os.close(handle)


@contextlib.contextmanager
def locked(directory: str) -> Iterator[None]:
    """Lock a directory against other processes that change it, if the system has such locks."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        _lock(handle, wait=True)
        yield
    finally:
        os.close(handle)


def _created(target: str, mode: int) -> tuple[str, BinaryIO]:
    """Create a temporary file in the directory of `target`, locked while it is open, and remove abandoned ones.

    There are few names, so that the next replacement finds an abandoned file.
    """
    directory, name = os.path.split(target)
    slots = [os.path.join(directory, f".{name[:_NAME]}.{slot}.part") for slot in range(_SLOTS)]
    for slot in slots:
        _remove_abandoned(slot)
    others = (os.path.join(directory, f".{secrets.token_hex(8)}.part") for _ in itertools.repeat(None))
    for temporary in itertools.chain(slots, others):
        with contextlib.suppress(FileExistsError):
            file = open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115  (the caller closes it)
            _lock(file.fileno(), wait=True)
            if _is_at(file.fileno(), temporary):
                return temporary, file
            file.close()  # another process removed it before it was locked
    raise AssertionError("the names are endless")


def _remove_abandoned(path: str) -> None:
    """Remove a temporary file, unless a process has locked it."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            if _lock(handle, wait=False) and _is_at(handle, path):
                os.unlink(path)
        finally:
            os.close(handle)


def _lock(handle: int, *, wait: bool) -> bool:
    """Lock a file until it is closed, and return whether it was locked."""
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
