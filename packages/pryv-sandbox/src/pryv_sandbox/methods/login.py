"""Login and logout."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from pryv_sandbox.methods import second_factor
from pryv_sandbox.methods.calls import Context, Methods, Result
from pryv_sandbox.methods.schemas import OBJECT, STRING
from pryv_sandbox.model.errors import invalid_credentials, invalid_operation
from pryv_sandbox.state.sessions import open_session

methods = Methods()


def check_trusted(context: Context, origin: str) -> None:
    """Refuse a password that a page of an untrusted host sends.

    Raises:
        ApiError: ``invalid-credentials``.
    """
    trusted = (urlsplit(context.base_url).hostname or "", *context.platform.settings.trusted_hosts)
    host = urlsplit(origin).hostname or ""
    if origin and not any(fnmatchcase(host, pattern) for pattern in trusted):
        raise invalid_credentials('The app id ("appId") is either missing or not trusted.')


_LOGIN = {
    "type": ["object"],
    "required": ["username", "password", "appId"],
    "properties": {"username": STRING, "password": STRING, "appId": STRING, "origin": STRING},
}


@methods.declare("auth.login", _LOGIN, public=True)
async def _login(context: Context, params: dict[str, Any]) -> Result:
    platform, user = context.platform, context.user
    check_trusted(context, params.get("origin", ""))
    if params["username"].lower() != user.username:
        raise invalid_operation("The username in the path does not match that of the credentials.")
    if not platform.users.has_password(user, params["password"]):
        raise invalid_credentials()
    token = open_session(platform, user, params["appId"])
    context.check_no_access()
    if second_factor.is_required(platform, user):
        return {"mfaToken": second_factor.withhold(platform, user, token)}
    return {"token": token, "apiEndpoint": context.api_endpoint(token), "preferredLanguage": user.language}


@methods.declare("auth.logout", OBJECT)
async def _logout(context: Context, params: dict[str, Any]) -> Result:
    context.platform.db.execute("DELETE FROM sessions WHERE token = ?", (context.access.token,))
    return {}
