"""From a failure of the libraries to an exception of the SDK, with a message without secrets.

Retries, `retryable`, monitors and sockets all follow the rule in this module.
"""

from __future__ import annotations

import http.client
import re
import ssl
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

from .libraries import happened_in_connect, tunnel_status

_TRANSIENT_STATUSES = frozenset((408, 425, 429, 500, 502, 503, 504, 507, *range(520, 525), 529, 530))
"""HTTP statuses of transient failures. Content delivery networks send those from 520 on.

See https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/.
"""

_PERMANENT_TLS = re.compile(
    r"CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|KEY_TOO_SMALL|MD_TOO_WEAK"  # a side refuses the other's certificate
    r"|PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|PROTOCOLS_AVAILABLE|VERSION_TOO"
    r"|HANDSHAKE_FAILURE|SHARED_CIPHER|CIPHERS_AVAILABLE|INSUFFICIENT_SECURITY|LEGACY_RENEGOTIATION"
)
"""OpenSSL's reasons for which no later handshake succeeds: a refused certificate, or no common protocol.

All reasons are in https://github.com/openssl/openssl/blob/master/include/openssl/sslerr.h, without `SSL_R_`.
"""

_NOT_TLS = re.compile(r"WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|RECORD_LAYER_FAILURE|HTTP_REQUEST")
"""OpenSSL's reasons for a response without encryption; they differ by version."""

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
    """Return whether an HTTP status means a transient failure."""
    return status in _TRANSIENT_STATUSES


def is_transient(failure: BaseException) -> bool:
    """Return whether a failure is transient, for a program that retries for longer than one call does.

    A response that is not one of the API counts as transient here: a proxy or a captive portal may have sent it.
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
    """Return the exception for a failure to get a response from a host.

    Args:
        failure: What `requests`, `urllib3` or the standard library raised.
        label: The name of the request in messages.
        host: The host and port, without credentials.
        sent: Whether anything may have been sent; `None`: the failure decides.
        handled: The exception that was being handled before; it is not a cause of the failure.
        proxy_setting: The name of the setting that names the proxy, if there is one.
    """
    chain = list(_chain(failure, handled))
    sent = not _was_connecting(chain) if sent is None else sent
    proxied = any(isinstance(error, _PROXY_ERRORS) for error in chain)
    tls = next((error for error in reversed(chain) if isinstance(error, _TLS_ERRORS)), None)
    reason = _reason(chain[-1])
    proxy = "the proxy" if proxy_setting is None else f"the proxy of {proxy_setting}"
    place = f"{proxy} on the way to {host}" if proxied else host
    if tls is not None and _is_permanent(tls):
        return PryvTlsError(f"{label}: the TLS connection to {place} failed: {reason}", sent=sent)
    if isinstance(failure, _TIMEOUTS) or isinstance(chain[-1], TimeoutError):
        what = "no response from" if sent else "no connection to"
        return PryvTimeoutError(f"{label}: {what} {host} in time", sent=sent)
    refusal = tunnel_status(chain[-1])
    if proxied or refusal is not None:
        reason = reason if refusal is None else f"HTTP {refusal}"
        error = PryvConnectionError(f"{label}: {proxy} does not connect to {host}: {reason}", sent=False)
        error.retryable = refusal is None or is_transient_status(refusal)
        return error
    what = f"the connection to {host} broke" if sent else f"no connection to {host}"
    error = PryvConnectionError(f"{label}: {what}: {reason}", sent=sent)
    error.retryable = not any(isinstance(inner, _UNUSABLE) for inner in chain)
    return error


def is_plain_proxy_error(failure: BaseException) -> bool:
    """Return whether a proxy responded to a TLS handshake without TLS."""
    chain = list(_chain(failure))
    return any(isinstance(error, _PROXY_ERRORS) for error in chain) and any(
        _NOT_TLS.search(_tls_reason(error)) for error in chain
    )


def _is_permanent(tls: BaseException) -> bool:
    if not isinstance(tls, ssl.SSLError):  # urllib3's own: a host name or a fingerprint does not match
        return True
    return isinstance(tls, ssl.SSLCertVerificationError) or bool(_PERMANENT_TLS.search(_tls_reason(tls)))


def _reason(error: BaseException) -> str:
    """Return the reason, in words of the libraries only."""
    tls = _tls_reason(error)
    words = "the response is not TLS" if _NOT_TLS.search(tls) else tls.replace("_", " ").lower()
    return getattr(error, "verify_message", None) or words or getattr(error, "strerror", None) or type(error).__name__


def _tls_reason(error: BaseException) -> str:
    """Return OpenSSL's reason; an empty string if another library has raised the error, such as `truststore`.

    See https://github.com/sethmlarson/truststore/blob/main/src/truststore/_macos.py.
    """
    return (getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""


def _was_connecting(chain: list[BaseException]) -> bool:
    """Return whether a failure came before anything was sent."""
    return any(isinstance(error, _UNSENT) or happened_in_connect(error) for error in chain)


def _chain(failure: BaseException, handled: BaseException | None = None) -> Iterator[BaseException]:
    """Yield a failure and its causes, in order."""
    seen = {id(handled)}
    inner: BaseException | None = failure
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        inner = inner.__cause__ or inner.__context__ or _wrapped(inner)


def _wrapped(failure: BaseException) -> BaseException | None:
    candidates = (*failure.args, getattr(failure, "reason", None))
    return next((item for item in reversed(candidates) if isinstance(item, BaseException)), None)
