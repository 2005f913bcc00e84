"""A local copy of a scope, in SQLite."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from . import _files
from ._json import Item, decode, encode, essence
from ._query import Query
from ._schema import connect, make, remove
from ._streams import flattened, nested
from .anchor import Anchor
from .changes import Kind
from .errors import AnchorCorruptError, AnchorError

_INSERT: Final = "INSERT OR IGNORE INTO event_texts (id, time, json, round) VALUES {rows}"
"""One statement for many rows costs half of one for each; without `OR IGNORE` it would keep a journal of its own."""
_KNOWN: Final = "SELECT id, json FROM event_texts WHERE number <= ? AND id IN (SELECT value FROM json_each(?))"


class SQLiteMirror:
    """A copy of a scope's events and streams in an SQLite file, which also keeps the anchor.

    A pass changes the copy and the anchor in one transaction: whoever looks sees the account as one whole pass left it
    (or, during a first reading, one of its windows). It can be read while a monitor writes it, by any number of
    programs. The guide *Keep a copy in sync* has its tables.

    Args:
        path: The file, made when first written to, for its owner alone to read; its directory exists.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._writer: sqlite3.Connection | None = None
        self._round = 1
        self._finishing = False
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
            AnchorError: the file cannot be read.
        """
        query = Query.of(params)
        return self._events(query)

    def _events(self, query: Query) -> Iterator[dict[str, Any]]:
        with self._reader() as db:
            db.execute("BEGIN")
            yield from query.run(db, _tree(db))

    def streams(self) -> list[dict[str, Any]]:
        """Return the tree of streams, those in the trash included.

        Raises:
            AnchorError: the file cannot be read.
        """
        with self._reader() as db:
            return _tree(db)

    def counts(self) -> dict[str, int]:
        """Return how many `events`, `deletions` and `streams` the copy holds.

        Raises:
            AnchorError: the file cannot be read.
        """
        tables = ("events", "deletions", "streams")
        with self._reader() as db:
            return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from synchronizing the copy.

        Raises:
            AnchorLockedError: another is doing it.
            AnchorError: the file cannot be opened.
            OSError: the directory cannot be written to.
        """
        with _files.locked(self.path):
            with self._translated():
                if not self.path.exists():
                    make(self.path)
                self._writer = connect(self.path)
            try:
                yield
            finally:
                self._writer.close()
                self._writer = None

    def load(self) -> Anchor | None:
        """Return the anchor, `None` if there is none yet.

        Raises:
            AnchorCorruptError: the file is damaged, or is no mirror.
        """
        if self._writer is not None:
            with self._translated():
                return _anchor(self._writer)
        with self._reader() as db:
            return _anchor(db)

    def save(self, anchor: Anchor) -> None:
        """Commit what was taken in, together with the anchor.

        Raises:
            AnchorError: it cannot be written; the copy is as it was.
        """
        with self._translated():
            db = self._begun()
            if self._finishing and anchor.reached is None:
                db.execute("DELETE FROM event_texts WHERE round < ?", (self._round,))
            db.execute("INSERT OR REPLACE INTO anchor VALUES (1, ?)", (anchor.dumps(),))
            db.execute("COMMIT")

    def reset(self) -> None:
        """Empty the copy.

        Raises:
            AnchorLockedError: another process is synchronizing it.
            OSError: it cannot be removed.
        """
        with _files.locked(self.path):
            remove(self.path)

    def begin(self, anchor: Anchor, now: float) -> None:
        """Begin a pass that starts from `anchor`, at the platform's time `now`."""
        self._round = anchor.round
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
            return apply[kind](self._begun(), items)

    def in_doubt(self) -> bool:
        """Tell whether an event is in a stream that is gone: the platform may have moved it without a trace."""
        if not self._vanished:
            return False
        found = "SELECT 1 FROM events, json_each(stream_ids) WHERE value IN (SELECT value FROM json_each(?)) LIMIT 1"
        with self._translated():
            return self._begun().execute(found, (encode(sorted(self._vanished)),)).fetchone() is not None

    def rollback(self) -> None:
        """Undo what was taken in since the last `save`."""
        if self._writer is not None and self._writer.in_transaction:
            self._writer.rollback()

    def _apply_events(self, db: sqlite3.Connection, events: Sequence[Item]) -> list[Any]:
        latest = {item[0]["id"]: item for item in events}
        (last,) = db.execute("SELECT coalesce(max(number), 0) FROM event_texts").fetchone()
        inserted = self._insert(db, latest.values())
        if inserted < len(latest):
            known = dict(db.execute(_KNOWN, (last, encode(list(latest)))))
            same = {key for key, text in known.items() if _is_same(text, latest[key][1])}
            self._update(db, (latest[key] for key in known.keys() - same))
            if self._finishing:
                db.executemany("UPDATE event_texts SET round = ? WHERE id = ?", ((self._round, key) for key in same))
            latest = {key: item for key, item in latest.items() if key not in same}
        return [event for event, _ in latest.values()]

    def _insert(self, db: sqlite3.Connection, events: Collection[Item]) -> int:
        """Insert the events whose ids are new, and return how many these are."""
        rows = ", ".join(["(?, ?, ?, ?)"] * len(events))
        values = [value for event, text in events for value in (event["id"], event["time"], text, self._round)]
        return db.execute(_INSERT.format(rows=rows), values).rowcount

    def _update(self, db: sqlite3.Connection, events: Iterable[Item]) -> None:
        rows = ((event["time"], text, self._round, event["id"]) for event, text in events)
        db.executemany("UPDATE event_texts SET time = ?, json = ?, round = ? WHERE id = ?", rows)

    def _apply_deletions(self, db: sqlite3.Connection, deletions: Sequence[Item]) -> list[Any]:
        new = []
        for deletion, text in deletions:
            if db.execute("DELETE FROM event_texts WHERE id = ?", (deletion["id"],)).rowcount:
                row = (deletion["id"], deletion["deleted"], text)
                db.execute("INSERT OR REPLACE INTO deletions VALUES (?, ?, ?)", row)
                new.append(deletion)
        return new

    def _apply_streams(self, db: sqlite3.Connection, trees: Sequence[Item]) -> list[Any]:
        before = [text for (text,) in db.execute("SELECT json FROM stream_texts ORDER BY position")]
        after = [encode(stream) for tree, _ in trees for stream in flattened(tree)]
        if before == after and self.load() is not None:
            return []
        self._vanished = _ids(before) - _ids(after)
        db.execute("DELETE FROM stream_texts")
        db.executemany("INSERT INTO stream_texts VALUES (?, ?)", enumerate(after))
        return [tree for tree, _ in trees]

    def _begun(self) -> sqlite3.Connection:
        if self._writer is None:
            raise RuntimeError("lock the mirror before writing to it")
        if not self._writer.in_transaction:
            self._writer.execute("BEGIN IMMEDIATE")
        return self._writer

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Open the copy, an empty one if none was made yet."""
        with self._translated(), closing(connect(self.path if self.path.exists() else ":memory:")) as db:
            yield db

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the errors of SQLite into those of anchors."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise AnchorError(f"{self.path}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise AnchorCorruptError(f"{self.path}: {error}") from None


def _anchor(db: sqlite3.Connection) -> Anchor | None:
    row = db.execute("SELECT text FROM anchor").fetchone()
    return None if row is None else Anchor.loads(row[0])


def _tree(db: sqlite3.Connection) -> list[dict[str, Any]]:
    return nested(decode(text) for (text,) in db.execute("SELECT json FROM stream_texts ORDER BY position"))


def _is_same(known: str, text: str) -> bool:
    return known == text or essence(decode(known)) == essence(decode(text))


def _ids(texts: Iterable[str]) -> set[str]:
    return {decode(text)["id"] for text in texts}
