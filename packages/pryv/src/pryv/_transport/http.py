"""Sends HTTP requests: bounded in time, tried again where that is safe, every failure a `PryvError`."""

from __future__ import annotations

import contextlib
import copy
import logging
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import attrs
import requests
import urllib3

from pryv.errors import PryvConnectionError, PryvError, ResponseTooLargeError

from .bodies import Body, outgoing
from .failures import connection_error, is_transient_status, repeated_status
from .incoming import Incoming
from .interim import is_interim, read_past
from .limits import Limits, checked_limits
from .retry import NO_RETRY, RetryPolicy, parse_retry_after
from .sessions import Sessions, TokenAuth
from .settings import proxy_of, setting_error
from .timeouts import DEFAULT_TIMEOUT, Default, Timeout, read_limit
from .urls import host_of

_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError)
_log = logging.getLogger("pryv")


@attrs.frozen
class Request:
    """One HTTP request.

    Attributes:
        label: What it is called in messages and logs; holds no secret.
        safe: Whether sending it twice does no more than sending it once.
        stream: Whether the body of an answer with status 200 is left to the caller to read.
        read: What reads the body of an answer with status 200 as it arrives, once more if the request is sent again.
    """

    method: str
    url: str
    label: str
    token: str | None = attrs.field(default=None, repr=False)
    query: list[tuple[str, str]] = attrs.field(factory=list, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: Body = attrs.field(default=None, repr=False)
    safe: bool = False
    stream: bool = False
    read: Callable[[Iterator[bytes]], Any] | None = attrs.field(default=None, repr=False)
    timeout: Timeout = DEFAULT_TIMEOUT


@attrs.frozen
class Answer:
    """The answer to a request; `body` is empty where it is left to be read, by `chunks`.

    Attributes:
        received: Local time at which its head arrived, in seconds.
        resent: Whether the request had been sent before, so that the platform may have carried it out already.
        value: What the request's `read` made of the body.
        place: The account's endpoint that the request was sent on to, if the first had said that it is there.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    received: float
    resent: bool = False
    _unread: Incoming | None = attrs.field(default=None, repr=False)
    value: Any = attrs.field(default=None, repr=False, kw_only=True)
    place: str | None = attrs.field(default=None, kw_only=True)
    sent = True

    @property
    def retry_after(self) -> float | None:
        """Seconds the platform asks to wait, a day at most."""
        return parse_retry_after(self.headers.get("Retry-After"), self.headers.get("Date"), self.received)

    def chunks(self, *, decoded: bool = True) -> Generator[bytes, None, None]:
        """Yield a body left to be read, as `Incoming.chunks` does."""
        assert self._unread is not None  # noqa: S101  (only streams are read so)
        return self._unread.chunks(decoded=decoded)


Outcome = Answer | PryvConnectionError | ResponseTooLargeError
"""What comes of a try."""


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
        """Close the connections kept open, unless others share them."""
        self.sessions.close(self)

    def with_retry(self, retry: RetryPolicy | Default | None) -> Http:
        """Return one with another retry policy over the same sessions."""
        other = copy.copy(self)
        if not isinstance(retry, Default):
            other.retry = _checked_retry(retry)
        return other

    def send(self, request: Request) -> Answer:
        """Send a request and return its answer, whatever its status.

        Raises:
            PryvConnectionError: there is no whole answer.
            ResponseTooLargeError: it is larger than the limit.
        """
        start = time.monotonic()
        attempt = 1
        sent = False
        while True:
            outcome = self._try(request, start, resent=sent)
            if isinstance(outcome, ResponseTooLargeError):
                break
            wait = self.retry.wait(attempt, outcome.retry_after if isinstance(outcome, Answer) else None)
            late = time.monotonic() - start + wait > self.retry.deadline
            if late or attempt >= self.retry.attempts or not _worth_another_try(request, outcome):
                break
            sent = sent or outcome.sent
            _log.info("%s: try %d failed, the next in %.1f s", request.label, attempt, wait)
            time.sleep(wait)
            attempt += 1
        try:
            if isinstance(outcome, PryvError):
                raise outcome
            return outcome
        finally:
            del outcome  # or an error would keep this frame alive

    def _try(self, request: Request, start: float, *, resent: bool) -> Outcome:
        """Send once. A failure is returned, not raised: what it comes from holds the request, and so the token."""
        begin = time.monotonic()
        handled = sys.exc_info()[1]
        try:
            response = self._open(request)
        except Exception as failure:  # noqa: BLE001  (for some settings requests raises what the standard library does)
            status = repeated_status(failure)
            if status is not None:
                return Answer(status, {}, b"", time.time(), resent)
            return self._error_of(failure, request, handled)
        _log.debug("%s → %d in %.0f ms", request.label, response.status_code, (time.monotonic() - begin) * 1000)
        status, headers, received = response.status_code, response.raw.headers, time.time()
        incoming = Incoming(response, request.label, self.limits, read_limit(request.timeout))
        if request.stream and status == 200:
            return Answer(status, headers, b"", received, resent, incoming)
        try:
            if request.read is not None and status == 200:
                with contextlib.closing(incoming.chunks()) as chunks:
                    return Answer(status, headers, b"", received, resent, value=request.read(chunks))
            body = incoming.whole(self._end_of_answer(request, start))
        except (PryvConnectionError, ResponseTooLargeError) as error:
            return error.with_traceback(None)  # its frames hold the body
        return Answer(status, headers, body, received, resent)  # without the response, which holds on to its socket

    def _error_of(self, failure: Exception, request: Request, handled: BaseException | None) -> PryvConnectionError:
        """Return what a failure means: what is wrong with the settings, where that is the cause.

        Raises:
            Exception: `failure` is not of a request, but of a hook of the session's.
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

    def _end_of_answer(self, request: Request, start: float) -> float | None:
        seconds = read_limit(request.timeout)
        return None if seconds is None else max(start + self.retry.deadline, time.monotonic() + seconds)

    def _open(self, request: Request) -> requests.Response:
        session = self.sessions.get(self)
        response = session.request(
            request.method,
            request.url,
            params=request.query,
            headers=dict(request.headers),
            data=outgoing(request.body, read_limit(request.timeout)),
            auth=TokenAuth(request.token),
            timeout=request.timeout,
            allow_redirects=False,
            stream=True,
            proxies=dict(session.proxies),
            verify=None if session.verify is True else session.verify,
            hooks={"response": [*_hooks_of(session), _stay, _leave_no_cookie]},
        )
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


def _stay(response: requests.Response, **_: Any) -> None:
    """Hide from `requests` where an answer redirects to: even told not to follow, it would read and resolve it."""
    response.headers.pop("Location", None)


def _leave_no_cookie(response: requests.Response, **_: Any) -> None:
    """Hide an answer's cookies from the session, which may be the caller's, and serve several accounts."""
    head: Any = getattr(getattr(response.raw, "_original_response", None), "msg", None)
    if head is not None and "Set-Cookie" in head:
        del head["Set-Cookie"]


def _worth_another_try(request: Request, outcome: Answer | PryvConnectionError) -> bool:
    if isinstance(outcome, Answer):
        return request.safe and is_transient_status(outcome.status)
    return outcome.retryable and (request.safe or not outcome.sent)
