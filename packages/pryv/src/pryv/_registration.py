"""The accounts of a platform: look-up, hostings, registration, password reset, e-mail addresses and deletion."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any

from pryv._arguments import require, require_token
from pryv._display import SecretText
from pryv._service_info import DescribedPlatform, endpoint_of
from pryv._transport import json
from pryv._transport.results import member, result_of
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import host_of, path_segment, usable_api_endpoint, usable_url
from pryv._trusted import post_trusted
from pryv.errors import PryvError, PryvProtocolError, UnknownResourceError
from pryv.types import Hosting, UserCreated

_FIND = "POST reg/…/server"
_HOSTINGS = "GET reg/hostings"
_FIRST_CAMEL_CASE_REGISTER = (1, 6)


def user_exists(platform: DescribedPlatform, username: str, timeout: CallTimeout) -> bool:
    """Return whether a username is taken; see `Service.user_exists`."""
    require(username=username)
    try:
        _find(platform, username, timeout)
    except UnknownResourceError:
        return False
    return True


def user_id_for_email(platform: DescribedPlatform, email: str, timeout: CallTimeout) -> str | None:
    """Return the username of the account that has an e-mail address; see `Service.user_id_for_email`."""
    require(email=email)
    path, label = f"{path_segment(email)}/uid", "GET reg/…/uid"
    response, final_url = platform.calls.follow(platform.info(timeout).register + path, label, timeout)
    body = json.decode(response.body, label) if response.status == 307 else None
    core = usable_url(final_url, body.get("server")) if isinstance(body, Mapping) else None
    if core is not None:
        response, _ = platform.calls.follow(f"{core.rstrip('/')}/reg/{path}", label, timeout)
    try:
        body = result_of(response)
    except UnknownResourceError:
        return None
    return member(body, "uid" if body.get("uid") else "username", str, label)


def available_hostings(platform: DescribedPlatform, timeout: CallTimeout) -> dict[str, Any]:
    """Return the tree of regions, zones and hostings; see `Service.available_hostings`."""
    return platform.calls.get(platform.info(timeout).register + "hostings", _HOSTINGS, timeout)[0]


def flat_hostings(platform: DescribedPlatform, timeout: CallTimeout) -> list[Hosting]:
    """Return the hostings as a list; see `Service.flat_hostings`."""
    tree = available_hostings(platform, timeout)
    with contextlib.suppress(AttributeError):
        return [
            Hosting(
                key=key,
                name=hosting.get("name"),
                description=hosting.get("description"),
                region=region_key,
                zone=zone_key,
                availableCore=hosting.get("availableCore"),
                available=hosting.get("available") is True,
            )
            for region_key, region in tree.get("regions", {}).items()
            for zone_key, zone in region.get("zones", {}).items()
            for key, hosting in zone.get("hostings", {}).items()
        ]
    raise PryvProtocolError(f"{_HOSTINGS}: the response is not a tree of hostings")


def create_user(
    platform: DescribedPlatform,
    *,
    username: str,
    password: str,
    email: str,
    app_id: str,
    hosting: str,
    language: str,
    invitation_token: str,
    referer: str | None,
    timeout: CallTimeout,
) -> UserCreated:
    """Register an account; see `Service.create_user`."""
    require(username=username, password=password, email=email, app_id=app_id, hosting=hosting)
    require(language=language, invitation_token=invitation_token, **{} if referer is None else {"referer": referer})
    if hosting == "auto":
        hosting = _first_hosting(platform, timeout)
    info = platform.info(timeout)
    data = {"username": username, "password": password, "email": email, "hosting": hosting}
    if _has_camel_case_register(info.version):
        path = "users"
        data |= {"appId": app_id, "language": language, "invitationToken": invitation_token}
    else:
        path = "user"
        data |= {"appid": app_id, "languageCode": language, "invitationtoken": invitation_token}
    if referer is not None:
        data["referer"] = referer
    label = f"POST reg/{path}"
    body = platform.calls.post(info.register + path, data, label, timeout)
    endpoint = usable_api_endpoint(info.register, body.get("apiEndpoint")) or endpoint_of(info, username)
    name = member({"username": username, **body}, "username", str, label)
    return UserCreated(username=name, apiEndpoint=SecretText(endpoint))


def request_password_reset(platform: DescribedPlatform, username: str, app_id: str, timeout: CallTimeout) -> None:
    """Ask the platform to send a reset token to a user; see `Service.request_password_reset`."""
    require(username=username, app_id=app_id)
    data = {"appId": app_id, "username": username}
    response = post_trusted(
        platform, username, "account.requestPasswordReset", "account/request-password-reset", data, timeout
    )
    result_of(response)


def reset_password(
    platform: DescribedPlatform,
    username: str,
    new_password: str,
    reset_token: str,
    app_id: str,
    timeout: CallTimeout,
) -> None:
    """Set a new password; see `Service.reset_password`."""
    require(username=username, new_password=new_password, reset_token=reset_token, app_id=app_id)
    data = {"username": username, "newPassword": new_password, "resetToken": reset_token, "appId": app_id}
    response = post_trusted(platform, username, "account.resetPassword", "account/reset-password", data, timeout)
    result_of(response, sent=data)


def verify_email(platform: DescribedPlatform, username: str, token: str, app_id: str, timeout: CallTimeout) -> str:
    """Verify an e-mail address and return it; see `Service.verify_email`."""
    require(username=username, token=token, app_id=app_id)
    data, label = {"appId": app_id, "token": token}, "account.verifyEmail"
    response = post_trusted(platform, username, label, "account/verify-email", data, timeout)
    return member(result_of(response, sent=data), "email", str, label)


def delete_user(platform: DescribedPlatform, username: str, token: str, timeout: CallTimeout) -> None:
    """Delete an account; see `Service.delete_user`."""
    require(username=username)
    require_token(token=token)
    url, label = f"{_core_of(platform, username, timeout)}users/{path_segment(username)}", "auth.delete"
    member(platform.calls.delete(url, token, label, timeout), "userDeletion", dict, label)


def _core_of(platform: DescribedPlatform, username: str, timeout: CallTimeout) -> str:
    """Return the URL of the core that has an account: former platforms return its host name."""
    server = member(_find(platform, username, timeout), "server", str, _FIND)
    register = platform.info(timeout).register
    core = usable_url(register, server if "://" in server else f"https://{server}")
    if core is None:
        raise PryvProtocolError(f"{_FIND}: its server is not an http(s) URL, or less secure than {host_of(register)}")
    return f"{core.rstrip('/')}/"


def _find(platform: DescribedPlatform, username: str, timeout: CallTimeout) -> dict[str, Any]:
    """Return what the register knows of an account; this only reads, although it is a POST.

    Raises:
        UnknownResourceError: there is no such account.
        PryvError: the call failed; see *Errors and retries*.
    """
    url = f"{platform.info(timeout).register}{path_segment(username)}/server"
    return platform.calls.post(url, {}, _FIND, timeout, idempotent=True)


def _first_hosting(platform: DescribedPlatform, timeout: CallTimeout) -> str:
    for hosting in flat_hostings(platform, timeout):
        if hosting["available"]:
            return hosting["key"]
    raise PryvError("no hosting is available for a new account")


def _has_camel_case_register(version: object) -> bool:
    match = re.match(r"(\d+)\.(\d+)", str(version))
    return match is None or (int(match[1]), int(match[2])) >= _FIRST_CAMEL_CASE_REGISTER
