"""What it means when a connection cannot be made: one of the SDK's exceptions, in words that hold no secret."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from typing import Any

from pryv import ERRORS, PryvConnectionError, PryvError, PryvProtocolError, PryvTimeoutError
from pryv.addons import api_error, connection_error, is_transient_status, redact
from pryv_socket_io._libraries import websocket
from pryv_socket_io._packets import MalformedPacketError

_REFUSALS = (
    (re.compile(r"^Unknown user|^Invalid resource"), ERRORS.UNKNOWN_RESOURCE),
    (re.compile(r"^Access has expired"), ERRORS.FORBIDDEN),
    (
        re.compile(r"\btoken\b|session has expired|has been revoked|auth step failed|DPoP"),
        ERRORS.INVALID_ACCESS_TOKEN,
    ),
)
"""The platform refuses a namespace in words alone, without the error's id."""


def refusal(told: Any, token: str | None) -> PryvError:
    """Return what the platform's refusal to let a client in means."""
    message = redact(str(told.get("message") if isinstance(told, Mapping) else told), token)
    for pattern, error_id in _REFUSALS:
        if pattern.search(message):
            return api_error({"id": error_id, "message": message}, method="socket")
    return PryvConnectionError(f"socket: the platform lets nobody in: {message}", sent=False)


def connection_failure(failure: BaseException, host: str) -> PryvError:
    """Return what a failure on the way to a host means."""
    chain = _chain(failure)
    for error in chain:
        if isinstance(error, PryvError):
            return error
        if isinstance(error, websocket.WebSocketBadStatusException):
            return _no_websocket(error.status_code, host)
        if isinstance(error, websocket.WebSocketTimeoutException):
            return PryvTimeoutError(f"socket: no answer from {host} in time", sent=False)
        if isinstance(error, websocket.WebSocketConnectionClosedException):
            return PryvConnectionError(f"socket: {host} hung up", sent=False)
    if any(isinstance(error, (OSError, http.client.HTTPException)) for error in chain):
        return connection_error(failure, "socket", host, sent=False)
    reason = "".join(f": {error}" for error in chain if isinstance(error, MalformedPacketError))
    return PryvProtocolError(f"socket: {host} does not speak Socket.IO{reason}")


def _no_websocket(status: int, host: str) -> PryvError:
    told = f"socket: {host} answered with HTTP {status}"
    if is_transient_status(status):
        return PryvConnectionError(told, sent=False)
    return PryvProtocolError(f"{told}, and not by changing to WebSocket")


def _chain(failure: BaseException) -> list[BaseException]:
    chain = [failure]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) and inner not in chain:
        chain.append(inner)
    return chain
