"""Events."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

from pryv_sandbox.methods import consents
from pryv_sandbox.methods.calls import Context, Methods, Pages, Result
from pryv_sandbox.methods.schemas import BOOLEAN, NUMBER, STRING, TRACKED, check_alterable
from pryv_sandbox.model import event_types, shared_secrets, system_streams
from pryv_sandbox.model.errors import (
    already_exists,
    forbidden,
    invalid_operation,
    invalid_parameters,
    unexpected,
    unknown_reference,
    unknown_resource,
)
from pryv_sandbox.model.ids import new_id
from pryv_sandbox.model.integrity import item_integrity, record
from pryv_sandbox.model.json_text import dumps
from pryv_sandbox.model.merging import merged
from pryv_sandbox.model.streams_query import StreamsQuery, parse_streams, resolve_streams
from pryv_sandbox.model.system_streams import Store
from pryv_sandbox.model.tracking import tracked
from pryv_sandbox.state import events as stored
from pryv_sandbox.state.attachments import with_read_tokens
from pryv_sandbox.state.changes import Action, Change
from pryv_sandbox.state.events import Event
from pryv_sandbox.state.events_query import EventsQuery, merge, read_deletions, read_events, skip_and_limit

methods = Methods()

_TYPE_PATTERN = "^(series:)?[a-z0-9-]+/[a-z0-9-]+$"
_PROPERTIES: dict[str, Any] = {
    "id": STRING,
    "time": NUMBER,
    "duration": {"type": ["number", "null"]},
    "streamIds": {"type": ["array"], "minItems": 1, "items": STRING},
    "type": {"type": ["string"], "pattern": _TYPE_PATTERN},
    "content": {},
    "description": {"type": ["string", "null"]},
    "clientData": {"type": ["object", "null"]},
    "trashed": {"type": ["boolean", "null"]},
    "integrity": {"type": ["string", "null"]},
    **TRACKED,
}
_ALTERABLE = ("streamIds", "time", "duration", "type", "content", "references", "description", "clientData", "trashed")


# ---- reading

_STORES: tuple[Store, ...] = ("local", "audit", "shared-secrets")
_MOST_LOGGED = 100
_GET = {
    "type": ["object"],
    "additionalProperties": False,
    "properties": {
        "streams": {},
        "content": {},
        "clientData": {},
        "types": {
            "type": ["array", "null"],
            "items": {"type": ["string"], "pattern": r"^(series:)?[a-z0-9-]+/(\*|[a-z0-9-]+)$"},
        },
        "fromTime": NUMBER,
        "toTime": NUMBER,
        "sortAscending": BOOLEAN,
        "skip": NUMBER,
        "limit": NUMBER,
        "state": {"type": ["string"], "enum": ["default", "trashed", "all"]},
        "modifiedSince": NUMBER,
        "includeDeletions": BOOLEAN,
        "running": BOOLEAN,
    },
}


@methods.declare("events.get", _GET)
async def _get(context: Context, params: dict[str, Any]) -> Result:
    platform, access = context.platform, context.access
    streams = resolve_streams(
        parse_streams(params.get("streams"), json_only_as_text=context.from_query_string),
        platform.tree(context.user),
        access,
        trashed=params.get("state", "default") != "default",
    )
    query = EventsQuery.of(params, streams, platform.clock.now())
    with_deletions = query.modified_since is not None and params.get("includeDeletions")
    context.audited.update(recordCount=0, **_scope(streams))
    result: Result = {}
    if streams:
        result["events"] = Pages(_events(context, query, context.audited))
    elif not with_deletions:
        result["events"] = []
    if with_deletions:
        deletions = read_deletions(platform.db, context.user.key, query, platform.settings.page_size)
        result["eventDeletions"] = Pages(skip_and_limit(deletions, query.skip, query.limit))
    return result


async def _events(context: Context, query: EventsQuery, audited: dict[str, Any]) -> AsyncIterator[list[str]]:
    """The events of each store, one after the other; the fields of the account are merged with those of the first."""
    db, page_size = context.platform.db, context.platform.settings.page_size
    for store in _STORES:
        rows = read_events(db, context.user.key, store, query, page_size, lambda doc: _with_tokens(doc, context))
        if store == "local":
            fields = [event for event in _account_events(context, query.now) if query.matches_field(event)]
            rows = merge([(event["time"], dumps(event)) for event in fields], rows, ascending=query.ascending)
        async for page in skip_and_limit(rows, query.skip, query.limit):
            audited["recordCount"] += len(page)
            yield page


def _scope(streams: list[StreamsQuery]) -> dict[str, Any]:
    """What the audit log says of the streams that are read."""
    ids = list(dict.fromkeys(stream_id for query in streams for stream_id in query.scope))
    is_wildcard = any(query.is_wildcard for query in streams)
    return {"scopedStreamIds": ["*"] if is_wildcard else ids[:_MOST_LOGGED], "scopedStreamCount": len(ids)}


def _with_tokens(doc: str, context: Context) -> str:
    return dumps(with_read_tokens(json.loads(doc), context.access))


def _account_events(context: Context, now: float) -> list[Event]:
    """The fields of the account, as events with the present time."""
    user = context.user
    fields = (
        (system_streams.ATTACHED_FILES, "data-quantity/b", user.attached_files),
        (system_streams.DB_DOCUMENTS, "data-quantity/b", 0),
        (system_streams.EMAIL, "email/string", user.email),
        (system_streams.LANGUAGE, "language/iso-639-1", user.language),
    )
    author = {"time": now, **tracked("system", now)}
    events = [{"id": key, "streamIds": [key], "type": kind, "content": value, **author} for key, kind, value in fields]
    return [with_integrity(event) for event in events]


_GET_ONE = {
    "type": ["object"],
    "required": ["id"],
    "properties": {"id": STRING, "includeHistory": BOOLEAN},
}


@methods.declare("events.getOne", _GET_ONE)
async def _get_one(context: Context, params: dict[str, Any]) -> Result:
    event = readable_event(context, params["id"])
    if "deleted" in event:
        event = {"id": event["id"], "deleted": event["deleted"]}
    context.audited["recordCount"] = 1
    result: Result = {"event": with_read_tokens(event, context.access)}
    if params.get("includeHistory"):
        versions = context.platform.db.execute(
            "SELECT doc FROM event_versions"
            " WHERE event = (SELECT key FROM events WHERE user = ? AND id = ?) ORDER BY key",
            (context.user.key, event["id"]),
        )
        result["history"] = [json.loads(doc) for (doc,) in versions]
        context.audited["recordCount"] += len(result["history"])
    return result


def readable_event(context: Context, event_id: str) -> Event:
    """The event with this id; of a deleted one, its deletion.

    Raises:
        ApiError: if there is none, or the caller may not read it.
    """
    found = find(context, event_id)
    if found is None:
        raise unknown_resource("event", event_id)
    _, event = found
    if "deleted" not in event and not any(context.access.can_read(stream_id) for stream_id in event["streamIds"]):
        raise forbidden()
    return event


def find(context: Context, event_id: str) -> tuple[int | None, Event] | None:
    """The event with this id and its key in the database; a field of the account has no key."""
    row = context.platform.db.execute(
        "SELECT key, doc FROM events WHERE user = ? AND id = ?", (context.user.key, event_id)
    ).fetchone()
    if row:
        return row[0], json.loads(row[1])
    for event in _account_events(context, context.platform.clock.now()):
        if event["id"] == event_id:
            return None, event
    return None


# ---- writing

_CREATE = {
    "type": ["object"],
    "required": ["type", "streamIds"],
    "additionalProperties": False,
    "properties": {
        **_PROPERTIES,
        "id": {
            "type": ["string"],
            "pattern": "(?=^:[a-z0-9-]+:)(^:[a-z0-9-]+:[a-z0-9A-Z-]{1,256})|(^c[a-z0-9-]{24}$)|(^[a-z][a-z0-9]{23}$)",
        },
    },
}


@methods.declare("events.create", _CREATE)
async def _create(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    event: Event = {"id": new_id(), "time": now, **params}
    shared_secrets.check_new_event(event)
    event["streamIds"] = _known_streams(context, params["streamIds"])
    event.update(tracked(context.author, now))
    _check_content(event, params)
    if not all(context.access.can_create(stream_id) for stream_id in event["streamIds"]):
        raise forbidden()
    _check_store(event["streamIds"])
    if event_types.is_series(event["type"]):
        event["content"] = event_types.series_content(event["type"])
        event.pop("duration", None)
    if context.files:
        event["attachments"] = context.files
        count_attached(context, sum(item["size"] for item in context.files))
    if consents.is_request(event):
        event["content"] = consents.with_capability(context.platform, context.user, event, context.base_url)
    event = with_integrity(event)
    try:
        stored.insert(context.platform, context.user, event, "local")
    except sqlite3.IntegrityError:
        raise already_exists("event", {"id": event["id"]}, store="local") from None
    context.audited["record"] = record("EVENT", event)
    return _changed(context, "create", event)


def _check_store(stream_ids: list[str]) -> None:
    """Refuse to write to a store that is the platform's own."""
    stores = {system_streams.store_of(stream_id) for stream_id in stream_ids}
    if "account" in stores:
        raise invalid_operation("The account's own fields are changed through the account.")
    if "audit" in stores:
        raise invalid_operation("The audit log is written by the platform alone.")


def _known_streams(context: Context, stream_ids: list[str]) -> list[str]:
    """The streams of a new or changed event, each once.

    Raises:
        ApiError: if one is unknown or in the trash.
    """
    tree = context.platform.tree(context.user)
    streams = {stream_id: tree.get(stream_id) for stream_id in stream_ids}
    missing = [stream_id for stream_id, stream in streams.items() if stream is None]
    if missing:
        raise unknown_reference("stream", "streamIds", missing)
    trashed = [stream_id for stream_id, stream in streams.items() if stream and stream.get("trashed")]
    if trashed:
        message = f'The referenced streams "{",".join(trashed)}" are trashed.'
        raise invalid_operation(message, {"trashedReference": "streamIds"})
    return list(streams)


def _check_content(event: Event, params: dict[str, Any]) -> None:
    """Refuse content that the type of the event does not allow; of a series, any content."""
    event_types.check_type(event["type"])
    if not event_types.is_series(event["type"]):
        event_types.check_content(event["type"], event.get("content"))
    elif params.get("content") is not None:
        message = "The event content's format is invalid."
        raise invalid_parameters("Events of type High-frequency have a read-only content", message)


def with_integrity(event: Event) -> Event:
    """The event as it is stored: without empty members, and with its digest."""
    kept = {
        key: value
        for key, value in event.items()
        if key != "integrity" and (value is not None or key == "duration") and not (key == "trashed" and not value)
    }
    if kept.get("duration") == 0:
        del kept["duration"]
    if kept.get("attachments") == []:
        del kept["attachments"]
    kept["integrity"] = item_integrity("EVENT", kept)
    return kept


def replace(context: Context, key: int, event: Event) -> Event:
    """Write a changed event; returns it as stored."""
    event = with_integrity(event)
    keep_history = context.platform.settings.keep_history and not shared_secrets.is_item(event)
    stored.update(context.platform, context.user, key, event, keep_history=keep_history)
    return event


def erase(context: Context, key: int, event: Event, now: float) -> None:
    """Delete an event with its versions, points and files; only its id and the time of the deletion are kept."""
    db = context.platform.db
    deletion = {"id": event["id"], "deleted": now}
    deletion["integrity"] = item_integrity("EVENT", deletion)
    with context.platform.transaction():
        db.execute("DELETE FROM event_versions WHERE event = ?", (key,))
        db.execute("DELETE FROM event_streams WHERE event = ?", (key,))
        db.execute("DELETE FROM points WHERE event = ?", (key,))
        db.execute(
            "UPDATE events SET type = NULL, time = NULL, end_time = NULL, trashed = 0, modified = NULL, attached = 0,"
            " deleted = ?, doc = ? WHERE key = ?",
            (now, dumps(deletion), key),
        )
    removed = event.get("attachments", [])
    context.platform.files.remove(removed)
    count_attached(context, -sum(item["size"] for item in removed))


def count_attached(context: Context, size: int) -> None:
    """Add to the size of the account's attached files."""
    if size:
        context.platform.db.execute(
            "UPDATE users SET attached_files = attached_files + ? WHERE key = ?", (size, context.user.key)
        )


def _changed(context: Context, action: Action, event: Event) -> Result:
    context.platform.publish(Change(context.user.key, "events", action, event))
    return {"event": with_read_tokens(event, context.access)}


_UPDATE = {
    "type": ["object"],
    "required": ["id", "update"],
    "properties": {
        "id": STRING,
        "update": {
            "type": ["object"],
            "additionalProperties": False,
            "properties": {**_PROPERTIES, "attachments": {"type": "array"}},
        },
    },
}


@methods.declare("events.update", _UPDATE)
async def _update(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    update: dict[str, Any] = dict(params["update"])
    check_alterable(update, _ALTERABLE)
    if "streamIds" in update:
        update["streamIds"] = _known_streams(context, update["streamIds"])
    key, event = _find_to_change(context, params["id"])
    changed = {**event, **update}
    shared_secrets.check_update(event, changed)
    moved = set(event["streamIds"]).symmetric_difference(changed["streamIds"])
    if not all(context.access.can_update(stream_id) for stream_id in moved):
        raise forbidden()
    if event_types.is_series(changed["type"]) != event_types.is_series(event["type"]):
        event_types.check_type(changed["type"])
        raise invalid_operation("Normal events cannot be updated to HF-events and vice versa.")
    if update.get("clientData") is not None:
        changed["clientData"] = merged(event.get("clientData", {}), update["clientData"])
    changed.update(modified=now, modifiedBy=context.author)
    _check_content(changed, update)
    if context.files:
        changed["attachments"] = [*event.get("attachments", []), *context.files]
        count_attached(context, sum(item["size"] for item in context.files))
    changed = replace(context, key, changed)
    context.audited["record"] = record("EVENT", changed)
    return _changed(context, "update", changed)


def _find_to_change(context: Context, event_id: str) -> tuple[int, Event]:
    """The event with this id, which the caller may change, and its key in the database.

    Raises:
        ApiError: if there is none, or the caller may not.
    """
    found = find(context, event_id)
    if found is None:
        raise unknown_resource("event", event_id)
    key, event = found
    if "deleted" in event:
        raise unexpected("event.streamIds is not iterable")
    if not any(context.access.can_update(stream_id) for stream_id in event["streamIds"]):
        raise forbidden()
    _check_store(event["streamIds"])
    assert key is not None  # noqa: S101  (only a field of the account has none)
    return key, event


_DELETE = {"type": ["object"], "required": ["id"], "properties": {"id": STRING}}


@methods.declare("events.delete", _DELETE)
async def _delete(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    key, event = _find_to_change(context, params["id"])
    if not event.get("trashed"):
        if shared_secrets.is_item(event):
            event["content"] = shared_secrets.ended(event["content"], "discarded", now, "deleted")
        event.update(trashed=True, modified=now, modifiedBy=context.author)
        return _changed(context, "trash", replace(context, key, event))
    erase(context, key, event, now)
    context.platform.publish(Change(context.user.key, "events", "delete", event))
    return {"eventDeletion": {"id": event["id"]}}


_DELETE_ATTACHMENT = {
    "type": ["object"],
    "required": ["id", "fileId"],
    "properties": {"id": STRING, "fileId": STRING},
}


@methods.declare("events.deleteAttachment", _DELETE_ATTACHMENT)
async def _delete_attachment(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    key, event = _find_to_change(context, params["id"])
    if "attachments" not in event:
        raise unexpected("the event has no attachments")
    removed = [item for item in event["attachments"] if item["id"] == params["fileId"]]
    if not removed:
        raise unknown_resource("attachment", params["fileId"])
    event["attachments"] = [item for item in event["attachments"] if item not in removed]
    event.update(modified=now, modifiedBy=context.author)
    event = replace(context, key, event)
    context.platform.files.remove(removed)
    count_attached(context, -removed[0]["size"])
    context.platform.publish(Change(context.user.key, "events", "update", {}))  # scopes do not match it
    return {"event": with_read_tokens(event, context.access)}
