"""The second factor of logins: a code that is sent to a telephone."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pryv_sandbox.methods.calls import Context, Methods, Result
from pryv_sandbox.methods.schemas import OBJECT, STRING
from pryv_sandbox.model.errors import (
    forbidden,
    invalid_access_token,
    invalid_credentials,
    invalid_operation,
    invalid_parameters,
)
from pryv_sandbox.state.outbox import TextMessage
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.profiles import change_profile, read_profile
from pryv_sandbox.state.users import User

methods = Methods()

CODE = "123456"
"""The code of accounts that are created with a second factor; it is not sent."""

_RECOVERY_CODES = 10
_PROFILE = "private"
"""The profile set that has the second factor, in its member ``mfa``."""
_CONSTANT = {"code": "constant"}
"""The content of a second factor whose code is ``CODE``."""
_SESSION = {"type": ["object"], "properties": {"mfaToken": STRING}}


def require(
    platform: Platform, user: User, content: dict[str, Any] = _CONSTANT, recovery_codes: Sequence[str] = ()
) -> None:
    """Require a second factor of this user from now on, unless its content is empty."""
    second_factor = {"content": content, "recoveryCodes": list(recovery_codes)}
    change_profile(platform, user, _PROFILE, {"mfa": second_factor})


def is_required(platform: Platform, user: User) -> bool:
    """Whether a login of this user needs a second factor."""
    return bool(_content(platform, user))


def withhold(platform: Platform, user: User, token: str) -> str:
    """Withhold the token of a session, and send a code; returns the ``mfaToken`` with which it is released."""
    return _open(platform, user, token, _content(platform, user))


def _stored(platform: Platform, user: User) -> dict[str, Any]:
    stored = read_profile(platform, user, _PROFILE).get("mfa")
    return stored if isinstance(stored, dict) else {}


def _content(platform: Platform, user: User) -> dict[str, Any]:
    content = _stored(platform, user).get("content")
    return content if isinstance(content, dict) else {}


# ---- sessions: of a login, which keeps back its token, or of an activation, which has none


@dataclass(frozen=True)
class _Session:
    token: str
    content: dict[str, Any]
    code: str


def _open(platform: Platform, user: User, token: str, content: dict[str, Any]) -> str:
    mfa_token = str(uuid.uuid4())
    expires = platform.clock.now() + platform.settings.mfa_lifetime
    session = mfa_token, user.key, token, json.dumps(content), _send_code(platform, content), expires
    platform.db.execute("INSERT INTO mfa_sessions VALUES (?, ?, ?, ?, ?, ?)", session)
    return mfa_token


def _session(context: Context, params: dict[str, Any], *, of_login: bool) -> _Session:
    row = context.platform.db.execute(
        "SELECT token, content, code FROM mfa_sessions WHERE mfa_token = ? AND user = ? AND expires > ?"
        " AND (token <> '') = ?",
        (params["mfaToken"], context.user.key, context.platform.clock.now(), of_login),
    ).fetchone()
    if row is None:
        raise invalid_access_token("Invalid or expired MFA session token.")
    token, content, code = row
    return _Session(token, json.loads(content), code)


def _close(context: Context, params: dict[str, Any], session: _Session) -> None:
    """End a session if the code is right.

    Raises:
        ApiError: if it is another code.
    """
    code = params.get("code")
    if code != session.code:
        message = f"The provided MFA code is invalid: {params.get('code', 'undefined')}"
        raise invalid_parameters({"id": "invalid-mfa-code"}, message)
    context.platform.db.execute("DELETE FROM mfa_sessions WHERE mfa_token = ?", (params["mfaToken"],))


def _send_code(platform: Platform, content: dict[str, Any]) -> str:
    if content == _CONSTANT:
        return CODE
    code = f"{secrets.randbelow(10_000):04}"
    platform.outbox.text_messages.append(TextMessage(str(content.get("phone", "")), code))
    return code


# ---- activation


def _check_personal(context: Context) -> None:
    if not context.access.is_personal:
        raise forbidden("A personal access token is required for this operation.")


@methods.declare("mfa.activate", OBJECT)
async def _activate(context: Context, params: dict[str, Any]) -> Result:
    _check_personal(context)
    return {"mfaToken": _open(context.platform, context.user, "", params)}


@methods.declare("mfa.confirm", _SESSION, public=True)
async def _confirm(context: Context, params: dict[str, Any]) -> Result:
    session = _session(context, params, of_login=False)
    _close(context, params, session)
    codes = [str(uuid.uuid4()) for _ in range(_RECOVERY_CODES)]
    require(context.platform, context.user, session.content, codes)
    return {"recoveryCodes": codes}


@methods.declare("mfa.deactivate", OBJECT)
async def _deactivate(context: Context, params: dict[str, Any]) -> Result:
    _check_personal(context)
    return _stop(context)


_RECOVER = {
    "type": ["object"],
    "required": ["username", "password", "recoveryCode"],
    "properties": {"username": STRING, "password": STRING, "recoveryCode": STRING},
}


@methods.declare("mfa.recover", _RECOVER, public=True)
async def _recover(context: Context, params: dict[str, Any]) -> Result:
    platform, user = context.platform, context.user
    if params["username"] != user.username or not platform.users.has_password(user, params["password"]):
        raise invalid_credentials()
    if not is_required(platform, user):
        raise invalid_operation("MFA is not active for this user.")
    if params["recoveryCode"] not in _stored(platform, user).get("recoveryCodes", ()):
        raise invalid_parameters(None, "Invalid recovery code.")
    return _stop(context)


def _stop(context: Context) -> Result:
    change_profile(context.platform, context.user, _PROFILE, {"mfa": None})
    return {"message": "MFA deactivated."}


# ---- login


@methods.declare("mfa.challenge", _SESSION, public=True)
async def _challenge(context: Context, params: dict[str, Any]) -> Result:
    session = _session(context, params, of_login=True)
    context.platform.db.execute(
        "UPDATE mfa_sessions SET code = ? WHERE mfa_token = ?",
        (_send_code(context.platform, session.content), params["mfaToken"]),
    )
    return {"message": "Please verify the MFA challenge."}


@methods.declare("mfa.verify", _SESSION, public=True)
async def _verify(context: Context, params: dict[str, Any]) -> Result:
    session = _session(context, params, of_login=True)
    _close(context, params, session)
    return {"token": session.token, "apiEndpoint": context.api_endpoint(session.token)}
