"""Files that are locked by one process at a time, and replaced atomically."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import filelock

from pryv.addons import replace_file, sync_directory
from pryv_monitor.errors import AnchorError, AnchorLockedError

_WITHOUT_LINKS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def named(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a file: the program may change its working directory later.

    Raises:
        TypeError: it is not a path.
        ValueError: no file can have that name.
    """
    file = Path(path)
    if not os.fspath(path) or "\0" in str(file):
        raise ValueError(f"not the name of a file: {os.fspath(path)!r}")
    return file.absolute()


def real(path: Path) -> Path:
    """Return the target of a symbolic link, so that the file is replaced and not the link."""
    return Path(os.path.realpath(path))


def exists(path: Path) -> bool:
    """Return whether there is a file.

    Raises:
        AnchorError: it is not a regular file, but a directory or a pipe, for example.
        OSError: its status cannot be read.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    _refuse_if_special(mode, path)
    return True


def require_another(path: Path, mirror: Path) -> None:
    """Check that a file to be written is not the mirror that it is made from.

    Raises:
        ValueError: it is.
        AnchorError: it is not a regular file, but a directory or a pipe, for example.
        OSError: its status cannot be read.
    """
    if exists(path) and os.path.samefile(path, mirror):
        raise ValueError(f"{path} is the mirror itself: name another file")


def read(path: Path, size: int = -1) -> bytes | None:
    """Return the content of a file, or the first `size` bytes of it; `None` if there is no file.

    Raises:
        AnchorError: it is not a regular file, but a directory or a pipe, for example.
        OSError: it cannot be read.
    """
    if not exists(path):
        return None
    with open(path, "rb", opener=_open_at_once) as file:
        _refuse_if_special(os.fstat(file.fileno()).st_mode, path)
        return file.read(size)


def replace(path: Path, text: str) -> None:
    """Replace the content of a file atomically, and keep its permissions. When this returns, it is on the disk.

    The caller has locked the file.

    Raises:
        OSError: it cannot be written; the previous content remains.
    """
    with replacing(path) as file:
        file.write(text.encode())


def overwrite(path: Path, content: bytes, like: Path) -> None:
    """Write content into a file, in place.

    It may be lost, or be half written, as this does not wait for the disk.

    Replacing a file instead takes milliseconds on ext4, which waits for the data
    (https://docs.kernel.org/admin-guide/ext4.html, `auto_da_alloc`).

    Args:
        path: The file; it is made if there is none.
        content: What to write.
        like: Another file, whose owner and permissions it gets.

    Raises:
        OSError: it cannot be written.
    """
    wanted = os.stat(like)
    file = os.open(path, os.O_CREAT | os.O_WRONLY | _WITHOUT_LINKS, 0o600)
    try:
        found = os.fstat(file)
        if os.name != "nt" and (found.st_mode, found.st_gid) != (wanted.st_mode, wanted.st_gid):
            os.fchmod(file, stat.S_IMODE(wanted.st_mode))
            with suppress(OSError):  # only root may give it to anybody
                os.fchown(file, wanted.st_uid, wanted.st_gid)
        if os.write(file, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.ftruncate(file, len(content))
    finally:
        os.close(file)


@contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file, which replaces another atomically at the end. When this returns, it is on the disk.

    Args:
        path: The file to replace.
        private: Whether only its owner can read the new file; otherwise it has the permissions of the old one.

    Raises:
        OSError: it cannot be written; the previous file remains.
    """
    target = os.fspath(real(path))
    try:
        with replace_file(target, private=private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # the temporary file is of no interest to the caller
        raise
    sync_directory(os.path.dirname(target))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock a file, by a lock on a second file beside it. The lock ends with the process.

    Raises:
        AnchorLockedError: another monitor has locked it.
        AnchorError: it is not a regular file, but a directory or a pipe, for example.
        OSError: the second file cannot be made or locked, or the directory does not exist.
    """
    exists(path)
    target = real(path)
    os.stat(target.parent)
    # filelock's soft lock, for file systems without locks, may let two processes in, or none after a kill: measured
    # with filelock 3.24 to 4.2.
    lock = filelock.FileLock(f"{target}.lock", timeout=0, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise AnchorLockedError(f"{path}: another monitor is using it") from None
    except OSError as error:
        if error.filename is None:
            error.filename, error.strerror = lock.lock_file, f"cannot be locked on this file system: {error.strerror}"
        raise
    try:
        yield
    finally:
        lock.release()


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for the other end, in case it is a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_if_special(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise AnchorError(f"{path}: {_KINDS.get(stat.S_IFMT(mode), 'a special file')}, where a file is needed")


_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
