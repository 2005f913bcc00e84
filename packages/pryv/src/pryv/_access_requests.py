"""Access requests: asking for access to an account, and how its user answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import attrs

from pryv._transport import json
from pryv._transport.answers import result_of
from pryv._transport.platform import MAX_REDIRECTS, Platform
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import host_of, resolved
from pryv.errors import PryvProtocolError

_LONGEST_POLL_RATE = 60.0
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
    """

    key: str = attrs.field(repr=False)
    auth_url: str = attrs.field(repr=False)
    poll: str = attrs.field(repr=False)
    poll_rate: float
    status: str


def start(platform: Platform, access_url: str, auth_request: Mapping[str, Any], timeout: CallTimeout) -> AccessRequest:
    """Make an access request; see `Service.start_access_request`."""
    label = "POST access request"
    body = platform.post(access_url, auth_request, label, timeout)
    url = body.get("authUrl") or body.get("url")
    if not all(isinstance(value, str) for value in (body.get("key"), body.get("poll"), url)):
        raise PryvProtocolError(f"{label}: the answer lacks key, poll or authUrl")
    rate = _poll_rate(body.get("poll_rate_ms", 1000), label)
    return AccessRequest(body["key"], str(url), body["poll"], rate, body.get("status", "NEED_SIGNIN"))


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


def poll(platform: Platform, url: str, timeout: CallTimeout) -> dict[str, Any]:
    """Return how the access request at a URL stands; one that is redirected names its URL in the answer."""
    label = "GET access request"
    for _ in range(MAX_REDIRECTS):
        answer = platform.ask(url, label, timeout)
        body = json.decode(answer.body, label) if answer.status in (301, 403) else None
        if not isinstance(body, dict) or not isinstance(body.get("status"), str):
            body = result_of(answer, label, url, url.rpartition("/")[2])
        if body.get("status") != "REDIRECTED":
            return body
        place = resolved(url, str(body.get("poll")))
        if place is None:
            break
        url = place
    raise PryvProtocolError(f"{label}: redirected too often, or to no URL, from {host_of(url)}")
