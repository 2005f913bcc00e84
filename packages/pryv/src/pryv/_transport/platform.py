"""Calls to a platform outside of any account."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pryv.errors import PryvProtocolError

from . import json
from .credentials import Authorization, StaticToken
from .http import Http, Request, Response
from .results import result_of
from .retry import RetryPolicy
from .timeouts import CallTimeout, Default, Timeout, checked_timeout, limit_of
from .urls import host_of, resolved

MAX_REDIRECTS = 5
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


class Platform:
    """Sends a platform's calls: to its register, for access requests, and to URLs of its service info."""

    def __init__(self, http: Http, timeout: Timeout) -> None:
        self.http = http
        self.timeout = checked_timeout(timeout)

    def with_options(self, timeout: CallTimeout, retry: RetryPolicy | Default | None) -> Platform:
        """Return the same platform, with other limits over the same sessions."""
        other = copy.copy(self)
        other.http, other.timeout = self.http.with_retry(retry), limit_of(timeout, self.timeout)
        return other

    def read(self, url: str, label: str, timeout: CallTimeout) -> Response:
        """Send a GET request to a URL and return its response, of any status.

        Raises:
            PryvConnectionError: there is no complete response.
        """
        return self.http.send(Request("GET", url, label, idempotent=True, timeout=limit_of(timeout, self.timeout)))

    def follow(self, url: str, label: str, timeout: CallTimeout) -> tuple[Response, str]:
        """Send a GET request, follow redirects, and return the last response and its URL.

        Raises:
            PryvConnectionError: there is no complete response.
            PryvProtocolError: it is redirected too often, to no URL, or from https to http.
        """
        for _ in range(MAX_REDIRECTS):
            response = self.read(url, label, timeout)
            if response.status not in _REDIRECTS or "Location" not in response.headers:
                return response, url
            location = resolved(url, response.headers["Location"])
            if location is None:
                break
            url = location
        raise PryvProtocolError(f"{label}: redirected too often, or to no URL, from {host_of(url)}")

    def get(self, url: str, label: str, timeout: CallTimeout) -> tuple[dict[str, Any], str]:
        """Return the object at a URL, redirects followed, and the URL it came from.

        Raises:
            ApiError: the platform responded with an error.
            PryvConnectionError: there is no complete response.
            PryvProtocolError: the response is not one of the API.
        """
        response, final_url = self.follow(url, label, timeout)
        return result_of(response), final_url

    def post(
        self, url: str, data: Mapping[str, Any], label: str, timeout: CallTimeout, *, idempotent: bool = False
    ) -> dict[str, Any]:
        """Send data as JSON and return the object in the response.

        Raises:
            ApiError: the platform responded with an error.
            PryvConnectionError: there is no complete response.
            PryvProtocolError: the response is not one of the API.
        """
        request = Request(
            "POST",
            url,
            label,
            headers=json.HEADERS,
            body=json.encode(data),
            idempotent=idempotent,
            timeout=limit_of(timeout, self.timeout),
        )
        return result_of(self.http.send(request), sent=data)

    def delete(self, url: str, token: str, label: str, timeout: CallTimeout) -> dict[str, Any]:
        """Send a DELETE request with a token and return the object in the response.

        Raises:
            ApiError: the platform responded with an error.
            PryvConnectionError: there is no complete response.
            PryvProtocolError: the response is not one of the API.
        """
        auth = Authorization(StaticToken(token))
        request = Request("DELETE", url, label, auth=auth, timeout=limit_of(timeout, self.timeout))
        return result_of(self.http.send(request), token)
