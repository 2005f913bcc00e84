"""The second factor of logins: challenges, activation, deactivation and recovery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pryv._arguments import is_token, require, require_token
from pryv._display import SecretText
from pryv._service_info import DescribedPlatform
from pryv._transport.account import Account
from pryv._transport.results import result_of
from pryv._transport.timeouts import CallTimeout
from pryv._trusted import post_to_account
from pryv.errors import PryvProtocolError


def post_mfa(
    platform: DescribedPlatform,
    username: str,
    step: str,
    mfa_token: str,
    data: Mapping[str, Any],
    timeout: CallTimeout,
) -> dict[str, Any]:
    """Send a step of a login or of an activation, with its token, and return the result."""
    response = post_to_account(platform, username, f"mfa.{step}", f"mfa/{step}", data, timeout, token=mfa_token)
    return result_of(response, mfa_token, *data.values(), sent=data)


def mfa_challenge(platform: DescribedPlatform, username: str, mfa_token: str, timeout: CallTimeout) -> None:
    """Ask for the second factor's code again; see `Service.mfa_challenge`."""
    require(username=username)
    require_token(mfa_token=mfa_token)
    post_mfa(platform, username, "challenge", mfa_token, {}, timeout)


def mfa_activate(account: Account, profile: Mapping[str, Any], timeout: CallTimeout) -> str:
    """Start an activation and return its token; see `Service.mfa_activate`."""
    body = account.call("POST", "mfa/activate", label="mfa.activate", data=profile, timeout=timeout)
    mfa_token = body.get("mfaToken")
    if is_token(mfa_token):
        return SecretText(mfa_token)
    del body, mfa_token  # or a traceback would show them
    raise PryvProtocolError("mfa.activate: the response has no mfaToken")


def mfa_confirm(platform: DescribedPlatform, username: str, token: str, code: str, timeout: CallTimeout) -> list[str]:
    """Finish an activation and return the recovery codes; see `Service.mfa_confirm`."""
    require(username=username, code=code)
    require_token(token=token)
    body = post_mfa(platform, username, "confirm", token, {"code": code}, timeout)
    codes = body.get("recoveryCodes")
    if isinstance(codes, list) and all(isinstance(item, str) for item in codes):
        return [SecretText(item) for item in codes]
    del body, codes  # or a traceback would show them
    raise PryvProtocolError("mfa.confirm: the response has no recoveryCodes")


def mfa_deactivate(account: Account, timeout: CallTimeout) -> None:
    """Require no second factor any more; see `Service.mfa_deactivate`."""
    account.call("POST", "mfa/deactivate", label="mfa.deactivate", data={}, timeout=timeout)


def mfa_recover(
    platform: DescribedPlatform, username: str, password: str, recovery_code: str, timeout: CallTimeout
) -> None:
    """Deactivate the second factor with a recovery code; see `Service.mfa_recover`."""
    require(username=username, password=password, recovery_code=recovery_code)
    data = {"username": username, "password": password, "recoveryCode": recovery_code}
    result_of(post_to_account(platform, username, "mfa.recover", "mfa/recover", data, timeout), sent=data)
