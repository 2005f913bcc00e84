"""Access requests: an app asks for access to an account, and polls for the user's answer."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import attrs

from pryv._arguments import as_dict, require
from pryv._display import with_secrets
from pryv._service_info import DescribedPlatform, ServiceInfo, endpoint_of
from pryv._spelling import domain, web_url
from pryv._transport import json
from pryv._transport.platform import MAX_REDIRECTS, Platform
from pryv._transport.redact import redact
from pryv._transport.results import member, result_of
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import host_of, is_in_domain, path_segment, usable_api_endpoint, usable_url
from pryv.errors import AccessRefusedError, PryvError, PryvProtocolError

_POLL = "GET access request"
_LONGEST_POLL_RATE = 60.0
_LONGEST_TEXT = 200
"""Characters of a response's text that a message quotes."""

_KEY = re.compile(r"[\w.~-]+", re.ASCII)
"""A key that is valid in a URL and on a command line."""

_log = logging.getLogger("pryv")


@attrs.frozen
class AccessRequest:
    """An access request that waits for the user's answer.

    Attributes:
        key: The key of the request. It is a secret, because it gives the token.
        auth_url: The page on which the user answers.
        poll: The URL to poll for the answer.
        poll_rate: Seconds between two polls.
        status: `NEED_SIGNIN` for a new request.

    Raises:
        TypeError: `auth_url` or `poll` is not a string.
        ValueError: one of them is not an http(s) URL, or contains credentials.
    """

    key: str = attrs.field(repr=False)
    auth_url: str = attrs.field(repr=False, converter=web_url)
    poll: str = attrs.field(repr=False, converter=web_url)
    poll_rate: float
    status: str


def start(platform: DescribedPlatform, auth_request: Any, timeout: CallTimeout) -> AccessRequest:
    """Make an access request; see `Service.start_access_request`."""
    as_dict(auth_request, "auth_request")
    if not auth_request.get("requestingAppId") or not isinstance(auth_request.get("requestedPermissions"), list):
        raise ValueError("an auth request has a requestingAppId and a list of requestedPermissions")
    label = "POST access request"
    access_url = platform.info(timeout).access
    body = platform.calls.post(access_url, auth_request, label, timeout)
    key, status = body.get("key"), body.get("status", "NEED_SIGNIN")
    if not isinstance(key, str) or not _KEY.fullmatch(key) or not isinstance(status, str):
        raise PryvProtocolError(f"{label}: the response has no key, or its status is not a string")
    auth_url, poll_url = (
        usable_url(access_url, url) for url in (body.get("authUrl") or body.get("url"), body.get("poll"))
    )
    if auth_url is None or poll_url is None:
        name = "authUrl" if auth_url is None else "poll"
        raise PryvProtocolError(f"{label}: its {name} is not an http(s) URL, or less secure than {host_of(access_url)}")
    rate = _poll_rate(body.get("poll_rate_ms", 1000), label)
    return AccessRequest(key, auth_url, poll_url, rate, status)


def _poll_rate(milliseconds: Any, label: str) -> float:
    """Return the seconds between two polls, at most `_LONGEST_POLL_RATE`.

    Raises:
        PryvProtocolError: `milliseconds` is not a number of at least 0.
    """
    if not isinstance(milliseconds, (int, float)) or not milliseconds >= 0:
        raise PryvProtocolError(f"{label}: poll_rate_ms of the response is not a number of milliseconds")
    if milliseconds > 1000 * _LONGEST_POLL_RATE:
        _log.warning("%s: the platform asks for more than %d s between two polls", label, _LONGEST_POLL_RATE)
        return _LONGEST_POLL_RATE
    return milliseconds / 1000


def poll(platform: DescribedPlatform, key_or_url: str, timeout: CallTimeout) -> dict[str, Any]:
    """Poll the status of an access request once; see `Service.poll_access_request`."""
    require(key_or_url=key_or_url)
    is_url = key_or_url.startswith(("http://", "https://"))
    url = key_or_url if is_url else platform.info(timeout).access + path_segment(key_or_url)
    body, url = _poll(platform.calls, url, timeout)
    if body.get("status") == "ACCEPTED" and not body.keys().isdisjoint(("apiEndpoint", "token")):
        body["apiEndpoint"] = _accepted_endpoint(body, url, platform.info(timeout))
    known: dict[str, Any] = with_secrets(body)
    return known


def accepted_endpoint(platform: DescribedPlatform, key: str, timeout: CallTimeout) -> Any:
    """Return the API endpoint that an accepted access request gives; see `Service.connect_from_key`."""
    require(key=key)
    body = poll(platform, key, timeout)
    status = body.get("status")
    if status == "REFUSED":
        raise AccessRefusedError("the user refused the access request")
    if status != "ACCEPTED":
        raise PryvError(f"the access request is not accepted; its status is {quoted(body, 'status', key)}")
    return body.get("apiEndpoint")


def _poll(platform: Platform, url: str, timeout: CallTimeout) -> tuple[dict[str, Any], str]:
    """Return the response for the access request at a URL, redirects followed, and the URL it came from."""
    key = url.rpartition("/")[2]
    for _ in range(MAX_REDIRECTS):
        response = platform.read(url, _POLL, timeout)
        body = json.decode(response.body, _POLL) if response.status in (301, 403) else None
        if not isinstance(body, dict) or not isinstance(body.get("status"), str):
            body = result_of(response, url, key)
        if member(body, "status", str, _POLL) != "REDIRECTED":
            return body, url
        poll_url = usable_url(url, body.get("poll"), key)
        if poll_url is None:
            break
        url = poll_url
    raise PryvProtocolError(f"{_POLL}: redirected too often, or to no URL, from {host_of(url)}")


def _accepted_endpoint(body: Mapping[str, Any], url: str, info: ServiceInfo) -> str:
    """Return the API endpoint in the response for an accepted access request.

    Anyone who knows the key of a request can accept it. An endpoint outside the platform's domain is therefore not
    used: a server there could pretend to be any account. In that case the endpoint is made from the platform's
    template, and the platform redirects to the core that has the account.
    """
    endpoint, home = body.get("apiEndpoint"), domain(info.api)
    if endpoint is not None:
        target = usable_api_endpoint(url, endpoint)
        if target is None:
            raise PryvProtocolError(f"{_POLL}: its apiEndpoint is not a URL, or less secure than {host_of(url)}")
        if is_in_domain(target, home):
            return target
    try:
        return endpoint_of(info, body["username"], body["token"])
    except (KeyError, TypeError, ValueError):
        where = f"its apiEndpoint is outside of {home}; " if endpoint is not None else ""
        raise PryvProtocolError(f"{_POLL}: {where}its username or token is missing or malformed") from None


def quoted(body: Mapping[str, Any], member: str, key: str) -> str:
    """Return a member of a response for a message: shortened, without the request's key or a token."""
    token = body.get("token")
    return redact(str(body.get(member)), key, token if isinstance(token, str) else None)[:_LONGEST_TEXT]
