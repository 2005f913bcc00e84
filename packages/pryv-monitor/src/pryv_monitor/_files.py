"""Files that one process at a time changes, and that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from .errors import AnchorLockedError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep others off a file, by a lock on a file beside it that ends with the process.

    Raises:
        AnchorLockedError: another has it.
        OSError: the lock's file cannot be made; there is no such directory, and none is made.
    """
    os.stat(path.parent)
    lock = filelock.FileLock(f"{path}.lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        held = True
    else:
        held = False
    if held:
        raise AnchorLockedError(f"{path}: another monitor is using it")
    try:
        yield
    finally:
        lock.release()


def replace(path: Path, text: str) -> None:
    """Give a file a new content that is on the disk when this returns; it is never seen in part.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    temporary = path.with_name(f"{path.name}.new")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":  # a directory cannot be opened there, and needs no flush
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
