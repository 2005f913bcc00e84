"""Compare the permissions that an app requests with the accesses and streams of the account."""

from __future__ import annotations

from typing import Any

from pryv_sandbox.methods.accesses import PERMISSIONS
from pryv_sandbox.methods.calls import Context, Methods, Result
from pryv_sandbox.methods.schemas import OBJECT, STRING
from pryv_sandbox.model.errors import invalid_parameters
from pryv_sandbox.state import accesses as stored
from pryv_sandbox.state.accesses import Doc

methods = Methods()

_CHECK_APP = {
    "type": ["object"],
    "required": ["requestingAppId", "requestedPermissions"],
    "additionalProperties": False,
    "properties": {
        "requestingAppId": STRING,
        "deviceName": STRING,
        "requestedPermissions": PERMISSIONS,
        "clientData": OBJECT,
    },
}


@methods.declare("accesses.checkApp", _CHECK_APP, callers=("personal",))
async def _check_app(context: Context, params: dict[str, Any]) -> Result:
    found = stored.select(
        context.platform,
        context.user,
        "deleted IS NULL AND type = 'app' AND name = ? AND device_name IS ?",
        params["requestingAppId"],
        params.get("deviceName"),
    )
    if found and _grants(found[0], params, context.platform.clock.now()):
        return {"matchingAccess": stored.versioned(found[0])}
    result: Result = {"mismatchingAccess": stored.versioned(found[0])} if found else {}
    checked = [_checked(context, dict(permission)) for permission in params["requestedPermissions"]]
    result["checkedPermissions"] = [permission for permission, _ in checked]
    if any(renamed for _, renamed in checked):
        result["error"] = {
            "id": "item-already-exists",
            "message": "One or more requested streams have the names of existing streams with other ids;"
            ' their "defaultName" has been changed.',
        }
    return result


def _grants(doc: Doc, asked: dict[str, Any], now: float) -> bool:
    """Whether the access is valid, and has exactly the permissions that the app requests."""

    def levels(permissions: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return sorted((str(entry.get("streamId")), str(entry.get("level"))) for entry in permissions)

    return (
        not stored.is_expired(doc, now)
        and levels(doc["permissions"]) == levels(asked["requestedPermissions"])
        and doc.get("clientData") == asked.get("clientData")
    )


def _checked(context: Context, permission: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The permission with the name of its stream, or a name that is free, and whether the given name was taken."""
    stream_id = permission.get("streamId", "undefined")
    if stream_id == "*":
        permission.pop("defaultName", None)
        return permission, False
    if "defaultName" not in permission:
        problem = f'The permission for stream "{stream_id}" (and maybe others) is missing the required "defaultName".'
        raise invalid_parameters(problem)
    tree = context.platform.tree(context.user)
    stream = tree.get(str(stream_id))
    wanted = permission.pop("defaultName")
    if stream is not None:
        return {**permission, "name": stream["name"]}, False
    taken = {root["name"] for root in tree.children(None)}
    number, name = 0, wanted
    while name in taken:
        number += 1
        name = f"{wanted} ({number})"
    return {**permission, "defaultName": name}, number > 0
