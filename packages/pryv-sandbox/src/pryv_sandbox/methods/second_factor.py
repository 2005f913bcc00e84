"""Logins with a second factor: the token of the session is withheld until the code is given."""

from __future__ import annotations

from typing import Any

from pryv_sandbox.methods.calls import Context, Methods, Result
from pryv_sandbox.model.errors import invalid_access_token, invalid_parameters
from pryv_sandbox.model.ids import new_token
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.users import User

methods = Methods()

CODE = "123456"
"""The code is always this one: the sandbox sends none."""

_LIFETIME = 30 * 60
_TOKEN = {"type": ["object"], "required": ["mfaToken"], "properties": {"mfaToken": {"type": ["string"]}}}


def require(platform: Platform, username: str) -> None:
    """Require a second factor of this user from now on."""
    platform.db.execute("UPDATE users SET mfa = 1 WHERE username = ?", (username,))


def withhold(platform: Platform, user: User, token: str) -> str:
    """Withhold the token of a session; returns the ``mfaToken`` with which it is released."""
    mfa_token = new_token()
    expires = platform.clock.now() + _LIFETIME
    platform.db.execute("INSERT INTO pending_sessions VALUES (?, ?, ?, ?)", (mfa_token, user.key, token, expires))
    return mfa_token


def _pending_token(context: Context, mfa_token: str) -> str:
    row = context.platform.db.execute(
        "SELECT token FROM pending_sessions WHERE mfa_token = ? AND user = ? AND expires > ?",
        (mfa_token, context.user.key, context.platform.clock.now()),
    ).fetchone()
    if row is None:
        raise invalid_access_token("Invalid or expired MFA session token.")
    token: str = row[0]
    return token


@methods.declare("mfa.challenge", _TOKEN, public=True)
async def _challenge(context: Context, params: dict[str, Any]) -> Result:
    _pending_token(context, params["mfaToken"])
    return {"message": "Please verify the MFA challenge."}


@methods.declare("mfa.verify", _TOKEN, public=True)
async def _verify(context: Context, params: dict[str, Any]) -> Result:
    token = _pending_token(context, params["mfaToken"])
    if params.get("code") != CODE:
        raise invalid_parameters(None, "The given code is wrong.")
    context.platform.db.execute("DELETE FROM pending_sessions WHERE mfa_token = ?", (params["mfaToken"],))
    return {"token": token, "apiEndpoint": context.api_endpoint(token)}
