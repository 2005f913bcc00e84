"""Send HTTP requests with time limits, and retry idempotent ones; every failure becomes a `PryvError`."""

from __future__ import annotations

import copy
import logging
import sys
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import attrs
import requests
import urllib3

from pryv.errors import PryvConnectionError, PryvError, ResponseTooLargeError

from .credentials import Authorization, StaticToken
from .failures import connection_error, is_transient_status
from .interim import is_interim, read_past
from .libraries import drop_cookies, headers_of, repeated_status
from .limits import Limits, checked_limits
from .request_body import Body, limited_body
from .response_body import ResponseBody
from .retry import NO_RETRY, RetryPolicy, parse_retry_after
from .sessions import Sessions
from .settings import proxy_of, setting_error
from .timeouts import DEFAULT_TIMEOUT, Default, Timeout, read_limit
from .urls import host_of

_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError)
_log = logging.getLogger("pryv")


@attrs.frozen
class Request:
    """One HTTP request.

    Attributes:
        label: Its name in messages and logs, without secrets.
        auth: Adds the token, if there is one, to each attempt.
        idempotent: Whether sending it twice has the effect of sending it once (RFC 9110, section 9.2.2).
        stream: Whether the body of a response with status 200 is left to the caller to read.
        read: A function that reads the body of a response with status 200 by its `chunks`, again for each attempt.
    """

    method: str
    url: str
    label: str
    auth: Authorization = attrs.field(default=Authorization(StaticToken(None)), repr=False)
    query: list[tuple[str, str]] = attrs.field(factory=list, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: Body = attrs.field(default=None, repr=False)
    idempotent: bool = False
    stream: bool = False
    read: Callable[[Response], Any] | None = attrs.field(default=None, repr=False)
    timeout: Timeout = DEFAULT_TIMEOUT


@attrs.frozen
class Response:
    """The response to a request; `body` is empty if it is still to be read by `chunks`.

    Attributes:
        label: The name of the request in messages and logs.
        received: Local time at which its head arrived, in seconds.
        resent: Whether the request had been sent before, so that the platform may have executed it already.
        value: The result of the request's `read`.
        moved_to: The account's endpoint that sent the response, if the first endpoint named another one.
    """

    label: str
    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    received: float
    resent: bool = False
    _unread: ResponseBody | None = attrs.field(default=None, repr=False)
    value: Any = attrs.field(default=None, repr=False, kw_only=True)
    moved_to: str | None = attrs.field(default=None, kw_only=True)
    sent = True

    @property
    def retry_after(self) -> float | None:
        """Seconds the platform asks to wait, a day at most."""
        return parse_retry_after(self.headers.get("Retry-After"), self.headers.get("Date"), self.received)

    def chunks(self, *, decoded: bool = True) -> Generator[bytes, None, None]:
        """Yield a body that is still to be read; see `ResponseBody.chunks`."""
        assert self._unread is not None  # noqa: S101  (only streams are read so)
        return self._unread.chunks(decoded=decoded)


Outcome = Response | PryvConnectionError | ResponseTooLargeError
"""The result of one attempt."""


class Http:
    """Sends requests with one retry policy and one set of limits over one set of sessions."""

    def __init__(
        self,
        retry: RetryPolicy | None = None,
        session: requests.Session | None = None,
        limits: Limits = Limits(),  # noqa: B008  (frozen)
    ) -> None:
        self.retry = _checked_retry(retry)
        if not isinstance(session, (requests.Session, type(None))):
            raise TypeError(f"session is a requests.Session or None, not {type(session).__name__}")
        self.limits = checked_limits(limits)
        self.sessions = Sessions(session)

    def close(self) -> None:
        """Close the open connections, unless another `Http` shares them."""
        self.sessions.close(self)

    def with_retry(self, retry: RetryPolicy | Default | None) -> Http:
        """Return an `Http` with another retry policy over the same sessions."""
        other = copy.copy(self)
        if not isinstance(retry, Default):
            other.retry = _checked_retry(retry)
        return other

    def send(self, request: Request) -> Response:
        """Send a request and return its response, of any status.

        Raises:
            PryvConnectionError: there is no complete response.
            ResponseTooLargeError: the response is larger than the limit.
        """
        start = time.monotonic()
        attempt = 1
        sent = False
        while True:
            outcome = self._attempt(request, start, resent=sent)
            if isinstance(outcome, ResponseTooLargeError):
                break
            wait = self.retry.wait(attempt, outcome.retry_after if isinstance(outcome, Response) else None)
            late = time.monotonic() - start + wait > self.retry.deadline
            if late or attempt >= self.retry.attempts or not _may_retry(request, outcome):
                break
            sent = sent or outcome.sent
            _log.info("%s: attempt %d failed, the next one in %.1f s", request.label, attempt, wait)
            time.sleep(wait)
            attempt += 1
        try:
            if isinstance(outcome, PryvError):
                raise outcome
            return outcome
        finally:
            del outcome  # or an error would keep this frame alive

    def _attempt(self, request: Request, start: float, *, resent: bool) -> Outcome:
        """Send once. A failure is returned, not raised: its cause would hold the request, and so the token."""
        begin = time.monotonic()
        handled = sys.exc_info()[1]
        try:
            response = self._open(request)
        except Exception as failure:  # noqa: BLE001  (some settings make requests raise exceptions of the standard library)
            status = repeated_status(failure)
            if status is not None:
                return Response(request.label, status, {}, b"", time.time(), resent)
            return self._error_of(failure, request, handled)
        _log.debug("%s → %d in %.0f ms", request.label, response.status_code, (time.monotonic() - begin) * 1000)
        status, headers, received = response.status_code, headers_of(response), time.time()
        unread = ResponseBody(response, request.label, self.limits, read_limit(request.timeout))
        streamed = Response(request.label, status, headers, b"", received, resent, unread)
        if request.stream and status == 200:
            return streamed
        try:
            # The outcome does not have `unread`, which refers to the socket.
            if request.read is not None and status == 200:
                return attrs.evolve(streamed, unread=None, value=request.read(streamed))
            return attrs.evolve(streamed, unread=None, body=unread.whole(self._response_deadline(request, start)))
        except (PryvConnectionError, ResponseTooLargeError) as error:
            return error.with_traceback(None)  # its frames hold the body

    def _error_of(self, failure: Exception, request: Request, handled: BaseException | None) -> PryvConnectionError:
        """Return the error for a failure; if a setting is the cause, the message names it.

        Raises:
            Exception: `failure` itself, if a hook of the session raised it.
        """
        session, label = self.sessions.get(self), request.label
        _, proxy_setting = proxy_of(session, request.url) or (None, None)
        error = connection_error(failure, label, host_of(request.url), handled=handled, proxy_setting=proxy_setting)
        is_foreign = not isinstance(failure, _FAILURES)
        if is_foreign or not error.sent:
            wrong = setting_error(label, session, request.url, failure)
            if wrong is not None:
                return wrong
        if is_foreign:
            raise failure
        return error

    def _response_deadline(self, request: Request, start: float) -> float | None:
        seconds = read_limit(request.timeout)
        return None if seconds is None else max(start + self.retry.deadline, time.monotonic() + seconds)

    def _open(self, request: Request) -> requests.Response:
        session = self.sessions.get(self)
        try:
            response = session.request(
                request.method,
                request.url,
                params=request.query,
                headers=dict(request.headers),
                data=limited_body(request.body, read_limit(request.timeout)),
                auth=request.auth,
                timeout=request.timeout,
                allow_redirects=False,
                stream=True,
                proxies=dict(session.proxies),
                verify=None if session.verify is True else session.verify,
                hooks={"response": [*_hooks_of(session), _drop_location, _drop_cookies]},
            )
        except requests.HTTPError as raised:  # by `raise_for_status` in a hook of the session
            if raised.response is None:
                raise
            response = raised.response
        if is_interim(response.status_code):
            read_past(response)
        return response


def _checked_retry(retry: RetryPolicy | None) -> RetryPolicy:
    if not isinstance(retry, (RetryPolicy, type(None))):
        raise TypeError(f"retry is a pryv.RetryPolicy or None, not {type(retry).__name__}")
    return retry or NO_RETRY


def _hooks_of(session: requests.Session) -> list[Any]:
    hooks = session.hooks.get("response") or []
    return [hooks] if callable(hooks) else list(hooks)


def _drop_location(response: requests.Response, **_: Any) -> None:
    """Hide the redirect from `requests`, which resolves it even with `allow_redirects=False`.

    See https://github.com/psf/requests/issues/4123.
    """
    response.headers.pop("Location", None)


def _drop_cookies(response: requests.Response, **_: Any) -> None:
    """Hide the cookies from the session: it may be the user's, and serve several accounts."""
    drop_cookies(response)


def _may_retry(request: Request, outcome: Response | PryvConnectionError) -> bool:
    if isinstance(outcome, Response):
        return request.idempotent and is_transient_status(outcome.status)
    return outcome.retryable and (request.idempotent or not outcome.sent)
