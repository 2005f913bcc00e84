"""Streams."""

from __future__ import annotations

import json
from typing import Any

from pryv_sandbox.api import Context, Methods, Result
from pryv_sandbox.changes import Change
from pryv_sandbox.errors import already_exists, forbidden, unknown_reference
from pryv_sandbox.ids import new_id
from pryv_sandbox.stream_tree import StreamTree

methods = Methods()

_STRING = {"type": ["string"]}
_OPTIONAL_STRING = {"type": ["string", "null"]}


def _branch(tree: StreamTree, stream: dict[str, Any]) -> dict[str, Any]:
    return {**stream, "children": [_branch(tree, child) for child in tree.children(stream["id"])]}


@methods.declare("streams.get", {"type": ["object"]})
async def _get(context: Context, params: dict[str, Any]) -> Result:
    tree = context.platform.tree(context.user)
    return {"streams": [_branch(tree, stream) for stream in tree.children(None)]}


_CREATE = {
    "type": ["object"],
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "id": _STRING,
        "name": {"type": ["string"], "minLength": 1},
        "parentId": _OPTIONAL_STRING,
        "clientData": {"type": ["object", "null"]},
        "children": {"type": ["array"]},
        "trashed": {"type": ["boolean"]},
        "created": {"type": ["number"]},
        "createdBy": _STRING,
        "modified": {"type": ["number"]},
        "modifiedBy": _STRING,
    },
}


@methods.declare("streams.create", _CREATE)
async def _create(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    platform, tree = context.platform, context.platform.tree(context.user)
    parent_id = params.get("parentId")
    if not context.access.can_manage(parent_id):
        raise forbidden()
    if parent_id is not None and tree.get(parent_id) is None:
        raise unknown_reference("unknown Stream:", "parentId", parent_id)
    stream = {**params, "id": params.get("id") or new_id(), "parentId": parent_id}
    stream.update(created=now, createdBy=context.author, modified=now, modifiedBy=context.author)
    if tree.get(stream["id"]):
        raise already_exists("stream", {"id": stream["id"]})
    if any(sibling["name"] == stream["name"] for sibling in tree.children(parent_id)):
        raise already_exists("stream", {"name": stream["name"]})
    platform.db.execute(
        "INSERT OR REPLACE INTO streams VALUES (?, ?, NULL, ?)", (context.user.key, stream["id"], json.dumps(stream))
    )
    platform.forget(context.user)
    platform.publish(Change(context.user.username, "streams", "create", stream))
    return {"stream": stream}
