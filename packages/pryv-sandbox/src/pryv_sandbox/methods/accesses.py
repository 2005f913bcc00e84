"""Accesses: tokens with permissions, for apps and for sharing."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from pryv_sandbox.methods import streams, webhooks
from pryv_sandbox.methods.calls import Context, Methods, Result
from pryv_sandbox.methods.schemas import BOOLEAN, NUMBER, OBJECT, STRING, TRACKED
from pryv_sandbox.model import system_streams
from pryv_sandbox.model.access import Access
from pryv_sandbox.model.errors import (
    ApiError,
    already_exists,
    forbidden,
    invalid_operation,
    invalid_parameters,
    invalid_request_structure,
    unknown_resource,
)
from pryv_sandbox.model.ids import new_id, new_token, to_id
from pryv_sandbox.model.integrity import record
from pryv_sandbox.model.merging import merged
from pryv_sandbox.model.tracking import tracked
from pryv_sandbox.model.validation import Validator
from pryv_sandbox.state import accesses as stored
from pryv_sandbox.state.accesses import Doc
from pryv_sandbox.state.changes import Action, Change
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.users import User

methods = Methods()

PERMISSIONS = {
    "type": ["array"],
    "items": {
        "oneOf": [
            {
                "type": ["object"],
                "required": ["streamId", "level"],
                "additionalProperties": False,
                "properties": {
                    "streamId": {"type": ["string", "null"]},
                    "level": {"type": ["string"], "enum": ["none", "read", "create-only", "contribute", "manage"]},
                    "defaultName": {"type": ["string"], "pattern": r"\w+"},
                    "name": STRING,
                },
            },
            {
                "type": ["object"],
                "required": ["feature", "setting"],
                "additionalProperties": False,
                "properties": {"feature": STRING, "setting": {"type": ["string"], "enum": ["forbidden", "allowed"]}},
            },
        ]
    },
}


_INFO = (
    *("type", "name", "permissions", "id", "token", "deviceName", "lastUsed", "expires", "clientData"),
    *("created", "createdBy", "modified", "modifiedBy", "calls"),
)


@methods.declare("getAccessInfo", OBJECT)
async def _info(context: Context, params: dict[str, Any]) -> Result:
    access = context.access
    known = access.doc if access.is_personal else {**access.doc, "permissions": access.permissions}
    info = {key: known[key] for key in _INFO if known.get(key) is not None}
    return {**info, "user": {"username": context.user.username}}


def _public(context: Context, doc: Doc) -> Doc:
    """The access as it is sent: with its versioned id and API endpoint."""
    return {**stored.versioned(doc), "apiEndpoint": context.api_endpoint(doc["token"])}


def _publish(context: Context, action: Action, doc: Doc) -> None:
    context.platform.publish(Change(context.user.key, "accesses", action, stored.versioned(doc)))


# ---- reading


_GET = {
    "type": ["object"],
    "properties": {"includeDeletions": BOOLEAN, "includeExpired": BOOLEAN},
}


@methods.declare("accesses.get", _GET, callers=("personal", "app"))
async def _get(context: Context, params: dict[str, Any]) -> Result:
    now = context.platform.clock.now()
    result: Result = {
        "accesses": [
            _public(context, doc)
            for doc in _visible(context, "deleted IS NULL")
            if params.get("includeExpired") or not stored.is_expired(doc, now)
        ]
    }
    if "includeDeletions" in params:
        result["accessDeletions"] = [stored.versioned(doc) for doc in _visible(context, "deleted IS NOT NULL")]
    return result


def _visible(context: Context, where: str) -> list[Doc]:
    """The accesses that the caller may see: the owner all, an app those that it created."""
    found = stored.select(context.platform, context.user, where)
    return found if context.access.is_personal else [doc for doc in found if doc["createdBy"] == context.access.id]


_GET_ONE = {
    "type": ["object"],
    "required": ["id"],
    "properties": {"id": STRING, "includeHistory": BOOLEAN},
}


@methods.declare("accesses.getOne", _GET_ONE, callers=("personal", "app"))
async def _get_one(context: Context, params: dict[str, Any]) -> Result:
    access_id, serial = stored.parse_reference(params["id"])
    head = stored.find(context.platform, context.user, access_id)
    access = context.access
    if head is None or not (access.is_personal or access.id in (head["id"], head["createdBy"].split(" ")[0])):
        raise unknown_resource("access", params["id"])
    rows = context.platform.db.execute(
        "SELECT doc FROM access_versions WHERE user = ? AND id = ? ORDER BY serial", (context.user.key, access_id)
    )
    history = [json.loads(doc) for (doc,) in rows]
    result: Result
    if serial in (None, head.get("serial")):
        result = {"access": _public(context, head)}
    else:
        versions = [doc for doc in history if doc.get("serial") == serial]
        if not versions:
            raise unknown_resource("access", params["id"])
        result = {"access": _public(context, versions[0]), "current": stored.reference(access_id, head["serial"])}
    if params.get("includeHistory"):
        result["history"] = [_public(context, doc) for doc in history]
    return result


# ---- creating

_BASE: dict[str, Any] = {
    "token": {"type": ["string"], "minLength": 1},
    "apiEndpoint": {"type": ["string"], "minLength": 1},
    "name": {"type": ["string"], "minLength": 1},
    "permissions": PERMISSIONS,
    "lastUsed": NUMBER,
    "integrity": {"type": ["string", "null"]},
    **TRACKED,
}


def _access_schema(required: dict[str, list[str]], every: dict[str, Any], granted: dict[str, Any]) -> dict[str, Any]:
    """The schema of an access: the members each type requires, those of every type, those of app and shared."""

    def of_type(access_type: str, properties: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": ["object"],
            **({"required": required[access_type]} if required else {}),
            "additionalProperties": False,
            "properties": {**_BASE, "type": {"type": ["string"], "enum": [access_type]}, **properties, **every},
        }

    return {
        "anyOf": [
            of_type("personal", {}),
            of_type("app", {"deviceName": STRING, "expireAfter": NUMBER, **granted}),
            of_type("shared", {"deviceName": {"type": ["null"]}, "expireAfter": NUMBER, **granted}),
        ]
    }


_NEW_ACCESS = Validator(
    _access_schema(
        {"personal": ["name"], "app": ["name", "permissions"], "shared": ["name", "permissions"]},
        every={"clientData": OBJECT},
        granted={"randomAlias": BOOLEAN},
    )
)


@methods.declare("accesses.create", OBJECT, callers=("personal", "app"))
async def _create(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    params = {"type": "shared", **params}
    _NEW_ACCESS.check(params)
    access_type = params["type"]
    if access_type == "personal":
        raise forbidden("Personal accesses are created automatically on login.")
    if not _may_grant(context.access, access_type, params["permissions"]):
        raise forbidden("Your access token has insufficient permissions to create this new access.")
    expires = _expiry(params, now)
    _check_expiry(context.access.doc, expires)
    _check_account_streams(params["permissions"])
    if context.access.is_personal:
        for permission in params["permissions"]:
            _ensure_stream(context, permission, now)
    doc: Doc = {
        "id": new_id(),
        "token": to_id(params["token"]) if "token" in params else new_token(),
        "name": params["name"],
        "type": access_type,
        "permissions": _without_names(params["permissions"]),
        **tracked(context.author, now),
    }
    if access_type == "shared":
        doc["deviceName"] = None
    doc.update({key: params[key] for key in ("deviceName", "clientData") if key in params})
    if expires is not None:
        doc["expires"] = expires
    _check_unique(context, doc)
    doc = stored.save(context.platform, context.user, doc)
    context.audited["record"] = record("ACCESS", doc)
    _publish(context, "create", doc)
    return {"access": _public(context, doc)}


def _may_grant(access: Access, access_type: str, permissions: list[dict[str, Any]]) -> bool:
    """Whether the access may create one of this type with these permissions: an app, shared ones within its own."""
    if access.is_personal:
        return True
    granted = [entry for entry in permissions if entry.get("streamId") is not None]
    features = [entry for entry in permissions if "feature" in entry]
    return (
        access.type == "app"
        and access_type == "shared"
        and bool(granted)
        and all(access.can_grant(entry["streamId"], entry["level"]) for entry in granted)
        and all(access.features.get(entry["feature"]) in (None, entry["setting"]) for entry in features)
    )


def _expiry(params: dict[str, Any], now: float) -> float | None:
    after = params.get("expireAfter")
    if after is None:
        return None
    if after < 0:
        raise invalid_parameters(None, "expireAfter cannot be negative.")
    return now + float(after)


def _check_expiry(parent: Doc, expires: float | None) -> None:
    limit = parent.get("expires")
    if limit is not None and expires is not None and expires > limit:
        data = {"parentExpires": limit, "requestedExpires": expires}
        raise invalid_operation("New access cannot expire later than the managing access.", data)


def _check_account_streams(permissions: list[dict[str, Any]]) -> None:
    for entry in permissions:
        stream_id = entry.get("streamId") or ""
        if system_streams.is_account_stream(stream_id):
            if stream_id not in system_streams.SYSTEM_STREAMS:
                raise forbidden("Forbidden")
            if entry["level"] == "manage":
                message = "Only read, create-only and contribute accesses are allowed for system streams"
                raise invalid_operation(message, {"param": stream_id})


def _ensure_stream(context: Context, permission: dict[str, Any], now: float) -> None:
    """Create the stream of a permission that gives a name for it, or take the stream out of the trash."""
    stream_id, name = permission.get("streamId"), permission.get("defaultName")
    if stream_id in (None, "*") or name is None:
        return
    stream = context.platform.tree(context.user).get(stream_id)
    if stream is None:
        if not streams.is_plain_id(stream_id):
            message = f"Error while creating stream for access: forbidden character(s) in stream id '{stream_id}'."
            raise invalid_request_structure(message, permission)
        streams.add(context, {"id": stream_id, "name": name, "parentId": None}, now)
    elif stream.get("trashed"):
        streams.save(context, {**stream, "trashed": False})


def _without_names(permissions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: entry[key] for key in sorted(entry) if key not in ("defaultName", "name")} for entry in permissions]


def _check_unique(context: Context, doc: Doc) -> None:
    db, user = context.platform.db, context.user.key
    others = "SELECT 1 FROM accesses WHERE user = ? AND deleted IS NULL AND id <> ? AND "
    if db.execute(others + "token = ?", (user, doc["id"], doc["token"])).fetchone():
        raise already_exists("access", {"token": "(hidden)"})
    same = "type = ? AND name = ? AND device_name IS ?"
    if db.execute(others + same, (user, doc["id"], doc["type"], doc["name"], doc.get("deviceName"))).fetchone():
        raise already_exists("access", {key: doc[key] for key in ("type", "name", "deviceName") if key in doc})


# ---- changing and deleting

_UPDATE = {
    "type": ["object"],
    "required": ["id", "update"],
    "properties": {
        "id": STRING,
        "update": _access_schema(
            {},
            every={"id": STRING, "clientData": {"type": ["object", "null"]}},
            granted={"expires": {"type": ["null"]}},
        ),
    },
}
_ALTERABLE = ("name", "deviceName", "permissions", "expires", "clientData")


@methods.declare("accesses.update", _UPDATE, callers=("personal", "app"))
async def _update(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    target = _find_current(context, params["id"])
    if not _may_update(context.access, target):
        raise forbidden("Your access token has insufficient permissions to update this access.")
    update = {key: value for key, value in params["update"].items() if key in _ALTERABLE and value != {}}
    if "expireAfter" in params["update"]:
        update["expires"] = _expiry(params["update"], now)
    if "permissions" in update:
        update["permissions"] = _without_names(update["permissions"])
    if update.get("clientData") is not None:
        update["clientData"] = merged(target.get("clientData"), update["clientData"])
    serial = target.get("serial") or 0
    changed = {**target, **update, "serial": serial + 1, "modified": now, "modifiedBy": _author(context)}
    kept_if_null = "deviceName" if changed["type"] == "shared" else None
    changed = {key: value for key, value in changed.items() if value is not None or key == kept_if_null}
    if "permissions" in update or "expires" in update:
        _check_related(context, changed)
    _check_unique(context, changed)
    context.platform.db.execute(
        "INSERT INTO access_versions VALUES (?, ?, ?, ?)", (context.user.key, target["id"], serial, json.dumps(target))
    )
    changed = stored.save(context.platform, context.user, changed)
    _publish(context, "update", changed)
    return {"access": _public(context, {**changed, **_last_used(target)})}


def _author(context: Context) -> str:
    """The author of an update, with the version of the author's access."""
    access = context.access
    return context.author.replace(access.id, stored.reference(access.id, access.doc.get("serial")), 1)


def _last_used(doc: Doc) -> Doc:
    return {"lastUsed": doc["lastUsed"]} if "lastUsed" in doc else {}


def _find_current(context: Context, reference: str) -> Doc:
    """The access with this versioned id.

    Raises:
        ApiError: if there is none, or it has changed since.
    """
    access_id, serial = stored.parse_reference(reference)
    doc = stored.find(context.platform, context.user, access_id)
    if doc is None:
        raise unknown_resource("access", reference)
    if doc.get("serial") != serial:
        message = "Stale access reference — refetch and retry with the current head id."
        raise ApiError(409, "stale-resource", message, {"provided": reference, "currentSerial": doc.get("serial")})
    return doc


def _may_update(access: Access, target: Doc) -> bool:
    """Whether the access may update another: the owner all but personal ones, an app the shared ones it created."""
    if target["type"] == "personal" or target["id"] == access.id:
        return False
    return access.is_personal or (target["type"] == "shared" and target["createdBy"].split(" ")[0] == access.id)


def _check_related(context: Context, changed: Doc) -> None:
    """Refuse an update after which an access would exceed the one that created it."""
    tree = partial(context.platform.tree, context.user)
    if changed["type"] == "shared":
        maker = stored.find(context.platform, context.user, changed["createdBy"].split(" ")[0])
        if maker is None:
            return
        if not _may_grant(Access(maker, tree), "shared", changed["permissions"]):
            raise invalid_operation("new permissions exceed managing access scope", {"managingAccessId": maker["id"]})
        _check_expiry(maker, changed.get("expires"))
        return
    access = Access(changed, tree)
    offending = [
        child["id"]
        for child in stored.created_by(context.platform, context.user, changed["id"])
        if not _may_grant(access, "shared", child["permissions"])
        or changed.get("expires", float("inf")) < child.get("expires", 0)
    ]
    if offending:
        message = "cannot narrow access: would orphan managed shared accesses"
        raise invalid_operation(message, {"offendingChildren": offending})


@methods.declare("accesses.delete", {"type": ["object"], "required": ["id"], "properties": {"id": STRING}})
async def _delete(context: Context, params: dict[str, Any]) -> Result:
    now = await context.stamp()
    target = _find_current(context, params["id"])
    if not _may_delete(context.access, target):
        raise forbidden("Your access token has insufficient permissions to delete this access.")
    made = [] if target["type"] == "personal" else stored.created_by(context.platform, context.user, target["id"])
    related = [doc for doc in made if doc["id"] != target["id"] and not stored.is_expired(doc, now)]
    remove(context.platform, context.user, [target, *related])
    result: Result = {"accessDeletion": {"id": target["id"]}}
    if made:
        result["relatedDeletions"] = [{"id": doc["id"]} for doc in related]
    return result


def remove(platform: Platform, user: User, docs: list[Doc]) -> None:
    """Delete accesses with their webhooks; listeners are notified of the first."""
    now = platform.clock.now()
    for doc in docs:
        deleted = {key: value for key, value in doc.items() if key != "calls"} | {"deleted": now}
        platform.db.execute(
            "UPDATE accesses SET deleted = ?, doc = ? WHERE user = ? AND id = ?",
            (now, json.dumps(deleted), user.key, doc["id"]),
        )
        webhooks.delete_of_access(platform, user, doc["id"])
        platform.forget_access(user, doc["id"])
    for doc in docs[:1]:
        platform.publish(Change(user.key, "accesses", "delete", stored.versioned(doc)))


def _may_delete(access: Access, target: Doc) -> bool:
    if access.is_personal:
        return True
    if target["id"] == access.id:
        return access.features.get("selfRevoke") != "forbidden"
    return access.type == "app" and bool(target["createdBy"] == access.id)
