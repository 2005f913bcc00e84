"""The name of an account: it can be changed, and the former ones stay in use in URLs."""

from __future__ import annotations

from typing import Any

from pryv_sandbox.methods.account import fields
from pryv_sandbox.methods.calls import Context, Methods, Result
from pryv_sandbox.methods.registration import USERNAME, is_reserved
from pryv_sandbox.methods.schemas import OBJECT
from pryv_sandbox.model.errors import already_exists, invalid_operation

methods = Methods()


@methods.declare("account.usernameChanges", OBJECT, callers=("personal",))
async def _changes(context: Context, params: dict[str, Any]) -> Result:
    used, limit = context.platform.users.renames(context.user), context.platform.settings.username_changes
    return {
        "usernameChangesUsed": used,
        "usernameChangesLimit": limit,
        "usernameChangesRemaining": max(0, limit - used),
    }


_CHANGE = {"type": ["object"], "required": ["newUsername"], "properties": {"newUsername": USERNAME}}


@methods.declare("account.changeUsername", _CHANGE, callers=("personal",))
async def _change(context: Context, params: dict[str, Any]) -> Result:
    platform, user, name = context.platform, context.user, params["newUsername"]
    used, limit = platform.users.renames(user), platform.settings.username_changes
    if name == user.username:
        raise invalid_operation("The new username is identical to the current one.")
    if used >= limit:
        data = {"usernameChangesUsed": used, "usernameChangesLimit": limit}
        raise invalid_operation("Username change limit reached.", data)
    if is_reserved(name):
        raise invalid_operation("This username is reserved.", {"newUsername": name})
    if platform.users.find(name):
        raise already_exists("user", {"username": name})
    with platform.transaction():
        platform.users.rename(user, name)
    platform.forget(user)
    return {"usernameChangesRemaining": limit - used - 1, "account": fields(platform.users.read(user.key))}
