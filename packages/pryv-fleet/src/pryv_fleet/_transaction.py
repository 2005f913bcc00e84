"""The changes of one reading to the rows of an account."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final

import attrs

from pryv_fleet import _rows
from pryv_fleet._buffer import Buffer
from pryv_fleet._database import Connection, Database
from pryv_fleet._rows import (
    DELETION_COLUMNS,
    EVENT_COLUMNS,
    STREAM_COLUMNS,
    event_lines,
    is_text,
    keys_of,
    text_of,
)
from pryv_monitor import Anchor, ContendedError
from pryv_monitor.changes import Kind
from pryv_monitor.mirrors import Item, StreamChanges, flattened, is_same, kept_item

STREAMS: Final = "SELECT coalesce(exact, json::text) FROM {schema}.streams WHERE account = %s ORDER BY position"
_KNOWN: Final = "SELECT id, coalesce(exact, json::text) FROM {schema}.events WHERE account = %s AND id = ANY(%s)"
_DELETED: Final = "SELECT id FROM {schema}.deletions WHERE account = %s AND id = ANY(%s)"
_HAS_EVENTS: Final = "SELECT EXISTS (SELECT 1 FROM {schema}.events WHERE account = %s)"
_IN_STREAMS: Final = """
    SELECT id, coalesce(exact, json::text) FROM {schema}.events
    WHERE account = %s AND (stream_ids IS NULL OR stream_ids && %s) AND id > %s ORDER BY id LIMIT 100
"""
_NOT_SEEN: Final = """
    SELECT id, coalesce(exact, json::text) FROM {schema}.events
    WHERE account = %s AND generation < %s AND id > %s ORDER BY id LIMIT 100
"""
_SWAP: Final = """
    UPDATE {schema}.accounts
    SET anchor = %s, version = version + 1, changed = pg_current_xact_id(),
        leased_until = CASE WHEN leased_by = %s THEN now() + make_interval(secs => %s) ELSE leased_until END
    WHERE id = %s AND version = %s
"""
_SEE: Final = "UPDATE {schema}.events SET generation = %s WHERE account = %s AND id = ANY(%s)"
_DROP: Final = "DELETE FROM {schema}.events WHERE account = %s AND generation < %s"
_REMOVE_EVENTS: Final = "DELETE FROM {schema}.events WHERE account = %s AND id = ANY(%s)"
_REMOVE_DELETIONS: Final = "DELETE FROM {schema}.deletions WHERE account = %s AND id = ANY(%s)"
_REMOVE_STREAMS: Final = "DELETE FROM {schema}.streams WHERE account = %s"
_COPY: Final = "COPY {schema}.%s (%s) FROM STDIN (ENCODING 'UTF8')"
_COPY_EVENTS: Final = _COPY % ("events", EVENT_COLUMNS)
_COPY_DELETIONS: Final = _COPY % ("deletions", DELETION_COLUMNS)
_COPY_STREAMS: Final = _COPY % ("streams", STREAM_COLUMNS)
_LONGEST_KEPT: Final = 3600.0
"""Seconds for which an anchor is kept while nothing changes."""
_BLOCK: Final = 1 << 16
"""Characters that are sent at once, roughly."""
_KEYS: Final = 10_000
"""Keys in one statement."""
_MOST_COPIED: Final = 100_000
"""Ids of copied events that are kept in memory; a process with many threads has that many for each."""


@attrs.define
class AccountState:
    """The row of an account, as the transactions of a mirror know it.

    Attributes:
        id: The key of the row.
        version: The number of commits; a commit counts only if no other one came in between.
        lease: The number of the lease; `None` outside of a fleet.
        seconds: The seconds by which a commit prolongs the lease.
    """

    id: int
    version: int
    lease: int | None = None
    seconds: float = 0


@attrs.define
class _Changes:
    """What a transaction has applied since its last commit.

    Attributes:
        stream_changes: The streams that came and went.
        events: The lines of new and changed events; `None` for events that were deleted.
        replaced: The ids of the rows that go, because their events were changed or deleted.
        seen: The ids of the rows whose events a full reading found as they are.
        deletions: The lines of deletions.
        streams: The new streams; `None` if they are the same.
        streams_digest: The digest of the tree that was read last.
        astray: The ids of those of `events` that are in a stream that is gone.
        drops: Whether events that were not seen are dropped.
        is_idle: Whether nothing was applied that has to be committed.
    """

    stream_changes: StreamChanges
    events: Buffer = attrs.field(factory=Buffer)
    replaced: Buffer = attrs.field(factory=Buffer)
    seen: Buffer = attrs.field(factory=Buffer)
    deletions: Buffer = attrs.field(factory=Buffer)
    streams: list[Item] | None = None
    streams_digest: str | None = None
    astray: set[str] = attrs.field(factory=set)
    drops: bool = False
    is_idle: bool = True

    def close(self) -> None:
        """Remove temporary files."""
        for buffer in (self.events, self.replaced, self.seen, self.deletions):
            buffer.clear()


class PostgresTransaction:
    """A `MirrorTransaction` that holds changes in memory until the commit, and no connection in between.

    Args:
        database: The database.
        state: The row of the account; a commit increments its version.
        anchor: Where the reading starts from.
        now: The platform's time, in seconds, when the reading began.
    """

    def __init__(self, database: Database, state: AccountState, anchor: Anchor, now: float) -> None:
        self._database = database
        self._state = state
        self._version = state.version
        self._started_from = anchor
        self._anchor = anchor
        self._now = now
        self._changes = self._no_changes()
        may_know_all = anchor.reached is not None and not self._rows(_HAS_EVENTS)[0][0]
        self._copied: set[str] | None = set() if may_know_all else None

    def apply(self, kind: Kind, items: Sequence[Item]) -> list[Any]:
        """Apply items of one kind, and return the data of those that make a difference.

        Raises:
            AnchorError: the copy cannot be read.
        """
        apply: dict[Kind, Callable[[Sequence[Item]], list[Any]]] = {
            "event": self._apply_events,
            "eventDelete": self._apply_deletions,
            "streams": self._apply_streams,
        }
        return apply[kind](items)

    def needs_full_read(self) -> bool:
        """Return whether events may have come, moved or gone with streams, without a trace.

        Raises:
            AnchorError: the copy cannot be read.
        """
        changes = self._changes
        if changes.stream_changes.reveals_events or changes.astray:
            return True
        if not changes.stream_changes.gone:
            return False
        streams, last = list(filter(is_text, changes.stream_changes.gone)), ""
        while rows := self._rows(_IN_STREAMS, streams, last):
            last = rows[-1][0]
            applied = changes.events.get([key for key, _ in rows])
            if any(key not in applied and self._is_astray(kept_item(text)) for key, text in rows):
                return True
        return False

    def dropped(self) -> Iterator[list[Any]]:
        """Drop the events that the full reading did not find, and yield deletions of them in batches.

        Raises:
            AnchorError: the copy cannot be read.
        """
        changes = self._changes
        changes.drops, changes.is_idle = True, False
        last = ""
        while rows := self._rows(_NOT_SEEN, self._started_from.generation, last):
            last = rows[-1][0]
            keys = [key for key, _ in rows]
            found = changes.seen.get(keys).keys() | changes.events.get(keys).keys()
            if deletions := [{"id": kept_item(text)["id"]} for key, text in rows if key not in found]:
                yield deletions

    def commit(self, anchor: Anchor) -> Anchor:
        """Commit what was applied, together with the anchor; do nothing if the reading found nothing.

        Raises:
            ContendedError: another worker has committed since this transaction began. Nothing is committed.
            AnchorError: it cannot be written. Nothing is committed.
        """
        changes = self._changes
        if changes.is_idle and _is_settled(self._anchor, anchor):
            return self._anchor
        anchor = attrs.evolve(anchor, streams=changes.streams_digest or self._anchor.streams)
        with self._database.transaction() as connection:
            self._swap(connection, anchor)
            self._write_events(connection)
            self._write_deletions(connection)
            self._write_streams(connection)
        self._version += 1
        self._state.version = self._version
        self._anchor = anchor
        self._remember_copied()
        changes.close()
        self._changes = _Changes(changes.stream_changes, streams_digest=changes.streams_digest)
        return anchor

    def rollback(self) -> None:
        """Forget what was applied since the last commit."""
        self._changes.close()
        self._changes = self._no_changes()

    def _no_changes(self) -> _Changes:
        return _Changes(StreamChanges(self._started_from))

    def _rows(self, template: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._database.execute(template, (self._state.id, *values))

    def _apply_events(self, events: Sequence[Item]) -> list[Any]:
        changes = self._changes
        changes.is_idle = False
        new = dict(zip(keys_of(events), events, strict=True))
        applied = changes.events.get(new)
        stored = self._stored([key for key in new if key not in applied] if applied else new)
        if applied or stored:
            kept = stored | {key: text_of(line) for key, line in applied.items() if line is not None}
            same = [key for key, text in kept.items() if is_same(text, new[key])]
            if self._started_from.reached is not None:
                changes.seen.put([key for key in same if key in stored])
            for key in same:
                del new[key]
            changes.replaced.put([key for key in stored if key in new])
        if not new:
            return []
        changes.events.put(new, event_lines(self._state.id, new, new.values(), self._started_from.generation))
        if changes.stream_changes.gone:
            changes.astray.difference_update(new)
            changes.astray.update(key for key, (event, _) in new.items() if self._is_astray(event))
        return [event for event, _ in new.values()]

    def _apply_deletions(self, deletions: Sequence[Item]) -> list[Any]:
        changes = self._changes
        changes.is_idle = False
        keys = keys_of(deletions)
        applied = changes.events.get(keys)
        kept = {key for key, line in applied.items() if line is not None}
        kept.update(self._stored([key for key in keys if key not in applied]))
        returned = self._returned_before(keys)
        new: dict[str, Item] = {}
        differing = []
        for key, item in zip(keys, deletions, strict=True):
            if key not in kept and key in returned:
                continue
            kept.discard(key)
            returned.add(key)
            new[key] = item
            differing.append(item[0])
        changes.events.put(new)
        changes.replaced.put(new)
        changes.astray.difference_update(new)
        changes.deletions.put(new, [_rows.deletion_line(self._state.id, key, new[key], self._now) for key in new])
        return differing

    def _is_astray(self, event: dict[str, Any]) -> bool:
        return not self._changes.stream_changes.gone.isdisjoint(event.get("streamIds") or ())

    def _stored(self, keys: Collection[str]) -> dict[str, str]:
        """Return the texts of the events in the table, which were not changed by what was applied."""
        if self._copied is not None:
            keys = self._copied.intersection(keys)
        return dict(self._rows(_KNOWN, list(keys))) if keys else {}

    def _remember_copied(self) -> None:
        """Keep the ids of all events of the account, if they were copied by this transaction, and not too many."""
        if self._copied is not None:
            self._copied.update(key for key, _ in self._changes.events.items())
            if len(self._copied) > _MOST_COPIED:
                self._copied = None

    def _returned_before(self, keys: list[str]) -> set[str]:
        """Return which deletions make no difference if the event is not kept."""
        if not self._started_from.delivering:
            return set(keys)
        return {key for (key,) in self._rows(_DELETED, keys)} | self._changes.deletions.get(keys).keys()

    def _apply_streams(self, trees: Sequence[Item]) -> list[Any]:
        changes = self._changes
        changes.streams_digest = digest = _digest(trees)
        if changes.streams is None and digest == self._anchor.streams and self._anchor.synced is not None:
            return []
        changes.is_idle = False
        before = [text for (text,) in self._rows(STREAMS)] if changes.streams is None else _texts(changes.streams)
        after = [(stream, _encode(stream)) for tree, _ in trees for stream in flattened(tree)]
        if before == _texts(after) and (before or self._anchor.synced is not None):
            return []
        changes.streams = after
        changes.stream_changes.add(map(kept_item, before), (stream for stream, _ in after))
        return [tree for tree, _ in trees]

    def _swap(self, connection: Connection, anchor: Anchor) -> None:
        state = self._state
        values = (anchor.dumps(), state.lease, state.seconds, state.id, self._version)
        if connection.execute(self._database.sql(_SWAP), values).rowcount == 0:
            raise ContendedError("another worker has committed a pass of this account; nothing is committed")

    def _write_events(self, connection: Connection) -> None:
        changes, account, generation = self._changes, self._state.id, self._started_from.generation
        for keys in _keys(changes.seen):
            self._execute(connection, _SEE, generation, account, keys)
        if changes.drops:
            self._execute(connection, _DROP, account, generation)
        for keys in _keys(changes.replaced):
            self._execute(connection, _REMOVE_EVENTS, account, keys)
        self._copy(connection, _COPY_EVENTS, _lines(changes.events))

    def _write_deletions(self, connection: Connection) -> None:
        for keys in _keys(self._changes.deletions):
            self._execute(connection, _REMOVE_DELETIONS, self._state.id, keys)
        self._copy(connection, _COPY_DELETIONS, _lines(self._changes.deletions))

    def _write_streams(self, connection: Connection) -> None:
        streams, account = self._changes.streams, self._state.id
        if streams is None:
            return
        self._execute(connection, _REMOVE_STREAMS, account)
        lines = (_rows.stream_line(account, position, item) for position, item in enumerate(streams))
        self._copy(connection, _COPY_STREAMS, lines)

    def _execute(self, connection: Connection, template: str, *values: Any) -> None:
        connection.execute(self._database.sql(template), values)

    def _copy(self, connection: Connection, template: str, lines: Iterable[str]) -> None:
        blocks = _blocks(lines)
        first = next(blocks, None)
        if first is None:
            return
        with connection.cursor() as cursor, cursor.copy(self._database.sql(template)) as copy:
            copy.write(first)
            for block in blocks:
                copy.write(block)


def _keys(buffer: Buffer) -> Iterator[list[str]]:
    items = buffer.items()
    while keys := [key for key, _ in itertools.islice(items, _KEYS)]:
        yield keys


def _lines(buffer: Buffer) -> Iterator[str]:
    return (line for _, line in buffer.items() if line is not None)


def _blocks(lines: Iterable[str]) -> Iterator[bytes]:
    """Yield lines in blocks of a size: a line may be large."""
    block: list[str] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield "".join(block).encode()
            block, size = [], 0
    if block:
        yield "".join(block).encode()


_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def _is_settled(before: Anchor, after: Anchor) -> bool:
    """Return whether an anchor may stay: both are of complete passes, and differ only in times, by an hour at most."""
    if before.synced is None or after.synced is None or before.reached is not None:
        return False
    is_recent = abs(after.synced - before.synced) < _LONGEST_KEPT
    return is_recent and attrs.evolve(after, since=before.since, synced=before.synced) == before


def _texts(items: Sequence[Item]) -> list[str]:
    return [text for _, text in items]


def _digest(items: Sequence[Item]) -> str:
    return hashlib.blake2b("".join(_texts(items)).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
