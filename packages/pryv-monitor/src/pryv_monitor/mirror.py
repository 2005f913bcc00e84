"""A local copy of a scope, in SQLite."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs

from pryv_monitor import _files, _opening
from pryv_monitor._json import Item, encode, essence
from pryv_monitor._query import Query
from pryv_monitor._streams import flattened, nested
from pryv_monitor._texts import seconds, shown, shown_id, shown_ids, stored
from pryv_monitor.anchor import Anchor
from pryv_monitor.changes import Kind
from pryv_monitor.errors import AnchorCorruptError, AnchorError, AnchorLockedError

_INSERT: Final = "INSERT OR IGNORE INTO event_texts (id, time, json, exact, round) VALUES {rows}"
"""One statement for many rows costs half of one for each; without `OR IGNORE` it would keep a journal of its own."""
_KNOWN_IN: Final = ("event_texts", "delivered")
"""The tables that have the events of which whoever listens knows."""
_KNOWN: Final = """
    SELECT id, coalesce(exact, json) FROM event_texts WHERE number <= ? AND id IN (SELECT value FROM json_each(?))
"""
_HELD: Final = """
    SELECT 1 FROM event_texts AS event, json_each(event.json, '$.streamIds') AS held
    WHERE held.value IN (SELECT value FROM json_each(?)) LIMIT 1
"""
_NEW: Final = "SELECT id, exact FROM event_texts WHERE number > ?"
_LEFT: Final = """
    SELECT id, exact FROM event_texts WHERE round < ?
    UNION ALL SELECT id, exact FROM delivered WHERE id NOT IN (SELECT id FROM event_texts)
"""
_TOLD: Final = "SELECT 1 FROM deletion_texts WHERE id = ?"
_STREAMS: Final = "SELECT coalesce(exact, json) FROM stream_texts ORDER BY position"
_DAMAGE: Final = (sqlite3.DatabaseError, sqlite3.IntegrityError, UnicodeDecodeError)
_SAYS_DAMAGE: Final = re.compile("malformed JSON|Could not decode|no such ")
"""How the messages of other errors begin that tell of damage."""
_BATCH: Final = 100
"""Events dropped at once."""


class SQLiteMirror:
    """A copy of a scope's events and streams in an SQLite file, which also keeps the anchor.

    A pass changes the copy and the anchor in one transaction: whoever looks sees the account as one whole pass left it
    (or, during a first reading, one of its windows). It can be read while a monitor writes it, by any number of
    programs. The guide *Keep a copy in sync* has its tables.

    Args:
        path: The file, made when first written to, for its owner alone to read; its directory exists. Who has the
            right to read it can read the copy, on a read-only medium too.

    Raises:
        TypeError: `path` is no path.
        ValueError: `path` is not the name of a file; a copy in memory (`:memory:`) could not be read beside its writer.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _files.named(path)
        if os.fspath(path).startswith(("file:", ":memory:")):
            raise ValueError(f"a mirror is a file, and needs its path, not {os.fspath(path)!r}")
        self._writer: sqlite3.Connection | None = None
        self._anchor = Anchor("", 0)
        self._vanished: set[str] = set()

    def __repr__(self) -> str:
        return f"SQLiteMirror({str(self.path)!r})"

    def events(self, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the events that `events.get` would return for these parameters, then deletions if asked for.

        A missing time bound is open, and a missing `limit` is none.

        Args:
            params: As `events.get` takes them. `includeDeletions`, with `modifiedSince`, means the events that were in
                the copy.

        Raises:
            ValueError: a parameter is unknown or malformed.
            AnchorError: the file cannot be read, or is no mirror.
        """
        query = Query.of(params)
        return self._events(query)

    def _events(self, query: Query) -> Iterator[dict[str, Any]]:
        with self._reader() as reading:
            for event in query.run(reading.db, _tree(reading.db)):
                reading.check()
                yield event

    def streams(self) -> list[dict[str, Any]]:
        """Return the tree of streams, those in the trash included.

        Raises:
            AnchorError: the file cannot be read, or is no mirror.
        """
        with self._reader() as reading:
            return _tree(reading.db)

    def counts(self) -> dict[str, int]:
        """Return how many `events`, `deletions` and `streams` the copy holds.

        Raises:
            AnchorError: the file cannot be read, or is no mirror.
        """
        with self._reader() as reading:
            return {name: _count(reading.db, name) for name in ("events", "deletions", "streams")}

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from synchronizing the copy.

        Raises:
            AnchorLockedError: another is doing it.
            AnchorError: the file cannot be opened, or is no mirror.
            OSError: the directory cannot be written to, or its file system has no locks.
        """
        with _files.locked(self.path):
            with self._translated():
                self._writer = _opening.for_writing(self.path)
            self._identity = _opening.identity(self.path)
            try:
                yield
            finally:
                self._writer.close()
                self._writer, self._anchor = None, Anchor("", 0)

    def load(self) -> Anchor | None:
        """Return the anchor, `None` if there is none yet.

        Raises:
            AnchorCorruptError: the file is damaged.
            AnchorError: it cannot be read, or is no mirror.
        """
        if self._writer is not None:
            with self._translated():
                return _anchor(self._writer)
        with self._reader() as reading:
            return _anchor(reading.db)

    def save(self, anchor: Anchor) -> None:
        """Commit what was taken in, together with the anchor.

        Raises:
            AnchorError: it cannot be written, or is no longer where it was; the copy is as it was.
        """
        with self._translated():
            if _opening.identity(self.path) != self._identity:
                raise AnchorError("removed, or replaced, while it was written to; nothing is committed")
            db = self._begun()
            db.execute("DELETE FROM delivered WHERE id IN (SELECT id FROM event_texts)")
            db.execute("INSERT OR REPLACE INTO anchor VALUES (1, ?)", (anchor.dumps(),))
            db.execute("COMMIT")
            self._committed(db, anchor)

    def reset(self) -> None:
        """Empty the copy.

        Raises:
            AnchorLockedError: another process is synchronizing it.
            AnchorError: the file is another program's.
            OSError: it cannot be removed.
        """
        with _files.locked(self.path), self._translated():
            _opening.remove(self.path)

    def begin(self, anchor: Anchor, now: float) -> None:
        """Begin a pass that starts from `anchor`, at the platform's time `now`.

        Raises:
            AnchorError: the copy cannot be read.
        """
        with self._translated():
            self._committed(self._begun(), anchor)
        self._round = anchor.round
        self._tells_all = anchor.delivering
        self._finishing = anchor.reached is not None
        self._vanished = set()

    def apply(self, kind: Kind, items: Sequence[Item]) -> list[Any]:
        """Take in items of one kind and return those that make a difference.

        Raises:
            AnchorError: they cannot be written.
        """
        apply: dict[Kind, Callable[[sqlite3.Connection, Sequence[Item]], list[Any]]] = {
            "event": self._apply_events,
            "eventDelete": self._apply_deletions,
            "streams": self._apply_streams,
        }
        with self._translated():
            new = apply[kind](self._begun(), items)
            if new and not self._anchor.delivering:
                self._undo()  # what made no difference
                self.save(attrs.evolve(self._anchor, delivering=True))
                new = apply[kind](self._begun(), items)
            return new

    def in_doubt(self) -> bool:
        """Tell whether an event is in a stream that is gone: the platform may have moved it without a trace."""
        if not self._vanished:
            return False
        with self._translated():
            return self._begun().execute(_HELD, (shown_ids(self._vanished),)).fetchone() is not None

    def left(self) -> Iterator[list[Any]]:
        """Drop the events not taken in since the whole scope began to be read; yield deletions that tell of them.

        Raises:
            AnchorError: they cannot be dropped.
        """
        with self._translated():
            left = self._begun().execute(_LEFT, (self._round,))
            while rows := left.fetchmany(_BATCH):
                yield [{"id": key if exact is None else stored(exact)["id"]} for key, exact in rows]
            self._begun().execute("DELETE FROM event_texts WHERE round < ?", (self._round,))
            self._begun().execute("DELETE FROM delivered")

    def rollback(self) -> None:
        """Undo what was taken in since the last `save`, but keep the ids of new events: whoever listens knows these."""
        if self._writer is not None and self._anchor.delivering:
            with suppress(AnchorError), self._translated():  # if they cannot be kept, the anchor stays as it is
                new = self._writer.execute(_NEW, (self._newest,)).fetchall()
                self._undo()
                self._begun().executemany("INSERT OR IGNORE INTO delivered VALUES (?, ?)", new)
                self.save(attrs.evolve(self._anchor, delivering=False))
        self._undo()

    def _undo(self) -> None:
        if self._writer is not None and self._writer.in_transaction:
            self._writer.rollback()

    def _committed(self, db: sqlite3.Connection, anchor: Anchor) -> None:
        self._anchor = anchor
        (self._newest,) = db.execute("SELECT coalesce(max(number), 0) FROM event_texts").fetchone()

    def _apply_events(self, db: sqlite3.Connection, events: Sequence[Item]) -> list[Any]:
        latest = {shown_id(item[0]["id"]): item for item in events}
        (last,) = db.execute("SELECT coalesce(max(number), 0) FROM event_texts").fetchone()
        inserted = self._insert(db, latest)
        if inserted < len(latest):
            known = dict(db.execute(_KNOWN, (last, encode(list(latest)))))
            same = {key for key, text in known.items() if _is_same(text, latest[key])}
            self._update(db, {key: latest[key] for key in known.keys() - same})
            if self._finishing:
                db.executemany("UPDATE event_texts SET round = ? WHERE id = ?", ((self._round, key) for key in same))
            latest = {key: item for key, item in latest.items() if key not in same}
        return [event for event, _ in latest.values()]

    def _insert(self, db: sqlite3.Connection, events: Mapping[str, Item]) -> int:
        """Insert the events whose ids are new, and return how many these are."""
        rows = ", ".join(["(?, ?, ?, ?, ?)"] * len(events))
        values = [
            value
            for key, item in events.items()
            for value in (key, seconds(item[0]["time"]), *shown(item), self._round)
        ]
        return db.execute(_INSERT.format(rows=rows), values).rowcount

    def _update(self, db: sqlite3.Connection, events: Mapping[str, Item]) -> None:
        rows = ((seconds(item[0]["time"]), *shown(item), self._round, key) for key, item in events.items())
        db.executemany("UPDATE event_texts SET time = ?, json = ?, exact = ?, round = ? WHERE id = ?", rows)

    def _apply_deletions(self, db: sqlite3.Connection, deletions: Sequence[Item]) -> list[Any]:
        new = []
        for item in deletions:
            deletion, key = item[0], shown_id(item[0]["id"])
            known = sum(db.execute(f"DELETE FROM {table} WHERE id = ?", (key,)).rowcount for table in _KNOWN_IN)  # noqa: S608
            if known or (self._tells_all and not db.execute(_TOLD, (key,)).fetchone()):
                row = (key, seconds(deletion["deleted"]), *shown(item))
                db.execute("INSERT OR REPLACE INTO deletion_texts VALUES (?, ?, ?, ?)", row)
                new.append(deletion)
        return new

    def _apply_streams(self, db: sqlite3.Connection, trees: Sequence[Item]) -> list[Any]:
        before = [text for (text,) in db.execute(_STREAMS)]
        after = [(stream, encode(stream)) for tree, _ in trees for stream in flattened(tree)]
        if before == [text for _, text in after] and (before or self._anchor.synced is not None):
            return []
        self._vanished = {stored(text)["id"] for text in before} - {stream["id"] for stream, _ in after}
        db.execute("DELETE FROM stream_texts")
        rows = ((position, *shown(item)) for position, item in enumerate(after))
        db.executemany("INSERT INTO stream_texts VALUES (?, ?, ?)", rows)
        return [tree for tree, _ in trees]

    def _begun(self) -> sqlite3.Connection:
        if self._writer is None:
            raise RuntimeError("lock the mirror before writing to it")
        if not self._writer.in_transaction:
            self._writer.execute("BEGIN IMMEDIATE")
        return self._writer

    @contextmanager
    def _reader(self) -> Iterator[_opening.Reading]:
        """Open the copy, an empty one if none was made yet."""
        with self._translated():
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

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the errors of SQLite into those of anchors, and name the file."""
        try:
            yield
        except AnchorError as error:
            name = f"{self.path}: "
            raise type(error)(name + str(error).removeprefix(name)) from None
        except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite's words may quote what is damaged
            raise _failure(self.path, error) from None


def _failure(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> AnchorError:
    if "locked" in str(error):
        return AnchorLockedError(f"{path}: another program is writing to it")
    if type(error) in _DAMAGE or _SAYS_DAMAGE.match(str(error)):
        return AnchorCorruptError(f"{path}: damaged, or no mirror; move it away, or reset it, to start over")
    return AnchorError(f"{path}: {error}")


def _anchor(db: sqlite3.Connection) -> Anchor | None:
    row = db.execute("SELECT text FROM anchor").fetchone()
    return None if row is None else Anchor.loads(row[0])


def _tree(db: sqlite3.Connection) -> list[dict[str, Any]]:
    return nested(stored(text) for (text,) in db.execute(_STREAMS))


def _count(db: sqlite3.Connection, name: str) -> int:
    count: int = db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
    return count


def _is_same(known: str, item: Item) -> bool:
    return known == item[1] or essence(stored(known)) == essence(item[0])
