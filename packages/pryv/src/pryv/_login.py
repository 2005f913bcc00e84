"""Logins of users, with a second factor if the platform requires one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pryv._arguments import http_url, is_token, require, require_token
from pryv._display import SecretText
from pryv._second_factor import post_mfa
from pryv._service_info import DescribedPlatform
from pryv._tracebacks import without_frames
from pryv._transport import json
from pryv._transport.http import Response
from pryv._transport.results import result_of
from pryv._transport.timeouts import CallTimeout
from pryv._trusted import post_trusted
from pryv.errors import MfaRequiredError, PryvProtocolError

_LOGIN = "auth.login"


def login(
    platform: DescribedPlatform, username: str, password: str, app_id: str, origin: str | None, timeout: CallTimeout
) -> str:
    """Log a user in and return the API endpoint; see `Service.login`."""
    require(username=username, password=password, app_id=app_id)
    if origin is not None:
        origin = http_url(origin, "origin")
    data = {"username": username, "password": password, "appId": app_id}
    response = post_trusted(platform, username, _LOGIN, "auth/login", data, timeout, origin)
    return _endpoint_of(platform, username, _session(response, data), _LOGIN, timeout)


def _session(response: Response, data: Mapping[str, Any]) -> Any:
    """Return the result of a login.

    Raises:
        MfaRequiredError: a second factor is needed.
    """
    body = None
    if response.status == 302:
        body = without_frames(json.decode)(response.body, _LOGIN)
    if body is None:
        body = result_of(response, sent=data)
    mfa_token = body.get("mfaToken") if isinstance(body, Mapping) else None
    if not is_token(mfa_token):
        return body
    mfa_token, body = SecretText(mfa_token), None  # or a traceback would show them
    raise MfaRequiredError("a second factor is needed", mfa_token=mfa_token, status=response.status, method=_LOGIN)


def mfa_verify(platform: DescribedPlatform, username: str, mfa_token: str, code: str, timeout: CallTimeout) -> str:
    """Finish a login with the second factor's code and return the API endpoint; see `Service.mfa_verify`."""
    require(username=username, code=code)
    require_token(mfa_token=mfa_token)
    data = {"code": code}
    return _endpoint_of(
        platform, username, post_mfa(platform, username, "verify", mfa_token, data, timeout), "mfa.verify", timeout
    )


def _endpoint_of(platform: DescribedPlatform, username: str, body: Any, label: str, timeout: CallTimeout) -> str:
    """Return the API endpoint of a user's account, with the token in a response."""
    token = body.get("token") if isinstance(body, Mapping) else None
    if isinstance(token, str):
        try:
            return platform.endpoint_of(username, timeout, token)
        except ValueError:
            pass
    del body, token  # or a traceback would show them
    raise PryvProtocolError(f"{label}: the response has no token")
