"""Events in the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pryv_sandbox.model.json_text import dumps
from pryv_sandbox.model.system_streams import Store
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.users import User

Event = dict[str, Any]


def insert(platform: Platform, user: User, event: Event, store: Store) -> None:
    """Write a new event.

    Raises:
        sqlite3.IntegrityError: its id is taken.
    """
    with platform.transaction():
        key = platform.db.execute(
            "INSERT INTO events (user, store, id, type, time, end_time, trashed, modified, attached, doc)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (user.key, store, event["id"], *_columns(event)),
        ).lastrowid
        _link(platform, user, key, event["streamIds"])


def update(platform: Platform, user: User, key: int | None, event: Event, *, keep_history: bool) -> None:
    """Write a changed event; its former state can be kept as a version."""
    db = platform.db
    with platform.transaction():
        if keep_history:
            db.execute("INSERT INTO event_versions (event, doc) SELECT key, doc FROM events WHERE key = ?", (key,))
        db.execute(
            "UPDATE events SET type = ?, time = ?, end_time = ?, trashed = ?, modified = ?, attached = ?, doc = ?"
            " WHERE key = ?",
            (*_columns(event), key),
        )
        db.execute("DELETE FROM event_streams WHERE event = ?", (key,))
        _link(platform, user, key, event["streamIds"])


def _columns(event: Event) -> tuple[Any, ...]:
    time, duration = float(event["time"]), event.get("duration", 0)
    end_time = None if duration is None else time + float(duration)
    trashed, attached = "trashed" in event, "attachments" in event
    return event["type"], time, end_time, trashed, event["modified"], attached, dumps(event)


def _link(platform: Platform, user: User, key: int | None, stream_ids: Iterable[str]) -> None:
    rows = ((user.key, stream_id, key) for stream_id in stream_ids)
    platform.db.executemany("INSERT INTO event_streams VALUES (?, ?, ?)", rows)
