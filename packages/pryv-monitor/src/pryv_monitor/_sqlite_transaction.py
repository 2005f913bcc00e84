"""The changes of one reading to the file of a mirror."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs

from pryv_monitor import _last_pass, _opening
from pryv_monitor._json import Item, encode
from pryv_monitor._sqlite_errors import translated
from pryv_monitor._streams import StreamChanges, flattened
from pryv_monitor._texts import by_shown_id, is_same, kept_item, seconds, shown, shown_id, shown_ids
from pryv_monitor.anchor import Anchor
from pryv_monitor.changes import Kind
from pryv_monitor.errors import AnchorError

ANCHOR: Final = "SELECT text FROM anchor"
STREAMS: Final = "SELECT coalesce(exact, json) FROM stream_texts ORDER BY position"
_INSERT: Final = "INSERT OR IGNORE INTO event_texts (id, time, json, exact, generation) VALUES "
"""One statement for many rows takes half the time of many statements. `OR IGNORE` avoids a statement journal:
https://sqlite.org/tempfiles.html#statement_journal_files"""
_KNOWN_IN: Final = ("event_texts", "delivered")
"""The tables of the events that listeners may know."""
_KNOWN: Final = """
    SELECT id, coalesce(exact, json) FROM event_texts WHERE number <= ? AND id IN (SELECT value FROM json_each(?))
"""
_IN_STREAMS: Final = """
    SELECT 1 FROM event_texts AS event, json_each(event.json, '$.streamIds') AS stream
    WHERE stream.value IN (SELECT value FROM json_each(?)) LIMIT 1
"""
_NEWEST: Final = "SELECT coalesce(max(number), 0) FROM event_texts"
_NEW: Final = "SELECT id, exact FROM event_texts WHERE number > ?"
_IS_OLD: Final = "1 < :generation AND generation < :generation"
"""No event is older than the first full reading: SQLite tests this once, and then reads no row."""
_DROPPED: Final = f"""
    SELECT id, exact FROM event_texts WHERE {_IS_OLD}
    UNION ALL SELECT id, exact FROM delivered WHERE id NOT IN (SELECT id FROM event_texts)
"""  # noqa: S608
_DROP: Final = f"DELETE FROM event_texts WHERE {_IS_OLD}"  # noqa: S608
_FORGET_COPIED: Final = """
    DELETE FROM delivered WHERE EXISTS (SELECT 1 FROM event_texts AS event WHERE event.id = delivered.id)
"""
"""It looks up each of the few rows of `delivered`; `id IN (SELECT id FROM event_texts)` would read all ids."""
_IS_DELETED: Final = "SELECT 1 FROM deletion_texts WHERE id = ?"
_BATCH: Final = 100
"""Events dropped at once."""


class SQLiteTransaction:
    """A `MirrorTransaction` on an open file.

    Args:
        db: The file, opened for writing and locked.
        path: Its name, for messages.
        identity: What distinguishes the file from another that is put in its place.
        anchor: Where the reading starts from.
        now: A time of the platform, in seconds, that was known before the reading began.

    Raises:
        AnchorError: the copy cannot be read.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, identity: object, anchor: Anchor, now: float) -> None:
        self._db = db
        self._path = path
        self._identity = identity
        self._started_from = anchor
        self._now = now
        self._anchor = anchor
        self._streams = StreamChanges(anchor)
        self._has_changed = False
        with translated(path):
            self._newest = self._number_of_newest()

    def apply(self, kind: Kind, items: Sequence[Item]) -> list[Any]:
        """Apply items of one kind, and return the data of those that make a difference.

        Raises:
            AnchorError: they cannot be written.
        """
        apply: dict[Kind, Callable[[Sequence[Item]], list[Any]]] = {
            "event": self._apply_events,
            "eventDelete": self._apply_deletions,
            "streams": self._apply_streams,
        }
        with translated(self._path):
            changes = apply[kind](items)
        self._has_changed = self._has_changed or bool(changes) or kind == "eventDelete"
        return changes

    def needs_full_read(self) -> bool:
        """Return whether events may have come, moved or gone with streams, without a trace."""
        if self._streams.reveals_events or not self._streams.gone:
            return self._streams.reveals_events
        with translated(self._path):
            return self._begun().execute(_IN_STREAMS, (shown_ids(self._streams.gone),)).fetchone() is not None

    def dropped(self) -> Iterator[list[Any]]:
        """Drop the events that the full reading did not find, and yield deletions of them in batches.

        Raises:
            AnchorError: they cannot be dropped.
        """
        generation = {"generation": self._started_from.generation}
        with translated(self._path):
            dropped = self._begun().execute(_DROPPED, generation)
            while rows := dropped.fetchmany(_BATCH):
                yield [{"id": key if exact is None else kept_item(exact)["id"]} for key, exact in rows]
            self._begun().execute(_DROP, generation)
            self._begun().execute("DELETE FROM delivered")

    def commit(self, anchor: Anchor) -> Anchor:
        """Commit what was applied, together with the anchor, or write only the file beside it if nothing changed.

        Raises:
            AnchorError: it cannot be written, or the file is no longer where it was; the copy is as it was.
        """
        with translated(self._path):
            if _opening.identity(self._path) != self._identity:
                raise AnchorError("removed, or replaced, while it was written to; nothing is committed")
            if not self._has_changed and self._is_kept_beside(anchor):
                self._undo()
                self._anchor = anchor
                return anchor
            db = self._begun()
            db.execute(_FORGET_COPIED)
            db.execute("INSERT OR REPLACE INTO anchor VALUES (1, ?)", (anchor.dumps(),))
            db.execute("COMMIT")
            self._anchor = anchor
            self._has_changed = False
            self._newest = self._number_of_newest()
        return anchor

    def rollback(self) -> None:
        """Undo what was applied since the last commit, but keep the ids of new events that listeners may know."""
        if self._anchor.delivering:
            with suppress(AnchorError), translated(self._path):  # if they cannot be kept, the anchor stays as it is
                new = self._db.execute(_NEW, (self._newest,)).fetchall()
                self._undo()
                self._begun().executemany("INSERT OR IGNORE INTO delivered VALUES (?, ?)", new)
                self._has_changed = bool(new)
                self.commit(attrs.evolve(self._anchor, delivering=self._started_from.delivering))
        self._undo()

    def _is_kept_beside(self, anchor: Anchor) -> bool:
        """Write the file beside the mirror, if that is enough; return whether it was."""
        row = self._db.execute(ANCHOR).fetchone()
        if row is None or not _last_pass.is_enough(anchor, _last_pass.parsed(row[0])):
            return False
        with suppress(OSError):
            _last_pass.write(self._path, anchor, row[0])
            return True
        return False

    def _undo(self) -> None:
        self._streams = StreamChanges(self._started_from)
        self._has_changed = False
        if self._db.in_transaction:
            self._db.rollback()

    def _begun(self) -> sqlite3.Connection:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def _number_of_newest(self) -> int:
        number: int = self._db.execute(_NEWEST).fetchone()[0]
        return number

    def _apply_events(self, events: Sequence[Item]) -> list[Any]:
        db = self._begun()
        latest = by_shown_id(events)
        inserted = self._insert(db, latest)
        if inserted < len(latest):
            last = self._number_of_newest() - inserted
            known = dict(db.execute(_KNOWN, (last, encode(list(latest)))))
            same = {key for key, text in known.items() if is_same(text, latest[key])}
            self._update(db, {key: latest[key] for key in known.keys() - same})
            if self._started_from.reached is not None:
                rows = ((self._started_from.generation, key) for key in same)
                db.executemany("UPDATE event_texts SET generation = ? WHERE id = ?", rows)
            latest = {key: item for key, item in latest.items() if key not in same}
        return [event for event, _ in latest.values()]

    def _insert(self, db: sqlite3.Connection, events: Mapping[str, Item]) -> int:
        """Insert the events whose ids are new, and return how many there are."""
        values: list[Any] = []
        for key, item in events.items():
            values += (key, seconds(item[0]["time"]), *shown(item))
        exact = "?"
        if not any(values[3::4]):  # a value that is bound costs more than one in the statement
            exact = "NULL"
            del values[3::4]
        row = f"(?, ?, ?, {exact}, {self._started_from.generation:d})"
        return db.execute(_INSERT + ", ".join([row] * len(events)), values).rowcount

    def _update(self, db: sqlite3.Connection, events: Mapping[str, Item]) -> None:
        rows = (
            (seconds(item[0]["time"]), *shown(item), self._started_from.generation, key) for key, item in events.items()
        )
        db.executemany("UPDATE event_texts SET time = ?, json = ?, exact = ?, generation = ? WHERE id = ?", rows)

    def _apply_deletions(self, deletions: Sequence[Item]) -> list[Any]:
        db = self._begun()
        new = []
        for item in deletions:
            deletion, key = item[0], shown_id(item[0]["id"])
            known = sum(db.execute(f"DELETE FROM {table} WHERE id = ?", (key,)).rowcount for table in _KNOWN_IN)  # noqa: S608
            if known or (self._started_from.delivering and not db.execute(_IS_DELETED, (key,)).fetchone()):
                deleted = deletion.get("deleted")
                row = (key, seconds(self._now if deleted is None else deleted), *shown(item))
                db.execute("INSERT OR REPLACE INTO deletion_texts VALUES (?, ?, ?, ?)", row)
                new.append(deletion)
        return new

    def _apply_streams(self, trees: Sequence[Item]) -> list[Any]:
        before = [text for (text,) in self._db.execute(STREAMS)]
        after = [(stream, encode(stream)) for tree, _ in trees for stream in flattened(tree)]
        if before == [text for _, text in after] and (before or self._anchor.synced is not None):
            return []
        self._streams.add(map(kept_item, before), (stream for stream, _ in after))
        db = self._begun()
        db.execute("DELETE FROM stream_texts")
        rows = ((position, *shown(item)) for position, item in enumerate(after))
        db.executemany("INSERT INTO stream_texts VALUES (?, ?, ?)", rows)
        return [tree for tree, _ in trees]
