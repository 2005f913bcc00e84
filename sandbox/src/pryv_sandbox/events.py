"""Events."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

from pryv_sandbox.api import Context, Methods, Pages, Result
from pryv_sandbox.changes import Change
from pryv_sandbox.errors import already_exists, forbidden, unknown_reference
from pryv_sandbox.ids import new_id

methods = Methods()

Event = dict[str, Any]

_STRING = {"type": ["string"]}
_CREATE = {
    "type": ["object"],
    "required": ["type", "streamIds"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": ["string"], "pattern": "^[a-z][a-z0-9]{23,24}$"},
        "streamIds": {"type": ["array"], "items": _STRING, "minItems": 1},
        "type": {"type": ["string"], "pattern": "^(series:)?[a-z0-9-]+/[a-z0-9-]+$"},
        "time": {"type": ["number"]},
        "duration": {"type": ["number", "null"], "minimum": 0},
        "content": {},
        "description": {"type": ["string", "null"]},
        "clientData": {"type": ["object", "null"]},
        "trashed": {"type": ["boolean"]},
    },
}


def _integrity(event: Event) -> str:
    canonical = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "EVENT:0:sha256-" + base64.b64encode(hashlib.sha256(canonical.encode()).digest()).decode()


@methods.declare("events.create", _CREATE)
async def _create(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    platform, tree = context.platform, context.platform.tree(context.user)
    event: Event = {"id": new_id(), "time": now, **params, "streamIds": list(dict.fromkeys(params["streamIds"]))}
    event.update(created=now, createdBy=context.author, modified=now, modifiedBy=context.author)
    missing = [stream_id for stream_id in event["streamIds"] if tree.get(stream_id) is None]
    if missing:
        raise unknown_reference("stream", "streamIds", missing)
    if not all(context.access.can_create(stream_id) for stream_id in event["streamIds"]):
        raise forbidden()
    event["integrity"] = _integrity(event)
    _insert(context, event)
    platform.publish(Change(context.user.username, "events", "create", event))
    return {"event": event}


def _insert(context: Context, event: Event) -> None:
    db, user = context.platform.db, context.user.key
    duration = event.get("duration", 0)
    db.execute("BEGIN")
    try:
        key = db.execute(
            "INSERT INTO events (user, id, type, time, end_time, trashed, modified, doc)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                user,
                event["id"],
                event["type"],
                event["time"],
                None if duration is None else event["time"] + duration,
                bool(event.get("trashed")),
                event["modified"],
                json.dumps(event, ensure_ascii=False, separators=(",", ":")),
            ),
        ).lastrowid
    except sqlite3.IntegrityError:
        db.execute("ROLLBACK")
        raise already_exists("event", {"id": event["id"]}) from None
    db.executemany("INSERT INTO event_streams VALUES (?, ?, ?)", ((user, s, key) for s in event["streamIds"]))
    db.execute("COMMIT")


@methods.declare("events.get", {"type": ["object"]})
async def _get(context: Context, params: dict[str, Any]) -> Result:
    return {"events": Pages(_pages(context, params))}


async def _pages(context: Context, params: dict[str, Any]) -> AsyncIterator[list[str]]:
    limit = params.get("limit")
    from_time, to_time = params.get("fromTime"), params.get("toTime")
    if limit is None and from_time is None and to_time is None:
        limit = 20
    where, values = "user = ? AND deleted IS NULL AND trashed = 0", [context.user.key]
    if from_time is not None:
        where, values = where + " AND time >= ?", [*values, from_time]
    if to_time is not None:
        where, values = where + " AND time <= ?", [*values, to_time]
    if params.get("modifiedSince") is not None:
        where, values = where + " AND modified > ?", [*values, params["modifiedSince"]]
    streams = params.get("streams")
    if streams:
        marks = ",".join("?" * len(streams))
        where += f" AND EXISTS (SELECT 1 FROM event_streams WHERE event = key AND stream IN ({marks}))"
        values += streams
    after: tuple[float, int] | None = None
    size = context.platform.settings.page_size
    while True:
        keyset, extra = ("", []) if after is None else (" AND (time, key) < (?, ?)", list(after))
        count = size if limit is None else min(size, limit)
        rows = context.platform.db.execute(
            f"SELECT doc, time, key FROM events WHERE {where}{keyset} ORDER BY time DESC, key DESC LIMIT ?",
            (*values, *extra, count),
        ).fetchall()
        if rows:
            yield [row[0] for row in rows]
        if limit is not None:
            limit -= len(rows)
        if len(rows) < count or limit == 0:
            return
        after = rows[-1][1:]
