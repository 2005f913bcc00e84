"""The changes of one reading to the rows of an account."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import attrs

from pryv_fleet import _rows
from pryv_fleet._database import Connection, Database
from pryv_fleet._rows import DELETION_COLUMNS, EVENT_COLUMNS, STREAM_COLUMNS, is_text, key_of
from pryv_monitor import Anchor, AnchorCorruptError, ContendedError
from pryv_monitor.changes import Kind
from pryv_monitor.mirrors import Item, flattened, is_same

STREAMS: Final = "SELECT coalesce(exact, json::text) FROM {schema}.streams WHERE account = %s ORDER BY position"
_KNOWN: Final = "SELECT id, coalesce(exact, json::text) FROM {schema}.events WHERE account = %s AND id = ANY(%s)"
_DELETED: Final = "SELECT id FROM {schema}.deletions WHERE account = %s AND id = ANY(%s)"
_IN_STREAMS: Final = """
    SELECT id, coalesce(exact, json::text) FROM {schema}.events
    WHERE account = %s AND (stream_ids IS NULL OR stream_ids && %s)
"""
_NOT_SEEN: Final = """
    SELECT id, coalesce(exact, json::text) FROM {schema}.events
    WHERE account = %s AND generation < %s AND id > %s ORDER BY id LIMIT 1000
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
_LINES: Final = 1000
"""Lines that are sent at once."""


@attrs.define
class AccountState:
    """The row of an account, as the transactions of a mirror know it.

    Attributes:
        id: The key of the row.
        version: The number of commits; a commit counts only if no other one came in between.
        worker: The worker that has leased the account; `None` outside of a fleet.
        lease: The seconds by which a commit prolongs the lease.
    """

    id: int
    version: int
    worker: int | None = None
    lease: float = 0


@attrs.define
class _Changes:
    """What a transaction has applied since its last commit."""

    events: dict[str, Item] = attrs.field(factory=dict)
    removed: set[str] = attrs.field(factory=set)
    seen: set[str] = attrs.field(factory=set)
    deletions: dict[str, Item] = attrs.field(factory=dict)
    streams: list[Item] | None = None
    streams_digest: str | None = None
    vanished: set[str] = attrs.field(factory=set)
    drops: bool = False
    is_idle: bool = True


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
        self._changes = _Changes()

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
        """Return whether an event is in a stream that is gone: the platform may have moved it without a trace.

        Raises:
            AnchorError: the copy cannot be read.
        """
        vanished, changes = self._changes.vanished, self._changes
        if not vanished:
            return False
        if any(vanished.intersection(_stream_ids(event)) for event, _ in changes.events.values()):
            return True
        kept = self._rows(_IN_STREAMS, list(filter(is_text, vanished)))
        return any(
            key not in changes.removed and vanished.intersection(_stream_ids(kept_item(text))) for key, text in kept
        )

    def dropped(self) -> Iterator[list[Any]]:
        """Drop the events that the full reading did not find, and yield deletions of them in batches.

        Raises:
            AnchorError: the copy cannot be read.
        """
        self._changes.drops, self._changes.is_idle = True, False
        found = self._changes.seen | self._changes.removed | self._changes.events.keys()
        last = ""
        while rows := self._rows(_NOT_SEEN, self._started_from.generation, last):
            last = rows[-1][0]
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
            self._write_events(connection, anchor)
            self._write_deletions(connection)
            self._write_streams(connection)
        self._version += 1
        self._state.version = self._version
        self._anchor = anchor
        self._changes = _Changes(streams_digest=changes.streams_digest, vanished=changes.vanished)
        return anchor

    def rollback(self) -> None:
        """Forget what was applied since the last commit."""
        self._changes = _Changes()

    def _rows(self, template: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._database.execute(template, (self._state.id, *values))

    def _apply_events(self, events: Sequence[Item]) -> list[Any]:
        changes = self._changes
        changes.is_idle = False
        latest = {key_of(item[0]["id"]): item for item in events}
        kept = self._kept(latest)
        new = []
        for key, item in latest.items():
            text = kept.get(key)
            if text is not None and is_same(text, item):
                if self._started_from.reached is not None and key not in changes.events:
                    changes.seen.add(key)
                continue
            if text is not None and key not in changes.events:
                changes.removed.add(key)
            changes.events[key] = item
            new.append(item[0])
        return new

    def _kept(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the texts of the events that are kept, after what was applied."""
        changes = self._changes
        asked = [key for key in keys if key not in changes.events and key not in changes.removed]
        kept = dict(self._rows(_KNOWN, asked)) if asked else {}
        kept.update((key, changes.events[key][1]) for key in keys if key in changes.events)
        return kept

    def _apply_deletions(self, deletions: Sequence[Item]) -> list[Any]:
        changes = self._changes
        changes.is_idle = False
        keys = [key_of(item[0]["id"]) for item in deletions]
        kept = self._kept(keys)
        returned = self._returned_before(keys)
        new = []
        for key, item in zip(keys, deletions, strict=True):
            if kept.pop(key, None) is None and key in returned:
                continue
            changes.removed.add(key)
            changes.events.pop(key, None)
            changes.deletions[key] = item
            returned.add(key)
            new.append(item[0])
        return new

    def _returned_before(self, keys: list[str]) -> set[str]:
        """Return which deletions make no difference if the event is not kept."""
        if not self._started_from.delivering:
            return set(keys)
        known = {key for (key,) in self._rows(_DELETED, keys)}
        return known | self._changes.deletions.keys()

    def _apply_streams(self, trees: Sequence[Item]) -> list[Any]:
        changes = self._changes
        changes.streams_digest = digest = _digest(trees)
        if digest == self._anchor.streams and self._anchor.synced is not None:
            return []
        changes.is_idle = False
        before = [text for (text,) in self._rows(STREAMS)]
        after = [(stream, _encode(stream)) for tree, _ in trees for stream in flattened(tree)]
        if before == [text for _, text in after] and (before or self._anchor.synced is not None):
            return []
        changes.streams = after
        changes.vanished = {kept_item(text)["id"] for text in before} - {stream["id"] for stream, _ in after}
        return [tree for tree, _ in trees]

    def _swap(self, connection: Connection, anchor: Anchor) -> None:
        state = self._state
        values = (anchor.dumps(), state.worker, state.lease, state.id, self._version)
        if connection.execute(self._database.sql(_SWAP), values).rowcount == 0:
            raise ContendedError("another worker has committed a pass of this account; nothing is committed")

    def _write_events(self, connection: Connection, anchor: Anchor) -> None:
        changes, account, generation = self._changes, self._state.id, self._started_from.generation
        if changes.seen:
            self._execute(connection, _SEE, generation, account, list(changes.seen))
        if changes.drops:
            self._execute(connection, _DROP, account, generation)
        if changes.removed:
            self._execute(connection, _REMOVE_EVENTS, account, list(changes.removed))
        lines = (_rows.event_line(account, key, item, generation) for key, item in changes.events.items())
        self._copy(connection, _COPY_EVENTS, lines, len(changes.events))

    def _write_deletions(self, connection: Connection) -> None:
        deletions, account = self._changes.deletions, self._state.id
        if deletions:
            self._execute(connection, _REMOVE_DELETIONS, account, list(deletions))
        lines = (_rows.deletion_line(account, key, item, self._now) for key, item in deletions.items())
        self._copy(connection, _COPY_DELETIONS, lines, len(deletions))

    def _write_streams(self, connection: Connection) -> None:
        streams, account = self._changes.streams, self._state.id
        if streams is None:
            return
        self._execute(connection, _REMOVE_STREAMS, account)
        lines = (_rows.stream_line(account, position, item) for position, item in enumerate(streams))
        self._copy(connection, _COPY_STREAMS, lines, len(streams))

    def _execute(self, connection: Connection, template: str, *values: Any) -> None:
        connection.execute(self._database.sql(template), values)

    def _copy(self, connection: Connection, template: str, lines: Iterator[str], count: int) -> None:
        if not count:
            return
        with connection.cursor() as cursor, cursor.copy(self._database.sql(template)) as copy:
            while block := "".join(itertools.islice(lines, _LINES)):
                copy.write(block.encode())


_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def _is_settled(before: Anchor, after: Anchor) -> bool:
    """Return whether an anchor may stay: both are of complete passes, and differ only in times, by an hour at most."""
    if before.synced is None or after.synced is None or before.reached is not None:
        return False
    is_recent = abs(after.synced - before.synced) < _LONGEST_KEPT
    return is_recent and attrs.evolve(after, since=before.since, synced=before.synced) == before


def kept_item(text: str) -> dict[str, Any]:
    """Return the item of a kept text.

    Raises:
        AnchorCorruptError: it is not that of an item.
    """
    try:
        item = json.loads(text)
    except (ValueError, RecursionError):
        item = None
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        raise AnchorCorruptError("the mirror is damaged: a text in it is not the JSON of an item")
    return item


def _stream_ids(event: dict[str, Any]) -> list[str]:
    return event.get("streamIds") or []


def _digest(items: Sequence[Item]) -> str:
    return hashlib.blake2b(
        "".join(text for _, text in items).encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()
