"""What a failure means: one of the SDK's exceptions, in words that hold no secret, and whether it may pass.

Retries, `retryable`, monitors and sockets all go by the rule given here.
"""

from __future__ import annotations

import http.client
import re
import ssl
import traceback
from collections.abc import Iterator

import requests
import urllib3

from pryv.errors import (
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
    PryvTimeoutError,
    PryvTlsError,
    ServerError,
)

_TRANSIENT_STATUSES = frozenset((408, 425, 429, 500, 502, 503, 504, 507, *range(520, 525), 529, 530))
"""HTTP statuses of what may pass. Those from 520 on are of content delivery networks.

See https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/ for the latter.
"""

_PERMANENT_TLS = re.compile(
    r"CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|KEY_TOO_SMALL|MD_TOO_WEAK"  # either side does not accept the other's
    r"|PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|PROTOCOLS_AVAILABLE|VERSION_TOO"
    r"|HANDSHAKE_FAILURE|SHARED_CIPHER|CIPHERS_AVAILABLE|INSUFFICIENT_SECURITY|LEGACY_RENEGOTIATION"
)
"""Reasons of OpenSSL's for which no later handshake succeeds: a certificate refused, or no protocol in common."""

_NOT_TLS = re.compile(r"WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|RECORD_LAYER_FAILURE|HTTP_REQUEST")
"""Reasons of OpenSSL's for an answer without encryption, by version."""

_STATUS_REPEATED = re.compile(urllib3.exceptions.ResponseError.SPECIFIC_ERROR.format(status_code=r"(\d{3})"))
"""How a `urllib3.Retry` says which answer it gave up on."""

_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")
"""How the standard library says that a proxy makes no tunnel."""

_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError)
_PROXY_ERRORS = (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)
_TLS_ERRORS = (ssl.SSLError, requests.exceptions.SSLError, urllib3.exceptions.SSLError)
_UNUSABLE = (
    http.client.InvalidURL,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    urllib3.exceptions.LocationValueError,
)
_UNSENT = (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError, *_UNUSABLE)


def is_transient_status(status: int) -> bool:
    """Tell whether what an HTTP status says may pass by itself."""
    return status in _TRANSIENT_STATUSES


def is_transient(failure: BaseException) -> bool:
    """Tell whether a failure may pass by itself, for whoever tries again for longer than one call does.

    An answer that is not the API's is then taken for one of a proxy, or of a captive portal, and may pass too.
    """
    if isinstance(failure, ServerError) and failure.id is None:
        return True
    return isinstance(failure, PryvProtocolError) or (isinstance(failure, PryvError) and failure.retryable)


def connection_error(
    failure: BaseException,
    label: str,
    host: str,
    *,
    sent: bool | None = None,
    handled: BaseException | None = None,
    proxy_setting: str | None = None,
) -> PryvConnectionError:
    """Return what a failure to get an answer from a host means.

    Args:
        failure: What `requests`, `urllib3` or the standard library raised.
        label: What failed.
        host: The host and port, without credentials.
        sent: Whether anything may have been sent; `None`: as the failure tells.
        handled: The exception that was being handled before, which is not what the failure comes from.
        proxy_setting: The name of the setting that the proxy comes from, if there is a proxy.
    """
    chain = list(_chain(failure, handled))
    sent = not _was_connecting(chain) if sent is None else sent
    proxied = any(isinstance(error, _PROXY_ERRORS) for error in chain)
    tls = next((error for error in reversed(chain) if isinstance(error, _TLS_ERRORS)), None)
    reason = _reason(tls or chain[-1])
    proxy = "the proxy" if proxy_setting is None else f"the proxy of {proxy_setting}"
    place = f"{proxy} on the way to {host}" if proxied else host
    if tls is not None and _is_permanent(tls):
        return PryvTlsError(f"{label}: the TLS connection to {place} failed: {reason}", sent=sent)
    if isinstance(failure, _TIMEOUTS) or isinstance(chain[-1], TimeoutError):
        what = "no answer from" if sent else "no connection to"
        return PryvTimeoutError(f"{label}: {what} {host} in time", sent=sent)
    refusal = _TUNNEL_REFUSED.search(str(chain[-1]))
    if proxied or refusal:
        reason = f"HTTP {refusal[1]}" if refusal else reason
        error = PryvConnectionError(f"{label}: {proxy} gives no way to {host}: {reason}", sent=False)
        error.retryable = refusal is None or is_transient_status(int(refusal[1]))
        return error
    what = f"the connection to {host} broke" if sent else f"no connection to {host}"
    error = PryvConnectionError(f"{label}: {what}: {reason}", sent=sent)
    error.retryable = not any(isinstance(inner, _UNUSABLE) for inner in chain)
    return error


def repeated_status(failure: BaseException) -> int | None:
    """Return the status of the last answer, where a session gave up on its own tries because of it."""
    reason = getattr(failure.args[0], "reason", None) if failure.args else None
    found = _STATUS_REPEATED.fullmatch(str(reason)) if isinstance(reason, urllib3.exceptions.ResponseError) else None
    return int(found[1]) if found else None


def comes_of_plain_proxy(failure: BaseException) -> bool:
    """Tell whether a failure is that a proxy answered a TLS handshake without TLS."""
    chain = list(_chain(failure))
    return any(isinstance(error, _PROXY_ERRORS) for error in chain) and any(
        isinstance(error, ssl.SSLError) and _NOT_TLS.search(error.reason or "") for error in chain
    )


def _is_permanent(tls: BaseException) -> bool:
    if not isinstance(tls, ssl.SSLError):  # of urllib3's own: a host name or a fingerprint that does not match
        return True
    return isinstance(tls, ssl.SSLCertVerificationError) or bool(_PERMANENT_TLS.search(tls.reason or ""))


def _reason(error: BaseException) -> str:
    """Return why, in words that come from the libraries alone."""
    if isinstance(error, ssl.SSLError) and error.reason:
        words = "the answer is not TLS" if _NOT_TLS.search(error.reason) else error.reason.replace("_", " ").lower()
        return getattr(error, "verify_message", None) or words
    return getattr(error, "strerror", None) or type(error).__name__


def _was_connecting(chain: list[BaseException]) -> bool:
    """Tell whether a failure came before anything was sent.

    A handshake that was cut short is told by `urllib3` as an answer that was: only the traceback knows where it was.
    """
    if any(isinstance(error, _UNSENT) for error in chain):
        return True
    frames = (frame for error in chain for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(
        frame.f_code.co_name == "connect" and isinstance(frame.f_locals.get("self"), http.client.HTTPConnection)
        for frame in frames
    )


def _chain(failure: BaseException, handled: BaseException | None = None) -> Iterator[BaseException]:
    """Yield a failure, and one after the other what it comes from."""
    seen = {id(handled)}
    inner: BaseException | None = failure
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        inner = inner.__cause__ or inner.__context__ or _wrapped(inner)


def _wrapped(failure: BaseException) -> BaseException | None:
    candidates = (*failure.args, getattr(failure, "reason", None))
    return next((item for item in reversed(candidates) if isinstance(item, BaseException)), None)
