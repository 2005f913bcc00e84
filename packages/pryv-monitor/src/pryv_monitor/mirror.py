"""A local copy of a scope, in SQLite."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from . import _files
from ._json import decode, encode, essence, is_account_field
from ._query import Query
from ._streams import flattened, nested
from .anchor import Anchor
from .changes import Kind
from .errors import AnchorCorruptError, AnchorError

_MIGRATIONS: Final = (
    """
    CREATE TABLE events (
        id TEXT PRIMARY KEY,
        time REAL NOT NULL,
        json TEXT NOT NULL,
        round INTEGER NOT NULL,
        duration REAL AS (CASE json_type(json, '$.duration')
            WHEN 'null' THEN NULL ELSE coalesce(json_extract(json, '$.duration'), 0) END),
        type TEXT AS (json_extract(json, '$.type')),
        content AS (json_extract(json, '$.content')),
        stream_ids TEXT AS (json_extract(json, '$.streamIds')),
        modified REAL AS (json_extract(json, '$.modified')),
        trashed INTEGER AS (coalesce(json_extract(json, '$.trashed'), 0))
    );
    CREATE INDEX events_by_time ON events (time);
    CREATE TABLE deletions (id TEXT PRIMARY KEY, deleted REAL NOT NULL, json TEXT NOT NULL);
    CREATE TABLE streams (
        id TEXT PRIMARY KEY,
        parent_id TEXT,
        name TEXT,
        trashed INTEGER NOT NULL,
        position INTEGER NOT NULL,
        json TEXT NOT NULL
    );
    CREATE TABLE anchor (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT NOT NULL);
    """,
)
"""What brings the schema from each version (its index) to the next."""

_UPSERT: Final = """
    INSERT INTO events (id, time, json, round) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET time = excluded.time, json = excluded.json, round = excluded.round
"""
_KNOWN: Final = "SELECT id, json FROM events WHERE id IN (SELECT value FROM json_each(?))"
_BUSY_TIMEOUT: Final = 30
_PAGE_SIZE: Final = 16 * 1024
_CACHE_KIB: Final = 32 * 1024
_PAGES_PER_CHECKPOINT: Final = 2000


class SQLiteMirror:
    """A copy of a scope's events and streams in an SQLite file, which also keeps the anchor.

    A pass changes the copy and the anchor in one transaction: whoever looks sees the account as one whole pass left it
    (or, during a first reading, one of its windows). It can be read while a monitor writes it, by any number of
    programs. See the package's README for its tables.

    Args:
        path: The file, made when first written to; its directory exists.
        wait: Seconds to wait for another process that is synchronizing it.
    """

    def __init__(self, path: str | os.PathLike[str], *, wait: float = 0) -> None:
        self.path = Path(path)
        self._wait = wait
        self._writer: sqlite3.Connection | None = None
        self._round = 1
        self._finishing = False
        self._vanished: set[str] = set()

    def __repr__(self) -> str:
        return f"SQLiteMirror({str(self.path)!r})"

    def events(self, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the events that `events.get` would return for these parameters, then deletions if asked for.

        As with `Connection.iter_events`, a missing time bound is open and a missing `limit` is none.

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
        with self._translated():
            if not self.path.exists():
                return
            with closing(self._connect()) as db:
                db.execute("BEGIN")
                yield from query.run(db, _tree(db))

    def streams(self) -> list[dict[str, Any]]:
        """Return the tree of streams, those in the trash included.

        Raises:
            AnchorError: the file cannot be read.
        """
        with self._translated():
            if not self.path.exists():
                return []
            with closing(self._connect()) as db:
                return _tree(db)

    def counts(self) -> dict[str, int]:
        """Return how many `events`, `deletions` and `streams` the copy holds.

        Raises:
            AnchorError: the file cannot be read.
        """
        tables = ("events", "deletions", "streams")
        with self._translated():
            if not self.path.exists():
                return dict.fromkeys(tables, 0)
            with closing(self._connect()) as db:
                return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from synchronizing the copy.

        Raises:
            AnchorLockedError: another is doing it.
            AnchorError: the file cannot be opened.
            OSError: the directory cannot be written to.
        """
        with _files.locked(self.path, self._wait):
            with self._translated():
                self._writer = self._connect()
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
        with self._translated():
            if self._writer is not None:
                return _anchor(self._writer)
            if not self.path.exists():
                return None
            with closing(self._connect()) as db:
                return _anchor(db)

    def save(self, anchor: Anchor) -> None:
        """Commit what was taken in, together with the anchor.

        Raises:
            AnchorError: it cannot be written; the copy is as it was.
        """
        with self._translated():
            db = self._begun()
            if self._finishing and anchor.reached is None:
                db.execute("DELETE FROM events WHERE round < ?", (self._round,))
            db.execute("INSERT OR REPLACE INTO anchor VALUES (1, ?)", (anchor.dumps(),))
            db.execute("COMMIT")

    def reset(self) -> None:
        """Empty the copy.

        Raises:
            AnchorLockedError: another process is synchronizing it.
            OSError: it cannot be removed.
        """
        with _files.locked(self.path, self._wait):
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def begin(self, anchor: Anchor, now: float) -> None:
        """Begin a pass that starts from `anchor`."""
        self._round = anchor.round
        self._finishing = anchor.reached is not None
        self._vanished = set()

    def apply(self, kind: Kind, items: Sequence[Any]) -> list[Any]:
        """Take in items of one kind and return those that make a difference.

        Raises:
            AnchorError: they cannot be written.
        """
        apply: dict[Kind, Callable[[sqlite3.Connection, Any], list[Any]]] = {
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

    def _apply_events(self, db: sqlite3.Connection, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        texts = dict(db.execute(_KNOWN, (encode([event["id"] for event in events]),)))
        rows, same, new = {}, [], []
        for event in events:
            event_id, text = event["id"], encode(event)
            known = texts.get(event_id)
            if known is not None and (known == text or _same_field(known, event)):
                same.append((self._round, event_id))
                continue
            texts[event_id] = text
            rows[event_id] = (event_id, event["time"], text, self._round)
            new.append(event)
        db.executemany(_UPSERT, rows.values())
        if self._finishing:
            db.executemany("UPDATE events SET round = ? WHERE id = ?", same)
        return new

    def _apply_deletions(self, db: sqlite3.Connection, deletions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        new = []
        for deletion in deletions:
            if db.execute("DELETE FROM events WHERE id = ?", (deletion["id"],)).rowcount:
                row = (deletion["id"], deletion["deleted"], encode(deletion))
                db.execute("INSERT OR REPLACE INTO deletions VALUES (?, ?, ?)", row)
                new.append(deletion)
        return new

    def _apply_streams(self, db: sqlite3.Connection, trees: Sequence[list[dict[str, Any]]]) -> list[Any]:
        before = {row[0]: row for row in db.execute("SELECT id, parent_id, name, trashed, position, json FROM streams")}
        after = {
            stream["id"]: (
                stream["id"],
                stream.get("parentId"),
                stream.get("name"),
                stream.get("trashed", False),
                position,
                encode(stream),
            )
            for tree in trees
            for position, stream in enumerate(flattened(tree))
        }
        if before == after and self.load() is not None:
            return []
        self._vanished = before.keys() - after.keys()
        db.execute("DELETE FROM streams")
        db.executemany("INSERT INTO streams VALUES (?, ?, ?, ?, ?, ?)", after.values())
        return list(trees)

    def _begun(self) -> sqlite3.Connection:
        if self._writer is None:
            raise RuntimeError("lock the mirror before writing to it")
        if not self._writer.in_transaction:
            self._writer.execute("BEGIN IMMEDIATE")
        return self._writer

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            db.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            db.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_PER_CHECKPOINT}")
            _migrate(db)
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the errors of SQLite into those of anchors."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise AnchorError(f"{self.path}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise AnchorCorruptError(f"{self.path}: {error}") from None


def _migrate(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        raise AnchorError(
            f"the mirror has schema {version}, this package knows {len(_MIGRATIONS)}: a later one made it"
        )
    if version == len(_MIGRATIONS):
        return
    with db:
        db.execute("BEGIN IMMEDIATE")
        (version,) = db.execute("PRAGMA user_version").fetchone()  # another may have been faster
        for script in _MIGRATIONS[version:]:
            for statement in script.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _anchor(db: sqlite3.Connection) -> Anchor | None:
    row = db.execute("SELECT text FROM anchor").fetchone()
    return None if row is None else Anchor.loads(row[0])


def _tree(db: sqlite3.Connection) -> list[dict[str, Any]]:
    return nested(decode(text) for (text,) in db.execute("SELECT json FROM streams ORDER BY position"))


def _same_field(known: str, event: dict[str, Any]) -> bool:
    return is_account_field(event["id"]) and essence(decode(known)) == essence(event)
