"""Calls to a user's account that need no access token, such as those of trusted apps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pryv._service_info import DescribedPlatform
from pryv._transport import json
from pryv._transport.account import Account
from pryv._transport.credentials import StaticToken
from pryv._transport.http import Response
from pryv._transport.timeouts import CallTimeout


def post_trusted(
    platform: DescribedPlatform,
    username: str,
    label: str,
    path: str,
    data: Mapping[str, Any],
    timeout: CallTimeout,
    origin: str | None = None,
) -> Response:
    """Send a call for trusted apps, with the `Origin` that the platform trusts: by default that of its register."""
    origin = _origin_of(platform.info(timeout).register) if origin is None else origin
    return post_to_account(platform, username, label, path, data, timeout, headers={"Origin": origin})


def post_to_account(
    platform: DescribedPlatform,
    username: str,
    label: str,
    path: str,
    data: Mapping[str, Any],
    timeout: CallTimeout,
    *,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
) -> Response:
    """Send data as JSON to the account of a user."""
    endpoint = platform.endpoint_of(username, timeout)
    account = Account(platform.calls.http, endpoint, StaticToken(token), platform.calls.timeout)
    headers = {**json.HEADERS, **(headers or {})}
    return account.send("POST", path, label=label, headers=headers, body=json.encode(data), timeout=timeout)


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
