"""The e-mail addresses of an account, and their verification."""

from __future__ import annotations

import math
import secrets
from typing import Any

from pryv_sandbox.methods.calls import Context, Methods, Result
from pryv_sandbox.methods.login import check_trusted
from pryv_sandbox.methods.schemas import STRING
from pryv_sandbox.model.errors import already_exists, invalid_access_token, invalid_operation
from pryv_sandbox.state.outbox import Mail

methods = Methods()

_VALUES = {"type": ["array"], "maxItems": 20, "items": {"type": ["string"], "maxLength": 300}}
OPERATIONS = {
    "type": ["object"],
    "additionalProperties": False,
    "properties": {"add": _VALUES, "remove": _VALUES, "setPrimary": STRING, "resend": _VALUES},
}


def listed(context: Context) -> list[dict[str, Any]]:
    """The addresses of the account, the last added first."""
    rows = context.platform.db.execute(
        "SELECT value, is_primary, is_verified, verified_at, method FROM emails WHERE user = ? ORDER BY key DESC",
        (context.user.key,),
    )
    return [
        {
            "value": value,
            "primary": bool(is_primary),
            "status": "verified" if is_verified else "pending",
            "verifiedAt": verified_at,
            "verificationMethod": method,
        }
        for value, is_primary, is_verified, verified_at, method in rows
    ]


def change(context: Context, operations: dict[str, Any]) -> None:
    """Execute all operations on the addresses of the account, or none.

    Raises:
        ApiError: if one is not possible.
    """
    mails: list[Mail] = []
    with context.platform.transaction():
        mails += [_add(context, value) for value in operations.get("add", [])]
        if "setPrimary" in operations:
            _set_primary(context, operations["setPrimary"])
        for value in operations.get("remove", []):
            _remove(context, value)
        mails += [_resend(context, value) for value in operations.get("resend", [])]
    context.platform.outbox.mails += mails


def replace_primary(context: Context, value: str) -> None:
    """Make an address the primary one, and add it if it is not there; the former one stays.

    Raises:
        ApiError: if it is that of another account.
    """
    owner = context.platform.users.owner_of_email(value)
    if owner and owner.key != context.user.key:
        raise already_exists("user", {"email": value})
    with context.platform.transaction():
        if owner is None:
            context.platform.db.execute("INSERT INTO emails (user, value) VALUES (?, ?)", (context.user.key, value))
        context.platform.db.execute(
            "UPDATE emails SET is_verified = 1, method = 'legacy', token = NULL WHERE value = ? AND NOT is_verified",
            (value,),
        )
        _mark_primary(context, value)


def _add(context: Context, value: str) -> Mail:
    owner = context.platform.users.owner_of_email(value)
    if owner and owner.key == context.user.key:
        raise invalid_operation("This email is already registered on the account.", {"email": value})
    if owner:
        raise already_exists("email", {"email": value})
    context.platform.db.execute("INSERT INTO emails (user, value) VALUES (?, ?)", (context.user.key, value))
    return _new_mail(context, value)


def _set_primary(context: Context, value: str) -> None:
    if not _find(context, value)["is_verified"]:
        raise invalid_operation("Only a verified email can be set as primary.", {"email": value})
    _mark_primary(context, value)


def _mark_primary(context: Context, value: str) -> None:
    context.platform.db.execute("UPDATE emails SET is_primary = value = ? WHERE user = ?", (value, context.user.key))


def _remove(context: Context, value: str) -> None:
    if _find(context, value)["is_primary"]:
        raise invalid_operation("The primary email cannot be removed.", {"email": value})
    context.platform.db.execute("DELETE FROM emails WHERE value = ?", (value,))


def _resend(context: Context, value: str) -> Mail:
    email = _find(context, value)
    if email["is_verified"]:
        raise invalid_operation("This email is already verified.", {"email": value})
    wait = email["sent_at"] + context.platform.settings.resend_interval - context.platform.clock.now()
    if wait > 0:
        message = "Please wait before requesting another verification email."
        raise invalid_operation(message, {"email": value, "retryAfterSeconds": math.ceil(wait)})
    return _new_mail(context, value)


def _find(context: Context, value: str) -> dict[str, Any]:
    names = ("is_primary", "is_verified", "sent_at")
    row = context.platform.db.execute(
        f"SELECT {', '.join(names)} FROM emails WHERE user = ? AND value = ?", (context.user.key, value)
    ).fetchone()
    if row is None:
        raise invalid_operation("This email is not registered on the account.", {"email": value})
    return dict(zip(names, row, strict=True))


def _new_mail(context: Context, value: str) -> Mail:
    """A mail with a new token, which replaces an earlier one."""
    token = secrets.token_urlsafe(32)
    context.platform.db.execute(
        "UPDATE emails SET token = ?, sent_at = ? WHERE value = ?", (token, context.platform.clock.now(), value)
    )
    return Mail(value, "verify-email", token)


_VERIFY = {
    "type": ["object"],
    "required": ["appId", "token"],
    "properties": {"appId": STRING, "origin": STRING, "token": STRING},
}


@methods.declare("account.verifyEmail", _VERIFY, public=True)
async def _verify(context: Context, params: dict[str, Any]) -> Result:
    check_trusted(context, params.get("origin", ""))
    now = context.platform.clock.now()
    row = context.platform.db.execute(
        "UPDATE emails SET is_verified = 1, verified_at = ?, method = 'email-link', token = NULL"
        " WHERE user = ? AND token = ? AND sent_at > ? RETURNING value",
        (now, context.user.key, params["token"], now - context.platform.settings.verification_lifetime),
    ).fetchone()
    if row is None:
        raise invalid_access_token("The verification token is invalid or expired.")
    context.check_no_access()
    return {"email": row[0]}
