"""A local copy of a scope, in SQLite."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pryv import frames
from pryv.types import EventsParams, Untyped
from pryv_monitor import _files, _last_pass, _opening, _sql_query
from pryv_monitor._query import Query
from pryv_monitor._sqlite_errors import translated
from pryv_monitor._sqlite_transaction import ANCHOR, STREAMS, SQLiteTransaction
from pryv_monitor._streams import nested
from pryv_monitor._texts import kept_item
from pryv_monitor.anchor import Anchor
from pryv_monitor.errors import AnchorError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class SQLiteMirror:
    """A copy of a scope's events and streams in an SQLite file, which also keeps the anchor.

    A pass changes the copy and the anchor in one transaction; one that finds no change leaves the file as it is, and
    keeps its time in a small file beside it. Readers see the state after a complete pass (or, during a
    full read, after one of its windows). Any number of programs can read it, also while a monitor writes it. The guide
    *Keep a copy in sync* describes its tables.

    Args:
        path: The file. It is made at the first write, with permissions for its owner only. Its directory must exist. To
            read a mirror, the permission to read the file is enough, also on a read-only medium.

    Raises:
        TypeError: `path` is not a path.
        ValueError: `path` is not the name of a file. There is no copy in memory (`:memory:`), because readers and the
            writer could not share it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _files.named(path)
        if os.fspath(path).startswith(("file:", ":memory:")):
            raise ValueError(f"a mirror needs the path of a file, not {os.fspath(path)!r}")
        self._writer: sqlite3.Connection | None = None
        self._thread = 0
        self._identity: object = None

    def __repr__(self) -> str:
        return f"SQLiteMirror({str(self.path)!r})"

    def events(self, params: EventsParams | Untyped | None = None) -> Iterator[dict[str, Any]]:
        """Yield the events that `events.get` would return for these parameters, then deletions if they were requested.

        Without time bounds, it yields events of any time; without `limit`, all events.

        Args:
            params: Parameters of `events.get`. `includeDeletions`, with `modifiedSince`, yields deletions of events
                that were in the copy.

        Raises:
            ValueError: a parameter is unknown or malformed.
            AnchorError: the file cannot be read, or is not a mirror.
        """
        query = Query.of(params)
        return self._events(query)

    def _events(self, query: Query) -> Iterator[dict[str, Any]]:
        with self._reader() as reading:
            for event in _sql_query.run(query, reading.db, _tree(reading.db)):
                reading.check()
                yield event

    def to_pandas(self, params: EventsParams | Untyped | None = None) -> pd.DataFrame:
        """Return events as a DataFrame, with the default columns of `pryv.frames`; see `events`.

        Args:
            params: Parameters of `events.get`.

        Raises:
            MissingAddonError: pandas is not installed (`pryv[pandas]`).
            TypeError: a parameter has another type.
            ValueError: a parameter is not known, or malformed.
            AnchorError: the file cannot be read.
        """
        return frames.to_pandas(self.events(params))

    def to_arrow(self, params: EventsParams | Untyped | None = None) -> pa.Table:
        """Return events as a table of Arrow, with the default columns of `pryv.frames`; see `events`.

        Args:
            params: Parameters of `events.get`.

        Raises:
            MissingAddonError: pyarrow is not installed (`pryv[arrow]`).
            TypeError: a parameter has another type.
            ValueError: a parameter is not known, or malformed.
            AnchorError: the file cannot be read.
        """
        return frames.to_arrow(self.events(params))

    def streams(self) -> list[dict[str, Any]]:
        """Return the tree of streams, including those in the trash.

        Raises:
            AnchorError: the file cannot be read, or is not a mirror.
        """
        with self._reader() as reading:
            return _tree(reading.db)

    def counts(self) -> dict[str, int]:
        """Return the numbers of `events`, `deletions` and `streams` in the copy.

        Raises:
            AnchorError: the file cannot be read, or is not a mirror.
        """
        with self._reader() as reading:
            return {name: _count(reading.db, name) for name in ("events", "deletions", "streams")}

    def backup(self, destination: str | os.PathLike[str]) -> None:
        """Copy the mirror into one file, also while a monitor writes it.

        The copy is a mirror in the state after the last complete pass. It consists of one file, without the other files
        of an SQLite database, and only its owner can read it.

        Args:
            destination: The file. If it exists, it is replaced atomically, together with SQLite's other files.

        Raises:
            ValueError: it is the mirror itself.
            FileNotFoundError: there is no mirror.
            AnchorError: the mirror cannot be read, or the copy cannot be written.
            OSError: the copy cannot be written.
        """
        target = _files.named(destination)
        if not _files.exists(self.path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path))
        _files.require_another(target, self.path)
        last_pass = _last_pass.read(self.path)
        with self._reader() as reading, _files.replacing(target, private=True) as file:
            temporary = Path(file.name)
            _opening.remove_side_files(temporary)  # of a process that was killed
            anchor = _anchor(reading.db, last_pass)
            try:
                _opening.copy(reading.db, temporary, None if anchor is None else anchor.dumps())
            except sqlite3.Error as error:
                raise AnchorError(f"cannot be copied to {target}: {error}") from None
            reading.check()
            _opening.remove_side_files(_files.real(target))  # SQLite would apply them to the new file

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the mirror while in the context.

        Raises:
            AnchorLockedError: another monitor has locked it.
            AnchorError: the file cannot be opened, or is not a mirror.
            OSError: the directory cannot be written to, or its file system has no locks.
        """
        with _files.locked(self.path):
            with translated(self.path):
                self._writer, self._thread = _opening.for_writing(self.path), threading.get_ident()
            self._identity = _opening.identity(self.path)
            try:
                yield
            finally:
                self._writer.close()
                self._writer = None

    def load(self) -> Anchor | None:
        """Return the anchor committed last, `None` if there is none.

        Raises:
            AnchorCorruptError: the file is damaged.
            AnchorError: it cannot be read, or is not a mirror.
        """
        last_pass = _last_pass.read(self.path)  # read first, as a commit meanwhile makes it invalid
        if self._writer is not None and self._thread == threading.get_ident():  # another's may be closed meanwhile
            with translated(self.path):
                return _anchor(self._writer, last_pass)
        with self._reader() as reading:
            return _anchor(reading.db, last_pass)

    def begin(self, anchor: Anchor, now: float) -> SQLiteTransaction:
        """Begin a transaction that starts from `anchor`; see `Mirror`.

        Raises:
            RuntimeError: the mirror is not locked.
            AnchorError: it cannot be read.
        """
        if self._writer is None:
            raise RuntimeError("lock the mirror before writing to it")
        return SQLiteTransaction(self._writer, self.path, self._identity, anchor, now)

    def reset(self) -> None:
        """Empty the copy.

        Raises:
            AnchorLockedError: another monitor has locked it.
            AnchorError: the file belongs to another program.
            OSError: it cannot be removed.
        """
        with _files.locked(self.path), translated(self.path):
            _opening.remove(self.path)
            _last_pass.remove(self.path)

    @contextmanager
    def _reader(self) -> Iterator[_opening.Reading]:
        """Open the copy for reading; an empty one, if there is no file."""
        with translated(self.path):
            try:
                reading = _opening.for_reading(self.path)
            except OSError as error:
                raise AnchorError(f"{self.path}: {error.strerror}") from None
            try:
                yield reading
            except sqlite3.Error:
                reading.check()
                raise
            else:
                reading.check()
            finally:
                reading.db.close()


def _anchor(db: sqlite3.Connection, last_pass: Mapping[str, Any]) -> Anchor | None:
    row = db.execute(ANCHOR).fetchone()
    return None if row is None else _last_pass.applied(last_pass, row[0])


def _tree(db: sqlite3.Connection) -> list[dict[str, Any]]:
    return nested(kept_item(text) for (text,) in db.execute(STREAMS))


def _count(db: sqlite3.Connection, name: str) -> int:
    count: int = db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
    return count
