"""Streams."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from pryv_sandbox.methods import events
from pryv_sandbox.methods.calls import Context, Methods, Pages, Result
from pryv_sandbox.methods.schemas import BOOLEAN, STRING, TRACKED, check_alterable
from pryv_sandbox.model.access import Access
from pryv_sandbox.model.errors import (
    ApiError,
    already_exists,
    forbidden,
    invalid_operation,
    invalid_parameters,
    invalid_request_structure,
    unknown_reference,
    unknown_resource,
)
from pryv_sandbox.model.ids import new_id, to_id
from pryv_sandbox.model.merging import merged
from pryv_sandbox.model.shared_secrets import check_stream
from pryv_sandbox.model.stream_tree import Stream, StreamTree
from pryv_sandbox.model.system_streams import CMC_APPS, SYSTEM_STREAMS
from pryv_sandbox.model.tracking import tracked
from pryv_sandbox.state.changes import Action, Change
from pryv_sandbox.state.events import Event

methods = Methods()

_PROPERTIES: dict[str, Any] = {
    "id": {"type": ["string"], "minLength": 1},
    "name": {"type": ["string"], "minLength": 1},
    "parentId": {"type": ["string", "null"], "minLength": 1},
    "clientData": {"type": ["object", "null"]},
    "trashed": {"type": ["boolean", "null"]},
    "children": {"type": ["array", "null"]},
    "childrenHidden": {"type": ["boolean", "null"]},
    **TRACKED,
}
_ALTERABLE = ("name", "parentId", "clientData", "trashed")
_RESERVED_IDS = ("null", "undefined", "*", "")


# ---- reading

_GET = {
    "type": ["object"],
    "properties": {
        "parentId": STRING,
        "id": STRING,
        "state": {"type": ["string"], "enum": ["default", "all"]},
        "includeDeletionsSince": {"type": ["number"]},
    },
}


@methods.declare("streams.get", _GET)
async def _get(context: Context, params: dict[str, Any]) -> Result:
    parent_id, stream_id = params.get("parentId"), params.get("id")
    if parent_id and stream_id:
        raise invalid_request_structure('Do not mix "parentId" and "id" parameter in request')
    view = _View(context.platform.tree(context.user), context.access, with_trashed=params.get("state") == "all")
    result: Result = {"streams": view.below(parent_id, stream_id)}
    if "includeDeletionsSince" in params:
        rows = context.platform.db.execute(
            "SELECT id, deleted FROM streams WHERE user = ? AND deleted > ? ORDER BY deleted",
            (context.user.key, float(params["includeDeletionsSince"])),
        )
        result["streamDeletions"] = [{"id": deleted_id, "deleted": deleted} for deleted_id, deleted in rows]
    return result


class _View:
    """The part of the tree that an access may see."""

    def __init__(self, tree: StreamTree, access: Access, *, with_trashed: bool) -> None:
        self._tree = tree
        self._access = access
        self._with_trashed = with_trashed
        self._hidden = access.unlistable()

    def below(self, parent_id: str | None, stream_id: str | None) -> list[Stream]:
        """The children of ``parent_id``, or the stream ``stream_id``, or all that can be seen."""
        named = parent_id or stream_id
        if named is None:
            if self._access.can_list("*"):
                return self._branches(self._tree.children(None))
            granted = [self._tree.get(item) for item in self._access.listable() if self._is_within_reach(item)]
            return [self._as_root(branch) for branch in self._branches([stream for stream in granted if stream])]
        if not self._access.can_list(named):
            raise forbidden(f"Insufficient permissions or non-existant stream [{named}]")
        stream = self._tree.get(named)
        branches = self._branches([stream]) if stream else []
        if not branches:
            raise unknown_reference("unknown Stream:", "parentId" if parent_id else "id", named)
        return self._branches(self._tree.children(named)) if parent_id else [self._as_root(branches[0])]

    def _branches(self, streams: list[Stream]) -> list[Stream]:
        return [
            {**stream, "children": [] if stream.get("childrenHidden") else self._children_of(stream)}
            for stream in streams
            if self._is_shown(stream)
        ]

    def _is_shown(self, stream: Stream) -> bool:
        return stream["id"] not in self._hidden and (self._with_trashed or not stream.get("trashed"))

    def _is_within_reach(self, stream_id: str) -> bool:
        """Whether nothing above a granted stream is hidden; it is then listed only by its own id."""
        ancestors = [self._tree.get(ancestor) for ancestor in self._tree.lineage(stream_id)]
        return all(self._is_shown(ancestor) for ancestor in ancestors if ancestor)

    def _children_of(self, stream: Stream) -> list[Stream]:
        return self._branches(self._tree.children(stream["id"]))

    def _as_root(self, branch: Stream) -> Stream:
        parent_id = branch["parentId"]
        return branch if parent_id is None or self._access.can_list(parent_id) else {**branch, "parentId": None}


# ---- writing

_CREATE = {"type": "object", "required": ["name"], "additionalProperties": False, "properties": _PROPERTIES}


@methods.declare("streams.create", _CREATE)
async def _create(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    parent_id = params.get("parentId")
    check_stream(params.get("id"), parent_id)
    if not context.access.can_manage(parent_id):
        raise forbidden()
    _check_parent(context, parent_id, "unknown Stream:")
    stream_id = to_id(params["id"]) if "id" in params else new_id()
    if stream_id in _RESERVED_IDS or params.get("id") in _RESERVED_IDS:
        raise ApiError(400, "invalid-item-id", f'The specified id "{params["id"]}" is not allowed.')
    return _changed(context, "create", add(context, {**params, "id": stream_id, "parentId": parent_id}, now))


def is_plain_id(stream_id: str) -> bool:
    """Whether a stream may be created with this id for a permission."""
    return re.match("[a-z0-9-]{1,100}", stream_id) is not None


def _check_parent(context: Context, parent_id: str | None, kind: str) -> None:
    if parent_id is None:
        return
    parent = context.platform.tree(context.user).get(parent_id)
    if parent is None:
        raise unknown_reference(kind, "parentId", parent_id)
    if parent.get("trashed"):
        raise invalid_operation("parent stream is trashed", "parentId")


def add(context: Context, stream: Stream, now: float) -> Stream:
    """Write a new stream; returns it as stored.

    Raises:
        ApiError: if its id is taken, a sibling has its name, or it would be a system stream.
    """
    stream = {**stream, **tracked(context.author, now)}
    _check_store(stream)
    if context.platform.tree(context.user).get(stream["id"]):
        raise already_exists("stream", {"id": stream["id"]})
    return save(context, stream)


def _check_store(stream: Stream) -> None:
    """Refuse a stream that would be a system stream."""
    is_system, below_system = stream["id"].startswith(":"), (stream["parentId"] or "").startswith(":")
    if is_system is not below_system:
        raise invalid_request_structure("A stream and its parent must be in the same store.", stream)
    if is_system and not stream["id"].startswith(f"{CMC_APPS}:"):
        raise _system_stream_is_fixed()


def _system_stream_is_fixed() -> ApiError:
    return invalid_operation("System streams cannot be changed.")


def save(context: Context, stream: Stream) -> Stream:
    """Write a stream; returns it as stored.

    Raises:
        ApiError: if a sibling has its name.
    """
    platform, user = context.platform, context.user
    _check_name(context, stream, stream["parentId"])
    kept = {
        key: value
        for key, value in stream.items()
        if key not in ("children", "childrenHidden") and (value not in (None, False) or key == "parentId")
    }
    platform.db.execute(
        "INSERT OR REPLACE INTO streams VALUES (?, ?, NULL, ?)", (user.key, kept["id"], json.dumps(kept))
    )
    platform.forget(user)
    return kept


def _check_name(context: Context, stream: Stream, parent_id: str | None) -> None:
    siblings = context.platform.tree(context.user).children(parent_id)
    if any(sibling["name"] == stream["name"] and sibling["id"] != stream["id"] for sibling in siblings):
        raise already_exists("stream", {"name": stream["name"]})


def _changed(context: Context, action: Action, stream: Stream) -> Result:
    context.platform.publish(Change(context.user.key, "streams", action, stream))
    return {"stream": stream}


_UPDATE = {
    "type": ["object"],
    "required": ["id", "update"],
    "properties": {
        "id": STRING,
        "update": {"type": "object", "additionalProperties": False, "properties": _PROPERTIES},
    },
}


@methods.declare("streams.update", _UPDATE)
async def _update(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    update = {key: value for key, value in params["update"].items() if value != {}}  # that changes no `clientData`
    check_alterable(update, _ALTERABLE)
    check_stream(params["id"], update.get("parentId"))
    if params["id"] and params["id"] in context.platform.tree(context.user).lineage(update.get("parentId") or ""):
        raise invalid_operation('The provided "parentId" is the stream itself or below it.', update)
    stream = _find_to_change(context, params["id"])
    # The new parent is checked even if the update has none: it is then the root, which needs `manage` on all streams.
    if not context.access.can_manage(update.get("parentId")):
        raise forbidden()
    parent_id = update.get("parentId", stream["parentId"])
    if parent_id != stream["parentId"]:
        _check_parent(context, parent_id, "parent stream")
    changed = {**stream, **update, "modified": now, "modifiedBy": context.author}
    _check_store(changed)
    if "name" in update:
        _check_name(context, changed, update.get("parentId"))  # as above: without a parent, with those of the root
    if update.get("clientData") is not None:
        changed["clientData"] = merged(stream.get("clientData"), update["clientData"])
    return _changed(context, "update", save(context, changed))


def _find_to_change(context: Context, stream_id: str) -> Stream:
    stream = context.platform.tree(context.user).get(stream_id)
    if stream is None:
        raise unknown_resource("stream", stream_id)
    if not context.access.can_manage(stream_id):
        raise forbidden()
    if stream_id in SYSTEM_STREAMS:
        raise _system_stream_is_fixed()
    return stream


_DELETE = {
    "type": ["object"],
    "required": ["id"],
    "properties": {"id": STRING, "mergeEventsWithParent": BOOLEAN},
}


@methods.declare("streams.delete", _DELETE)
async def _delete(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    check_stream(params["id"])
    stream = _find_to_change(context, params["id"])
    if not stream.get("trashed"):
        trashed = {**stream, "trashed": True, "modified": now, "modifiedBy": context.author}
        return _changed(context, "trash", save(context, trashed))
    merge = params.get("mergeEventsWithParent")
    if merge and stream["parentId"] is None:
        message = "Deleting a root stream with mergeEventsWithParent=true is rejected: it has no parent to merge with."
        raise invalid_operation(message, {"streamId": stream["id"]})
    deleted_ids = list(context.platform.tree(context.user).expand(stream["id"]))
    linked = _linked_events(context, deleted_ids)
    if linked and merge is None:
        message = "There are events referring to the deleted items and `mergeEventsWithParent` is missing."
        raise invalid_parameters(None, message)
    new_parent = stream["parentId"] if merge else None
    updated = [_unlink(context, key, event, deleted_ids, new_parent, now) for key, event in linked]
    _remove(context, deleted_ids, now)
    if linked:
        context.platform.publish(Change(context.user.key, "events", "update", {}))
    context.platform.publish(Change(context.user.key, "streams", "delete", stream))
    return {"updatedEvents": Pages(_page(updated)), "streamDeletion": {"id": stream["id"]}}


def _linked_events(context: Context, stream_ids: list[str]) -> list[tuple[int, Event]]:
    """The events in these streams with their keys, the latest first, without those in the trash."""
    rows = context.platform.db.execute(
        "SELECT key, doc FROM events WHERE NOT trashed AND key IN"
        " (SELECT event FROM event_streams WHERE user = ? AND stream IN (SELECT value FROM json_each(?)))"
        " ORDER BY time DESC, key DESC",
        (context.user.key, json.dumps(stream_ids)),
    )
    return [(key, json.loads(doc)) for key, doc in rows]


def _unlink(
    context: Context, key: int, event: Event, deleted_ids: list[str], new_parent: str | None, now: float
) -> str:
    """Take an event out of the deleted streams; returns what was done with it, as JSON."""
    kept = [stream_id for stream_id in event["streamIds"] if stream_id not in deleted_ids]
    if new_parent is not None:
        kept = list(dict.fromkeys([*kept, new_parent]))
    if kept:
        events.replace(context, key, {**event, "streamIds": kept})
        outcome = "mergedToParent" if new_parent is not None else "updatedStreamIds"
    else:
        events.erase(context, key, event, now)
        outcome = "deleted"
    return json.dumps({"action": outcome, "id": event["id"]})


def _remove(context: Context, stream_ids: list[str], now: float) -> None:
    rows = ((now, json.dumps({"id": stream_id}), context.user.key, stream_id) for stream_id in stream_ids)
    context.platform.db.executemany("UPDATE streams SET deleted = ?, doc = ? WHERE user = ? AND id = ?", rows)
    context.platform.forget(context.user)


async def _page(items: list[str]) -> AsyncIterator[list[str]]:
    if items:
        yield items
