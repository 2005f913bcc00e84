"""Files that one process at a time changes, and that are whole or not there."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from pryv_monitor.errors import AnchorError, AnchorLockedError


def named(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of what may be a file's name: where a program goes later does not matter.

    Raises:
        TypeError: it is no path.
        ValueError: no file can have that name.
    """
    file = Path(path)
    if not os.fspath(path) or "\0" in str(file):
        raise ValueError(f"not the name of a file: {os.fspath(path)!r}")
    return file.absolute()


def real(path: Path) -> Path:
    """Return what a symbolic link leads to, so that the file is replaced and not the link."""
    return Path(os.path.realpath(path))


def exists(path: Path) -> bool:
    """Tell whether there is a file.

    Raises:
        AnchorError: there is something else of that name, such as a directory or a pipe.
        OSError: it cannot be told.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    _refuse_if_special(mode, path)
    return True


def read(path: Path, size: int = -1) -> bytes | None:
    """Return the content of a file, or so many bytes of it; `None` if there is no file.

    Raises:
        AnchorError: there is something else of that name, such as a directory or a pipe.
        OSError: it cannot be read.
    """
    if not exists(path):
        return None
    with open(path, "rb", opener=_open_at_once) as file:
        _refuse_if_special(os.fstat(file.fileno()).st_mode, path)
        return file.read(size)


def replace(path: Path, text: str) -> None:
    """Give a file a new content that is on the disk when this returns; it is never seen in part.

    Whoever may read the former one may read the new one. The caller has the lock.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    target = real(path)
    temporary = target.with_name(f"{target.name}.pryv-new")
    try:
        temporary.unlink(missing_ok=True)  # of a process that was killed
        with open(temporary, "x", encoding="utf-8") as file:
            with suppress(FileNotFoundError):
                shutil.copymode(target, temporary)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None  # the other is not known outside
        raise
    _sync_directory(target.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep others off a file, by a lock on a file beside it that ends with the process.

    Raises:
        AnchorLockedError: another has it.
        AnchorError: there is something else of that name, such as a directory or a pipe.
        OSError: the lock's file cannot be made or locked; there is no such directory, and none is made.
    """
    exists(path)
    target = real(path)
    os.stat(target.parent)
    # A soft lock, in place of what the file system lacks, may let a second process in, or none after a kill:
    # measured with filelock 3.24 to 4.2.
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
    """Open a file without waiting for the other end, if it is a pipe after all."""
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


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":  # a directory cannot be opened there, and needs no flush
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
