"""Shared secrets: values that can be read once, by anyone who has the key."""

from __future__ import annotations

from typing import Any

from pryv_sandbox.methods import events
from pryv_sandbox.methods.calls import Context, Methods, Result
from pryv_sandbox.methods.schemas import OBJECT
from pryv_sandbox.model import shared_secrets as model
from pryv_sandbox.model.errors import forbidden, unknown_resource
from pryv_sandbox.model.ids import new_id
from pryv_sandbox.model.system_streams import SHARED_SECRETS
from pryv_sandbox.model.tracking import tracked
from pryv_sandbox.state import events as stored
from pryv_sandbox.state.events import Event

methods = Methods()


@methods.declare("sharedSecrets.create", OBJECT)
async def _create(context: Context, params: dict[str, Any]) -> Result:
    if context.access.features.get("secretSharing") == "forbidden":
        raise forbidden("This access may not create shared secrets.", {"id": "shared-secret-forbidden"})
    model.check_new(params)
    now, item_id, creator = context.platform.clock.now(), new_id(), context.access.id
    key, key_hash = model.new_key(item_id)
    item = events.with_integrity(
        {
            "id": item_id,
            "streamIds": [SHARED_SECRETS + creator],
            "time": now,
            "duration": params["ttl"],
            "type": model.EVENT_TYPE,
            "content": model.new_content(params, params.get("keyHash", key_hash), now),
            **tracked(creator, now),
        }
    )
    stored.insert(context.platform, context.user, item, "shared-secrets")
    shown = model.public(item, now)
    return {"sharedSecret": shown if "keyHash" in params else {**shown, "key": key}}


@methods.declare("sharedSecrets.getOne", OBJECT)
async def _get_one(context: Context, params: dict[str, Any]) -> Result:
    _, item = _find(context, params)
    if not context.access.is_personal and SHARED_SECRETS + context.access.id not in item["streamIds"]:
        raise unknown_resource("shared secret")
    return {"sharedSecret": model.public(item, context.platform.clock.now())}


@methods.declare("sharedSecrets.retrieve", OBJECT, public=True)
async def _retrieve(context: Context, params: dict[str, Any]) -> Result:
    key, item = _find(context, params)
    content, proof, now = item["content"], params.get("signature"), context.platform.clock.now()
    if content["status"] != "pending":
        raise model.unavailable(content)
    if now > item["time"] + item["duration"]:
        _end(context, key, item, model.ended(content, "discarded", now, "expired"))
        raise model.unavailable(content)
    if not model.is_proven(content, proof):
        if isinstance(proof, dict) and "payload" in proof:
            _end(context, key, item, model.ended(content, "discarded", now, "Secret does not match"))
        raise model.unavailable(content)
    _end(context, key, item, model.ended(content, "consumed", now))
    return {"secret": content["secret"]}


def _find(context: Context, params: dict[str, Any]) -> tuple[int | None, Event]:
    """The item of a key. The errors do not say what is wrong with the key."""
    parsed = model.parse_key(params.get("key"))
    found = events.find(context, parsed[0]) if parsed else None
    if parsed is None or found is None or not model.fits(found[1], parsed[1]):
        raise unknown_resource("shared secret")
    return found


def _end(context: Context, key: int | None, item: Event, content: model.Content) -> None:
    """Write an item whose status has changed. No former version is kept: it has the secret."""
    now = content["statusHistory"][-1]["time"]
    ended = events.with_integrity({**item, "content": content, "trashed": True, "modified": now})
    stored.update(context.platform, context.user, key, ended, keep_history=False)
