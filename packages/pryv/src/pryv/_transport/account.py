"""Calls to one account: where it is, the token that opens it, and the time it has."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import attrs

from pryv.errors import ERRORS, ApiError, PryvConnectionError, PryvError, PryvProtocolError
from pryv.types import AccessInfo

from . import json
from .answers import result_of
from .bodies import Body
from .http import Answer, Http, Request
from .redact import redact
from .retry import RetryPolicy
from .timeouts import DEFAULT, CallTimeout, Default, Timeout, checked_timeout, limit_of
from .urls import moved

ErrorT = TypeVar("ErrorT", bound=PryvError)

_YEAR_10000 = 253_402_300_800
"""Seconds from 1970."""


class DeltaTime:
    """The running mean of server time minus local time, in seconds.

    It needs no lock, which a fork could leave locked: of two observations at the very same time, one may be lost.
    """

    def __init__(self) -> None:
        self._mean_and_count = 0.0, 0

    @property
    def mean(self) -> float:
        """The mean; 0 before the first observation."""
        return self._mean_and_count[0]

    def add(self, difference: float) -> None:
        """Take one more observation into the mean."""
        mean, count = self._mean_and_count
        self._mean_and_count = mean + (difference - mean) / (count + 1), count + 1


@attrs.define
class AccountState:
    """What is known of an account, by all that share it.

    Attributes:
        first_endpoint: The URL that calls went to at first.
        place: The endpoint that calls go to instead, as the platform said.
        access_info: What the token gives access to.
        delta_time: How far the platform's clock is ahead.
    """

    first_endpoint: str
    place: str | None = None
    access_info: AccessInfo | None = None
    delta_time: DeltaTime = attrs.field(factory=DeltaTime)


class Account:
    """Sends an account's calls, and follows the account when the platform says where else it is.

    Another place is remembered once it has given a result, and forgotten as soon as it fails: what is wrong about a
    place must not outlast a call.
    """

    def __init__(self, http: Http, endpoint: str, token: str | None, timeout: Timeout) -> None:
        self.http = http
        self.token = token
        self.timeout = checked_timeout(timeout)
        self.state = AccountState(endpoint)

    def over(self, http: Http, timeout: Timeout) -> Account:
        """Return the same account, whose calls are sent by another `Http`: what one learns, the other knows."""
        other = copy.copy(self)
        other.http, other.timeout = http, checked_timeout(timeout)
        return other

    def with_options(self, timeout: CallTimeout, retry: RetryPolicy | Default | None) -> Account:
        """Return the same account, with other limits over the same sessions."""
        return self.over(self.http.with_retry(retry), limit_of(timeout, self.timeout))

    @property
    def endpoint(self) -> str:
        """The URL that calls go to."""
        return self.state.place or self.state.first_endpoint

    def remember(self, place: str | None) -> None:
        """Send calls to another place from now on, if one is named, where a result came from."""
        self.state.place = place or self.state.place

    def noted(self, failure: ErrorT) -> ErrorT:
        """Return a failure, having forgotten the place that calls go to, unless the API answered there."""
        if not isinstance(failure, ApiError) or failure.id is None:
            self.state.place = None
        return failure

    def send(
        self,
        method: str,
        path: str,
        *,
        label: str | None = None,
        query: list[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        safe: bool = False,
        stream: bool = False,
        read: Callable[[Iterator[bytes]], Any] | None = None,
        timeout: CallTimeout = DEFAULT,
    ) -> Answer:
        """Send one call and return its answer, whatever its status.

        A `wrong-core` (421) or `user-account-relocated` (301) is followed once.

        Raises:
            PryvConnectionError: there is no whole answer.
        """
        endpoint = self.endpoint
        request = Request(
            method,
            endpoint + path,
            label or f"{method} {redact(path, self.token)}",
            token=self.token,
            query=query or [],
            headers=headers or {},
            body=body,
            safe=safe,
            stream=stream,
            read=read,
            timeout=limit_of(timeout, self.timeout),
        )
        try:
            answer = self.http.send(request)
            place = _new_endpoint(answer, endpoint, self.token)
            if place is None:
                return answer
            return attrs.evolve(self.http.send(attrs.evolve(request, url=place + path)), place=place)
        except PryvConnectionError as failure:
            self.noted(failure)
            raise

    def call(
        self,
        method: str,
        path: str,
        *,
        label: str | None = None,
        query: list[tuple[str, str]] | None = None,
        data: Any = None,
        safe: bool = False,
        timeout: CallTimeout = DEFAULT,
    ) -> dict[str, Any]:
        """Send one call with JSON data and return its result.

        Raises:
            ApiError: the platform answered with an error.
            PryvConnectionError: there is no whole answer.
            PryvProtocolError: the answer is not the API's.
        """
        label = label or f"{method} {redact(path, self.token)}"
        has_body = data is not None
        answer = self.send(
            method,
            path,
            label=label,
            query=query,
            headers=json.HEADERS if has_body else None,
            body=json.encode(data) if has_body else None,
            safe=safe,
            timeout=timeout,
        )
        return self.result(answer, label, sent=data, tells_time=(method, path) != ("GET", "events"))

    def result(self, answer: Answer, label: str, *, sent: Any = None, tells_time: bool = True) -> dict[str, Any]:
        """Return the result that the answer to a request with the data `sent` holds, and remember where it came from.

        If it `tells_time`, the platform's time is taken from it.

        Raises:
            ApiError: the answer is an error of the API.
            PryvProtocolError: the answer is not the API's.
        """
        try:
            return self._checked(answer, label, sent, tells_time)
        except PryvError as error:
            failure = self.noted(error.with_traceback(None))  # its frames hold the body
        try:
            raise failure
        finally:
            del failure  # or it would keep this frame, and the answer, alive

    def _checked(self, answer: Answer, label: str, sent: Any, tells_time: bool) -> dict[str, Any]:
        result = result_of(answer, label, self.token, sent=sent)
        server_time = server_time_of(result, label)
        self.remember(answer.place)
        if tells_time:
            self.state.delta_time.add(server_time - answer.received)
        return result


def server_time_of(result: Mapping[str, Any], label: str) -> float:
    """Return the server time, in seconds, that every result of an account carries.

    Raises:
        PryvProtocolError: it carries none, or what is no time in the years from 1970 to 9999.
    """
    meta = result.get("meta")
    server_time: Any = meta.get("serverTime") if isinstance(meta, Mapping) else None
    is_number = isinstance(server_time, (int, float)) and not isinstance(server_time, bool)
    if not is_number or not 0 <= server_time < _YEAR_10000:
        raise PryvProtocolError(f"{label}: the answer has no meta.serverTime in seconds")
    return float(server_time)


def _new_endpoint(answer: Answer, endpoint: str, token: str | None) -> str | None:
    """Return the account's new endpoint if the answer says that it has moved."""
    if answer.status not in (301, 421):
        return None
    try:
        body = json.decode(answer.body, "")
    except PryvProtocolError:
        return None
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return None
    if error.get("id") not in (ERRORS.WRONG_CORE, ERRORS.USER_ACCOUNT_RELOCATED):
        return None
    places = (*_strings(error.get("data")), error.get("coreUrl"), answer.headers.get("Location"))
    return next((new for place in places if isinstance(place, str) and (new := moved(endpoint, place, token))), None)


def _strings(data: Any) -> list[Any]:
    if isinstance(data, Mapping):
        return list(data.values())
    return [data]
