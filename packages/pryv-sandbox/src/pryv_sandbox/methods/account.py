"""The fields of an account, its password, and its profiles."""

from __future__ import annotations

from typing import Any

from pryv_sandbox.methods import emails
from pryv_sandbox.methods.calls import Context, Methods, Result
from pryv_sandbox.methods.login import check_trusted
from pryv_sandbox.methods.schemas import OBJECT, STRING
from pryv_sandbox.model.errors import invalid_access_token, invalid_operation
from pryv_sandbox.model.ids import new_token
from pryv_sandbox.state.outbox import Mail
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.profiles import change_profile, read_profile
from pryv_sandbox.state.users import User

methods = Methods()

_PASSWORD = {"type": ["string"], "minLength": 6, "maxLength": 100}


# ---- fields


def fields(user: User) -> dict[str, Any]:
    """The fields of an account, with its primary e-mail address only."""
    return {
        "username": user.username,
        "email": user.email,
        "language": user.language,
        "storageUsed": {"dbDocuments": 0, "attachedFiles": user.attached_files},
    }


def _account(context: Context) -> Result:
    user = context.platform.users.read(context.user.key)
    return {"account": {**fields(user), "emails": emails.listed(context)}}


@methods.declare("account.get", OBJECT, callers=("personal",))
async def _get(context: Context, params: dict[str, Any]) -> Result:
    return _account(context)


_UPDATE = {
    "type": ["object"],
    "required": ["update"],
    "properties": {
        "update": {
            "type": ["object"],
            "additionalProperties": False,
            "properties": {
                "email": {"type": ["string"], "maxLength": 300},
                "language": {"type": ["string"], "minLength": 1, "maxLength": 5},
                "emails": emails.OPERATIONS,
            },
        }
    },
}


@methods.declare("account.update", _UPDATE, callers=("personal",))
async def _update(context: Context, params: dict[str, Any]) -> Result:
    update = params["update"]
    if "email" in update:
        emails.replace_primary(context, update["email"])
    emails.change(context, update.get("emails", {}))
    context.platform.db.execute(
        "UPDATE users SET language = ? WHERE key = ?",
        (update.get("language", context.user.language), context.user.key),
    )
    return _account(context)


# ---- password

_CHANGE_PASSWORD = {
    "type": ["object"],
    "required": ["oldPassword", "newPassword"],
    "additionalProperties": False,
    "properties": {"oldPassword": STRING, "newPassword": _PASSWORD},
}


@methods.declare("account.changePassword", _CHANGE_PASSWORD, callers=("personal",))
async def _change_password(context: Context, params: dict[str, Any]) -> Result:
    if not context.platform.users.has_password(context.user, params["oldPassword"]):
        raise invalid_operation("The given password does not match.")
    context.platform.users.set_password(context.user, params["newPassword"])
    return {}


_REQUEST_RESET = {
    "type": ["object"],
    "required": ["appId"],
    "properties": {"appId": STRING, "origin": STRING},
}


@methods.declare("account.requestPasswordReset", _REQUEST_RESET, public=True)
async def _request_password_reset(context: Context, params: dict[str, Any]) -> Result:
    check_trusted(context, params.get("origin", ""))
    expires = context.platform.clock.now() + context.platform.settings.reset_lifetime
    token = new_token()
    context.platform.db.execute("INSERT INTO password_resets VALUES (?, ?, ?)", (token, context.user.key, expires))
    context.platform.outbox.mails.append(Mail(context.user.email, "reset-password", token))
    context.check_no_access()
    return {}


def reset_token(platform: Platform, username: str) -> str:
    """The token in the last e-mail to reset the user's password.

    Raises:
        LookupError: if there is none, or it has been used.
    """
    row = platform.db.execute(
        "SELECT token FROM password_resets JOIN users ON users.key = user WHERE username = ?"
        " ORDER BY password_resets.rowid DESC",
        (username,),
    ).fetchone()
    if row is None:
        raise LookupError(f"no password reset is under way for {username}")
    token: str = row[0]
    return token


_RESET = {
    "type": ["object"],
    "required": ["appId", "resetToken", "newPassword"],
    "properties": {"appId": STRING, "origin": STRING, "resetToken": STRING, "newPassword": _PASSWORD},
}


@methods.declare("account.resetPassword", _RESET, public=True)
async def _reset_password(context: Context, params: dict[str, Any]) -> Result:
    check_trusted(context, params.get("origin", ""))
    used = context.platform.db.execute(
        "DELETE FROM password_resets WHERE token = ? AND user = ? AND expires > ?",
        (params["resetToken"], context.user.key, context.platform.clock.now()),
    ).rowcount
    if not used:
        raise invalid_access_token("The reset token is invalid or expired")
    context.platform.users.set_password(context.user, params["newPassword"])
    context.check_no_access()
    return {}


# ---- profiles

_GET_PROFILE = {"type": ["object"], "required": ["id"], "properties": {"id": STRING}}
_UPDATE_PROFILE = {
    "type": ["object"],
    "required": ["id", "update"],
    "properties": {"id": STRING, "update": OBJECT},
}
_UPDATE_APP_PROFILE = {"type": ["object"], "required": ["update"], "properties": {"update": OBJECT}}


def _app_profile_id(context: Context) -> str:
    if context.access.type != "app":
        raise invalid_operation("This resource is only available to app accesses.")
    app_id: str = context.access.doc["name"]
    return app_id


@methods.declare("profile.get", _GET_PROFILE, callers=("personal",))
async def _get_profile(context: Context, params: dict[str, Any]) -> Result:
    return {"profile": read_profile(context.platform, context.user, params["id"])}


@methods.declare("profile.update", _UPDATE_PROFILE, callers=("personal",))
async def _update_profile(context: Context, params: dict[str, Any]) -> Result:
    return {"profile": change_profile(context.platform, context.user, params["id"], params["update"])}


@methods.declare("profile.getPublic", OBJECT)
async def _get_public_profile(context: Context, params: dict[str, Any]) -> Result:
    return {"profile": read_profile(context.platform, context.user, "public")}


@methods.declare("profile.getApp", OBJECT)
async def _get_app_profile(context: Context, params: dict[str, Any]) -> Result:
    return {"profile": read_profile(context.platform, context.user, _app_profile_id(context))}


@methods.declare("profile.updateApp", _UPDATE_APP_PROFILE)
async def _update_app_profile(context: Context, params: dict[str, Any]) -> Result:
    return {"profile": change_profile(context.platform, context.user, _app_profile_id(context), params["update"])}
