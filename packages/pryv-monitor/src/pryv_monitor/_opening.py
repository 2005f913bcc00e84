"""Opens the file of a mirror, for its writer and for readers."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from pryv_monitor import _files
from pryv_monitor._schema import belongs_to_another, migrate, version
from pryv_monitor.errors import AnchorError, AnchorLockedError

_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
"""The files that SQLite keeps beside a database: https://sqlite.org/tempfiles.html"""
_BUSY_TIMEOUT: Final = 30
_PAGE_SIZE: Final = 16 * 1024
_CACHE_KIB: Final = 16 * 1024
_PAGES_PER_CHECKPOINT: Final = 2000
_PAGES_PER_STEP: Final = 1000
"""Pages copied between two moments at which a signal handler may run."""


class Reading:
    """A mirror that is open for reading.

    If no file can be made beside it, SQLite cannot lock it (https://sqlite.org/wal.html#read_only_databases). It is
    then read without locks, and `check` finds out whether it was changed meanwhile.
    """

    def __init__(self, db: sqlite3.Connection, unlocked: Path | None = None, state: object = None) -> None:
        self.db = db
        self._unlocked = unlocked
        self._state = state

    def check(self) -> None:
        """Check that the file was not changed meanwhile.

        Raises:
            AnchorLockedError: it was changed.
        """
        if self._unlocked is not None and _state(self._unlocked) != self._state:
            raise AnchorLockedError(f"{self._unlocked}: a monitor changed it while it was read; read it again")


def identity(path: Path) -> object:
    """Return what distinguishes a file from another one that replaces it; `None` if there is no file.

    Raises:
        OSError: the file's status cannot be read.
    """
    found = _found(path)
    return found and (found.st_dev, found.st_ino)


def for_writing(path: Path) -> sqlite3.Connection:
    """Open a mirror for writing; the caller has locked it. If there is no file, it is made, for its owner only.

    Raises:
        AnchorError: it is not a mirror, or of another version of this package.
        OSError: it cannot be made.
        sqlite3.Error: it cannot be opened, or is damaged.
    """
    target = _files.real(path)
    if not _files.exists(path):
        remove_side_files(target)  # of a removed mirror, or links that somebody has put there
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    db = _connect(target, "mode=rw")
    try:
        version(db)
        db.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        db.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_PER_CHECKPOINT}")
        migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def for_reading(path: Path) -> Reading:
    """Open a mirror for reading; an empty one, if there is no file. The permission to read it is enough.

    A process that must not write it makes no file beside it either: the owner could not write that file.

    Raises:
        AnchorError: it is not a mirror, or of another version of this package, or a file beside it is missing.
        OSError: the file's status cannot be read.
        sqlite3.Error: it cannot be opened, or is damaged.
    """
    target = _files.real(path)
    if not _files.exists(path):
        return Reading(_empty())
    reading = _reading(target)
    try:
        reading.db.execute("BEGIN")  # the version and the content are read from one snapshot
        made = version(reading.db) > 0
    except BaseException:
        reading.db.close()
        raise
    if made:
        return reading
    reading.db.close()
    return Reading(_empty())


def _reading(path: Path) -> Reading:
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        db = _connect(path, "mode=rw")  # SQLite then removes the files that it makes beside it
        db.execute("PRAGMA query_only = ON")
        return Reading(db)
    state = _state(path)
    log, index = (Path(f"{path}{suffix}") for suffix in ("-wal", "-shm"))
    if not _has_content(log):
        return Reading(_connect(path, "mode=ro&immutable=1"), path, state)
    if not index.exists():
        raise AnchorError(f"what {log.name} holds cannot be read here without {index.name}, which is missing")
    return Reading(_connect(path, "mode=ro"))


def copy(db: sqlite3.Connection, path: Path, anchor: str | None) -> None:
    """Copy an open mirror into an empty file, which SQLite needs no other file to read.

    Args:
        db: The mirror.
        path: The file.
        anchor: The text of the anchor in the copy, if it has one.

    Raises:
        sqlite3.Error: it cannot be read or written.
    """
    with closing(_connect(path, "mode=rw")) as target:
        db.backup(target, pages=_PAGES_PER_STEP)
    with closing(_connect(path, "mode=rw")) as target:
        target.execute("PRAGMA journal_mode = DELETE")  # the copy is in WAL mode as the mirror is
        target.execute("UPDATE anchor SET text = ?", (anchor,))


def remove_side_files(path: Path) -> None:
    """Remove the files that SQLite keeps beside a database.

    Raises:
        OSError: one cannot be removed.
    """
    for suffix in _SIDE_FILES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a mirror, intact or damaged, with the files that SQLite keeps beside it.

    Raises:
        AnchorError: it is a database of another program.
        OSError: a file cannot be removed.
        sqlite3.OperationalError: it cannot be opened to find out what it is.
    """
    target = _files.real(path)
    if _files.exists(path):
        with closing(_reading(target).db) as db:
            _check_owner(db)
        target.unlink()
    remove_side_files(target)


def _check_owner(db: sqlite3.Connection) -> None:
    try:
        is_another = belongs_to_another(db)
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise
        is_another = False  # damaged
    if is_another:
        raise AnchorError("a database of another program, not a mirror")


def _connect(path: Path, parameters: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?{parameters}", uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
    )


def _empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    migrate(db)
    return db


def _has_content(path: Path) -> bool:
    found = _found(path)
    return found is not None and found.st_size > 0


def _state(path: Path) -> object:
    found = _found(path)
    return found and (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _found(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
