"""Access requests: asking for access to an account, and how its user answers."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import attrs

from pryv._spelling import web_url
from pryv._transport import json
from pryv._transport.answers import member, result_of
from pryv._transport.platform import MAX_REDIRECTS, Platform
from pryv._transport.redact import redact
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import host_of, named
from pryv.errors import PryvProtocolError

_LONGEST_POLL_RATE = 60.0
_LONGEST_TEXT = 200
"""Characters of what an answer says that are repeated in a message."""

_KEY = re.compile(r"[\w.~-]+", re.ASCII)
"""What names a request wherever it is put: in a URL, on a command line."""

_log = logging.getLogger("pryv")


@attrs.frozen
class AccessRequest:
    """An access request that waits for the user's answer.

    Attributes:
        key: Names the request; a secret, as it leads to the token.
        auth_url: The page on which the user answers.
        poll: The URL that tells the answer.
        poll_rate: Seconds to let pass between two polls.
        status: `NEED_SIGNIN` for a fresh request.

    Raises:
        TypeError: `auth_url` or `poll` is not a string.
        ValueError: one of them is no http(s) URL, or has credentials in it.
    """

    key: str = attrs.field(repr=False)
    auth_url: str = attrs.field(repr=False, converter=web_url)
    poll: str = attrs.field(repr=False, converter=web_url)
    poll_rate: float
    status: str


def start(platform: Platform, access_url: str, auth_request: Mapping[str, Any], timeout: CallTimeout) -> AccessRequest:
    """Make an access request; see `Service.start_access_request`."""
    label = "POST access request"
    body = platform.post(access_url, auth_request, label, timeout)
    key, status = body.get("key"), body.get("status", "NEED_SIGNIN")
    if not isinstance(key, str) or not _KEY.fullmatch(key) or not isinstance(status, str):
        raise PryvProtocolError(f"{label}: the answer lacks a key, or its status is no text")
    auth_url, poll_url = (
        named(access_url, place) for place in (body.get("authUrl") or body.get("url"), body.get("poll"))
    )
    if auth_url is None or poll_url is None:
        culprit = "authUrl" if auth_url is None else "poll"
        raise PryvProtocolError(f"{label}: its {culprit} is no http(s) URL, or less secure than {host_of(access_url)}")
    rate = _poll_rate(body.get("poll_rate_ms", 1000), label)
    return AccessRequest(key, auth_url, poll_url, rate, status)


def _poll_rate(milliseconds: Any, label: str) -> float:
    """Return the seconds between two polls, as many as a person waits for at most.

    Raises:
        PryvProtocolError: it is no number, or a negative one.
    """
    if not isinstance(milliseconds, (int, float)) or not milliseconds >= 0:
        raise PryvProtocolError(f"{label}: the answer's poll_rate_ms is no number of milliseconds")
    if milliseconds > 1000 * _LONGEST_POLL_RATE:
        _log.warning("%s: the platform wants to be polled less often than every %d s", label, _LONGEST_POLL_RATE)
        return _LONGEST_POLL_RATE
    return milliseconds / 1000


def poll(platform: Platform, url: str, timeout: CallTimeout) -> tuple[dict[str, Any], str]:
    """Return how the access request at a URL stands, and the URL that told: a redirected request goes on elsewhere."""
    label = "GET access request"
    key = url.rpartition("/")[2]
    for _ in range(MAX_REDIRECTS):
        answer = platform.ask(url, label, timeout)
        body = json.decode(answer.body, label) if answer.status in (301, 403) else None
        if not isinstance(body, dict) or not isinstance(body.get("status"), str):
            body = result_of(answer, label, url, key)
        if member(body, "status", str, label) != "REDIRECTED":
            return body, url
        place = named(url, body.get("poll"), key)
        if place is None:
            break
        url = place
    raise PryvProtocolError(f"{label}: redirected too often, or to no URL, from {host_of(url)}")


def told(body: Mapping[str, Any], member: str, key: str) -> str:
    """Return what an answer says in a member, for people to read: in short, without the request's key or a token."""
    token = body.get("token")
    return redact(str(body.get(member)), key, token if isinstance(token, str) else None)[:_LONGEST_TEXT]
