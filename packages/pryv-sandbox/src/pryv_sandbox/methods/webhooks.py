"""Webhooks: URLs that are called when an account changes."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import Any

import aiohttp

from pryv_sandbox.methods.calls import Context, Methods, Result
from pryv_sandbox.methods.schemas import NUMBER, OBJECT, STRING, TRACKED, check_alterable
from pryv_sandbox.methods.scopes import Scope
from pryv_sandbox.model.errors import already_exists, forbidden, unknown_reference, unknown_resource
from pryv_sandbox.model.ids import new_id
from pryv_sandbox.model.tracking import tracked
from pryv_sandbox.state.changes import Action, Change
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.users import User

methods = Methods()

Doc = dict[str, Any]

_RUN = {
    "type": ["object"],
    "required": ["status", "timestamp"],
    "properties": {"status": NUMBER, "timestamp": NUMBER},
}
_WEBHOOK: dict[str, Any] = {
    "type": ["object"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("id", "accessId", "url", "state"), STRING),
        **dict.fromkeys(("runCount", "failCount", "currentRetries", "maxRetries", "minIntervalMs"), NUMBER),
        "lastRun": _RUN,
        "runs": {"type": ["array"], "items": _RUN},
        "scopes": OBJECT,
        **TRACKED,
    },
}
_ONE = {"type": ["object"], "required": ["id"], "properties": {"id": STRING}}


def select(platform: Platform, user: User) -> list[Doc]:
    """The webhooks of an account, oldest first."""
    rows = platform.db.execute("SELECT doc FROM webhooks WHERE user = ? ORDER BY key", (user.key,))
    return [json.loads(doc) for (doc,) in rows]


def change(platform: Platform, user: User, webhook: Doc, changes: Doc) -> Doc:
    """Change members of a webhook; returns it as stored."""
    changed = {**_read(platform, user, webhook["id"]), **changes}
    platform.db.execute(
        "UPDATE webhooks SET doc = ? WHERE user = ? AND id = ?", (json.dumps(changed), user.key, webhook["id"])
    )
    return changed


def delete_of_access(platform: Platform, user: User, access_id: str) -> None:
    """Delete the webhooks that an access has created."""
    for webhook in select(platform, user):
        if webhook["accessId"] == access_id:
            _delete_one(platform, user, webhook)


def _delete_one(platform: Platform, user: User, webhook: Doc) -> None:
    platform.db.execute("DELETE FROM webhooks WHERE user = ? AND id = ?", (user.key, webhook["id"]))
    _publish(platform, user, "delete", webhook)


def _publish(platform: Platform, user: User, action: Action, webhook: Doc) -> None:
    platform.publish(Change(user.key, "webhooks", action, webhook))


def _read(platform: Platform, user: User, webhook_id: str) -> Doc:
    row = platform.db.execute("SELECT doc FROM webhooks WHERE user = ? AND id = ?", (user.key, webhook_id)).fetchone()
    if row is None:
        raise unknown_resource("webhook", webhook_id)
    webhook: Doc = json.loads(row[0])
    return webhook


def _find(context: Context, webhook_id: str) -> Doc:
    """The webhook with this id, if the caller is the owner of the account or has created it."""
    webhook = _read(context.platform, context.user, webhook_id)
    if not context.access.is_personal and webhook["accessId"] != context.access.id:
        raise forbidden("The webhook was not created by this app access.")
    return webhook


def bind(context: Context, scopes: Doc) -> dict[str, Scope]:
    """The scopes of a webhook, resolved to what the access may read.

    Raises:
        ApiError: one is not valid, or asks for more than the access may read.
    """
    return {key: Scope(context, scope.get("kind", "events"), scope.get("query", {})) for key, scope in scopes.items()}


def _public(scopes: dict[str, Scope]) -> Doc:
    return {key: {"kind": scope.kind, "query": scope.query} for key, scope in scopes.items()}


async def post(session: aiohttp.ClientSession, url: str, messages: list[str | None], now: float) -> int:
    """Call a webhook; returns the status of the response, 0 if there is none."""
    body = {"messages": messages, "meta": {"serverTime": now}}
    try:
        async with session.post(url, json=body, headers={"User-Agent": "node"}) as response:
            return response.status
    except (aiohttp.ClientError, asyncio.TimeoutError):
        return 0


def is_success(status: int) -> bool:
    """Whether a webhook that responds with this status has received its messages."""
    return 200 <= status < 300


@methods.declare("webhooks.get", OBJECT)
async def _get(context: Context, params: dict[str, Any]) -> Result:
    webhooks = select(context.platform, context.user)
    if context.access.type == "app":  # others see them all
        webhooks = [webhook for webhook in webhooks if webhook["accessId"] == context.access.id]
    return {"webhooks": webhooks}


@methods.declare("webhooks.getOne", _ONE)
async def _get_one(context: Context, params: dict[str, Any]) -> Result:
    return {"webhook": _find(context, params["id"])}


@methods.declare("webhooks.create", {**_WEBHOOK, "required": ["url"]}, callers=("app", "shared"))
async def _create(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    scopes = bind(context, params.get("scopes", {}))
    webhook: Doc = {
        "id": new_id(),
        "accessId": context.access.id,
        "url": params["url"],
        "state": "active",
        "runCount": 0,
        "failCount": 0,
        "lastRun": {"status": 0, "timestamp": 0},
        "runs": [],
        "currentRetries": 0,
        "maxRetries": 5,
        "minIntervalMs": 5000,
        **params,
        **tracked(context.author, now),
    }
    if "scopes" in params:
        webhook["scopes"] = _public(scopes)
    try:
        context.platform.db.execute(
            "INSERT INTO webhooks (user, id, access, url, doc) VALUES (?, ?, ?, ?, ?)",
            (context.user.key, webhook["id"], webhook["accessId"], webhook["url"], json.dumps(webhook)),
        )
    except sqlite3.IntegrityError:
        raise already_exists("webhook", {"url": webhook["url"]}) from None
    _publish(context.platform, context.user, "create", webhook)
    return {"webhook": webhook}


_UPDATE = {"type": ["object"], "required": ["id", "update"], "properties": {"id": STRING, "update": _WEBHOOK}}


@methods.declare("webhooks.update", _UPDATE)
async def _update(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    update = params["update"]
    check_alterable(update, ("state", "scopes"))
    webhook = _find(context, params["id"])
    changes = {**update, "modified": now, "modifiedBy": context.author}
    if update.get("state") == "active":
        changes["currentRetries"] = 0
    if "scopes" in update:
        changes["scopes"] = _public(bind(context, update["scopes"]))
    changed = change(context.platform, context.user, webhook, changes)
    _publish(context.platform, context.user, "update", changed)
    return {"webhook": changed}


@methods.declare("webhooks.delete", _ONE)
async def _delete(context: Context, params: dict[str, Any]) -> Result:
    webhook = _find(context, params["id"])
    _delete_one(context.platform, context.user, webhook)
    return {"webhookDeletion": {"id": webhook["id"], "deleted": context.platform.clock.now()}}


@methods.declare("webhooks.test", _ONE)
async def _test(context: Context, params: dict[str, Any]) -> Result:
    webhook = _find(context, params["id"])
    async with aiohttp.ClientSession() as session:
        status = await post(session, webhook["url"], ["test"], context.platform.clock.now())
    if not is_success(status):
        raise unknown_reference("webhook", "url", webhook["url"])
    return {"webhook": webhook}
