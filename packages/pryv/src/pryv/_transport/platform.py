"""Calls to a platform that belong to no account: they carry no token."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pryv.errors import PryvProtocolError

from . import json
from .answers import result_of
from .http import Answer, Http, Request
from .retry import RetryPolicy
from .timeouts import CallTimeout, Default, Timeout, checked_timeout, limit_of
from .urls import host_of, resolved

MAX_REDIRECTS = 5
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


class Platform:
    """Sends a platform's calls: to its register, for access requests, and for what its service info names."""

    def __init__(self, http: Http, timeout: Timeout) -> None:
        self.http = http
        self.timeout = checked_timeout(timeout)

    def with_options(self, timeout: CallTimeout, retry: RetryPolicy | Default | None) -> Platform:
        """Return the same platform, with other limits over the same sessions."""
        other = copy.copy(self)
        other.http, other.timeout = self.http.with_retry(retry), limit_of(timeout, self.timeout)
        return other

    def ask(self, url: str, label: str, timeout: CallTimeout) -> Answer:
        """Read what a URL answers, whatever its status.

        Raises:
            PryvConnectionError: there is no whole answer.
        """
        return self.http.send(Request("GET", url, label, safe=True, timeout=limit_of(timeout, self.timeout)))

    def follow(self, url: str, label: str, timeout: CallTimeout) -> tuple[Answer, str]:
        """Read what a URL answers, following redirects; return this, and the URL that answered.

        Raises:
            PryvConnectionError: there is no whole answer.
            PryvProtocolError: it is redirected too often, to no URL, or from https to http.
        """
        for _ in range(MAX_REDIRECTS):
            answer = self.ask(url, label, timeout)
            if answer.status not in _REDIRECTS or "Location" not in answer.headers:
                return answer, url
            place = resolved(url, answer.headers["Location"])
            if place is None:
                break
            url = place
        raise PryvProtocolError(f"{label}: redirected too often, or to no URL, from {host_of(url)}")

    def get(self, url: str, label: str, timeout: CallTimeout) -> tuple[dict[str, Any], str]:
        """Return the object found at a URL, or where it is redirected to, and the URL that answered with it.

        Raises:
            ApiError: the platform answered with an error.
            PryvConnectionError: there is no whole answer.
            PryvProtocolError: the answer is not the API's.
        """
        answer, place = self.follow(url, label, timeout)
        return result_of(answer, label), place

    def post(self, url: str, data: Mapping[str, Any], label: str, timeout: CallTimeout) -> dict[str, Any]:
        """Send data as JSON and return the object that is answered.

        Raises:
            ApiError: the platform answered with an error.
            PryvConnectionError: there is no whole answer.
            PryvProtocolError: the answer is not the API's.
        """
        request = Request(
            "POST",
            url,
            label,
            headers=json.HEADERS,
            body=json.encode(data),
            timeout=limit_of(timeout, self.timeout),
        )
        return result_of(self.http.send(request), label, sent=data)
