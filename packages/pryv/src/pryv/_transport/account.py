"""Calls to one account: its endpoint, its token, and the platform's clock."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from pryv._tracebacks import without_frames
from pryv.errors import ERRORS, ApiError, PryvConnectionError, PryvError, PryvProtocolError
from pryv.types import AccessInfo

from . import json
from .credentials import Authorization, Credentials, Refusal
from .dates import clock_ahead
from .http import Http, Request, Response
from .redact import redact
from .request_body import Body
from .results import result_of
from .retry import RetryPolicy
from .timeouts import DEFAULT, CallTimeout, Default, Timeout, checked_timeout, limit_of
from .urls import moved_endpoint

ErrorT = TypeVar("ErrorT", bound=PryvError)

_REFUSALS = frozenset((400, 401, 403))
_log = logging.getLogger("pryv")

_YEAR_10000 = 253_402_300_800
"""Seconds from 1970."""


class DeltaTime:
    """The running mean of server time minus local time, in seconds.

    It has no lock, which a fork could leave locked: one of two simultaneous observations may be lost.
    """

    def __init__(self) -> None:
        self._mean_and_count = 0.0, 0

    @property
    def mean(self) -> float:
        """The mean; 0 before the first observation."""
        return self._mean_and_count[0]

    def add(self, difference: float) -> None:
        """Add an observation to the mean."""
        mean, count = self._mean_and_count
        self._mean_and_count = mean + (difference - mean) / (count + 1), count + 1


@attrs.define
class AccountState:
    """The state of an account, shared by its copies with other limits.

    Attributes:
        first_endpoint: The URL that calls went to at first.
        moved_to: The endpoint that calls go to instead, named by the platform.
        access_info: The access of `access_token`.
        access_token: The token with which it was read.
        delta_time: The seconds by which the platform's clock is ahead.
    """

    first_endpoint: str
    moved_to: str | None = None
    access_info: AccessInfo | None = None
    access_token: str | None = attrs.field(default=None, repr=False)
    delta_time: DeltaTime = attrs.field(factory=DeltaTime)


class Account:
    """Sends an account's calls with its credentials, to another endpoint if the platform names one.

    A new endpoint is kept after it has returned a result, and dropped as soon as it fails, so that an error there
    affects one call only.
    """

    def __init__(self, http: Http, endpoint: str, credentials: Credentials, timeout: Timeout) -> None:
        self.http = http
        self.credentials = credentials
        self.timeout = checked_timeout(timeout)
        self.state = AccountState(endpoint)

    def over(self, http: Http, timeout: Timeout) -> Account:
        """Return the same account over another `Http`; both share the state."""
        other = copy.copy(self)
        other.http, other.timeout = http, checked_timeout(timeout)
        return other

    def with_options(self, timeout: CallTimeout, retry: RetryPolicy | Default | None) -> Account:
        """Return the same account, with other limits over the same sessions."""
        return self.over(self.http.with_retry(retry), limit_of(timeout, self.timeout))

    @property
    def token(self) -> str | None:
        """The current token."""
        return self.credentials.token

    @property
    def secrets(self) -> tuple[str, ...]:
        """What messages must not show: the current token, and earlier ones."""
        return self.credentials.secrets

    def require_bearer(self, label: str) -> None:
        """Check that the token can be used where requests carry no proof.

        Raises:
            PryvError: it is bound to a key (DPoP).
        """
        if self.credentials.is_bound:
            raise PryvError(f"{label}: not with a DPoP token: the platform accepts it in HTTP calls of the API only")

    @property
    def endpoint(self) -> str:
        """The URL that calls go to."""
        return self.state.moved_to or self.state.first_endpoint

    def keep_endpoint(self, moved_to: str | None) -> None:
        """Send calls from now on to the endpoint that a result came from, if it is a new one."""
        self.state.moved_to = moved_to or self.state.moved_to

    def failed(self, error: ErrorT) -> ErrorT:
        """Return an error, after going back to the first endpoint if it is not one of the API."""
        if not isinstance(error, ApiError) or error.id is None:
            self.state.moved_to = None
        return error

    def send(
        self,
        method: str,
        path: str,
        *,
        label: str | None = None,
        query: list[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        idempotent: bool = False,
        stream: bool = False,
        read: Callable[[Response], Any] | None = None,
        timeout: CallTimeout = DEFAULT,
    ) -> Response:
        """Send one call and return its response, of any status.

        A `wrong-core` (421) or `user-account-relocated` (301) is followed once. A call that is refused for its
        credentials was not carried out, so it is repeated once if there are other ones, even if it is not idempotent.

        Raises:
            PryvConnectionError: there is no complete response.
            PryvError: the credentials cannot be renewed.
        """
        self.credentials.before_request()
        auth = Authorization(self.credentials)
        request = Request(
            method,
            self.endpoint + path,
            label or f"{method} {redact(path, *self.secrets)}",
            auth=auth,
            query=query or [],
            headers=headers or {},
            body=body,
            idempotent=idempotent,
            stream=stream,
            read=read,
            timeout=limit_of(timeout, self.timeout),
        )
        del body  # or a traceback would show it
        try:
            response = self._followed(request, path)
            if response.status in _REFUSALS and self.credentials.renewed(_refusal(response, auth.token)):
                _log.info("%s: refused, sent again with new credentials", request.label)
                again = self._followed(attrs.evolve(request, url=self.endpoint + path), path)
                response = attrs.evolve(again, resent=again.resent or response.resent)
        except PryvConnectionError as failure:
            self.failed(failure)
            raise
        return response

    def _followed(self, request: Request, path: str) -> Response:
        """Send a request for a path below the endpoint, and follow the account if it has moved."""
        response = self.http.send(request)
        moved_to = _new_endpoint(response, request.url.removesuffix(path), self.token)
        if moved_to is None:
            return response
        moved = self.http.send(attrs.evolve(request, url=moved_to + path))
        return attrs.evolve(moved, resent=moved.resent or response.resent, moved_to=moved_to)

    def call(
        self,
        method: str,
        path: str,
        *,
        label: str | None = None,
        query: list[tuple[str, str]] | None = None,
        data: Any = None,
        idempotent: bool = False,
        timeout: CallTimeout = DEFAULT,
    ) -> dict[str, Any]:
        """Send one call with JSON data and return its result.

        Raises:
            ApiError: the platform responded with an error.
            PryvConnectionError: there is no complete response.
            PryvProtocolError: the response is not one of the API.
        """
        has_body = data is not None
        response = self.send(
            method,
            path,
            label=label,
            query=query,
            headers=json.HEADERS if has_body else None,
            body=json.encode(data) if has_body else None,
            idempotent=idempotent,
            timeout=timeout,
        )
        return self.result(response, sent=data, tells_time=(method, path) != ("GET", "events"))

    @without_frames
    def result(self, response: Response, *, sent: Any = None, tells_time: bool = True) -> dict[str, Any]:
        """Return the result in the response to a request with the data `sent`, and keep the endpoint it came from.

        If `tells_time`, its server time updates `delta_time`.

        Raises:
            ApiError: the response is an error of the API.
            PryvProtocolError: the response is not one of the API.
        """
        try:
            result = result_of(response, *self.secrets, sent=sent)
            server_time = server_time_of(result, response.label)
        except PryvError as error:
            self.failed(error)
            raise
        self.keep_endpoint(response.moved_to)
        if tells_time:
            ahead = server_time - response.received
            self.state.delta_time.add(ahead)
            self.credentials.observe_clock(ahead)
        return result


def server_time_of(result: Mapping[str, Any], label: str) -> float:
    """Return the server time, in seconds, of a result of an account.

    Raises:
        PryvProtocolError: it has none, or one outside the years 1970 to 9999.
    """
    meta = result.get("meta")
    server_time: Any = meta.get("serverTime") if isinstance(meta, Mapping) else None
    is_number = isinstance(server_time, (int, float)) and not isinstance(server_time, bool)
    if not is_number or not 0 <= server_time < _YEAR_10000:
        raise PryvProtocolError(f"{label}: the response has no meta.serverTime in seconds")
    return float(server_time)


def _refusal(response: Response, token: str | None) -> Refusal:
    error = _error_in(response)
    error_id, message = error.get("id"), error.get("message")
    return Refusal(
        token=token,
        error_id=error_id if isinstance(error_id, str) else None,
        message=message if isinstance(message, str) else None,
        headers=response.headers,
        clock_ahead=clock_ahead(response.headers.get("Date"), response.received),
    )


def _error_in(response: Response) -> Mapping[str, Any]:
    """Return the error of the API in a response, or that of OAuth as one; it is empty if there is none."""
    try:
        body = json.decode(response.body, "")
    except PryvProtocolError:
        return {}
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, str):  # RFC 6749, section 5.2
        return {"id": error}
    return error if isinstance(error, Mapping) else {}


def _new_endpoint(response: Response, endpoint: str, token: str | None) -> str | None:
    """Return the account's new endpoint if the response says that the account has moved."""
    if response.status not in (301, 421):
        return None
    error = _error_in(response)
    if error.get("id") not in (ERRORS.WRONG_CORE, ERRORS.USER_ACCOUNT_RELOCATED):
        return None
    places = (*_strings(error.get("data")), error.get("coreUrl"), response.headers.get("Location"))
    return next(
        (new for place in places if isinstance(place, str) and (new := moved_endpoint(endpoint, place, token))), None
    )


def _strings(data: Any) -> list[Any]:
    if isinstance(data, Mapping):
        return list(data.values())
    return [data]
