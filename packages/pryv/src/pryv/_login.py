"""Logins of users, with a second factor if the platform requires one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pryv._arguments import http_url, require
from pryv._service_info import DescribedPlatform
from pryv._transport import json
from pryv._transport.results import result_of
from pryv._transport.timeouts import CallTimeout
from pryv._trusted import post_to_account, post_trusted
from pryv.errors import MfaRequiredError, PryvProtocolError

_LOGIN = "auth.login"
_TOKEN = re.compile(r"[\x21-\x7e]+")


def login(
    platform: DescribedPlatform, username: str, password: str, app_id: str, origin: str | None, timeout: CallTimeout
) -> str:
    """Log a user in and return the API endpoint; see `Service.login`."""
    require(username=username, password=password, app_id=app_id)
    if origin is not None:
        origin = http_url(origin, "origin")
    data = {"username": username, "password": password, "appId": app_id}
    response = post_trusted(platform, username, _LOGIN, "auth/login", data, timeout, origin)
    body = json.decode(response.body, _LOGIN) if response.status == 302 else None
    if body is None:
        body = result_of(response, sent=data)
    mfa_token = body.get("mfaToken") if isinstance(body, Mapping) else None
    if isinstance(mfa_token, str) and _TOKEN.fullmatch(mfa_token):
        raise MfaRequiredError("a second factor is needed", mfa_token=mfa_token, status=response.status, method=_LOGIN)
    return _endpoint_of(platform, username, body, _LOGIN, timeout)


def mfa_challenge(platform: DescribedPlatform, username: str, mfa_token: str, timeout: CallTimeout) -> None:
    """Ask for the second factor's code again; see `Service.mfa_challenge`."""
    require(username=username, mfa_token=mfa_token)
    _post_mfa(platform, username, "challenge", mfa_token, {}, timeout)


def mfa_verify(platform: DescribedPlatform, username: str, mfa_token: str, code: str, timeout: CallTimeout) -> str:
    """Finish a login with the second factor's code and return the API endpoint; see `Service.mfa_verify`."""
    require(username=username, mfa_token=mfa_token, code=code)
    body = _post_mfa(platform, username, "verify", mfa_token, {"code": code}, timeout)
    return _endpoint_of(platform, username, body, "mfa.verify", timeout)


def _post_mfa(
    platform: DescribedPlatform,
    username: str,
    step: str,
    mfa_token: str,
    data: Mapping[str, Any],
    timeout: CallTimeout,
) -> dict[str, Any]:
    if not _TOKEN.fullmatch(mfa_token):
        raise ValueError("mfa_token is not a token")
    response = post_to_account(platform, username, f"mfa.{step}", f"mfa/{step}", data, timeout, token=mfa_token)
    return result_of(response, mfa_token, *data.values(), sent=data)


def _endpoint_of(platform: DescribedPlatform, username: str, body: Any, label: str, timeout: CallTimeout) -> str:
    """Return the API endpoint of a user's account, with the token in a response."""
    token = body.get("token") if isinstance(body, Mapping) else None
    if isinstance(token, str):
        try:
            return platform.endpoint_of(username, timeout, token)
        except ValueError:
            pass
    raise PryvProtocolError(f"{label}: the response has no token")
