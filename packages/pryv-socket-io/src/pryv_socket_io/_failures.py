"""Convert failures to connect to the SDK's exceptions, whose messages contain no secret."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from typing import Any

from pryv import ERRORS, PryvConnectionError, PryvError, PryvProtocolError, PryvTimeoutError
from pryv.addons import api_error, connection_error, is_transient_status, redact
from pryv_socket_io._libraries import websocket
from pryv_socket_io._packets import MalformedPacketError

_CONNECT_ERRORS = (
    (re.compile(r"^Unknown user|^Invalid resource"), ERRORS.UNKNOWN_RESOURCE),
    (re.compile(r"^Access has expired"), ERRORS.FORBIDDEN),
    (
        re.compile(r"\btoken\b|session has expired|has been revoked|auth step failed|DPoP"),
        ERRORS.INVALID_ACCESS_TOKEN,
    ),
)
"""The platform rejects a namespace with a message only, without an error id."""


def connect_error(data: Any, token: str | None) -> PryvError:
    """Return the exception for the data of a `connect_error`: the platform rejected the namespace."""
    message = redact(str(data.get("message") if isinstance(data, Mapping) else data), token)
    for pattern, error_id in _CONNECT_ERRORS:
        if pattern.search(message):
            return api_error({"id": error_id, "message": message}, method="socket")
    return PryvConnectionError(f"socket: the platform rejected the connection: {message}", sent=False)


def connection_failure(failure: BaseException, host: str) -> PryvError:
    """Return the exception for a failure to connect to a host."""
    chain = _chain(failure)
    for error in chain:
        if isinstance(error, PryvError):
            return error
        if isinstance(error, websocket.WebSocketBadStatusException):
            return _upgrade_error(error.status_code, host)
        if isinstance(error, websocket.WebSocketTimeoutException):
            return PryvTimeoutError(f"socket: {host} did not respond in time", sent=False)
        if isinstance(error, websocket.WebSocketConnectionClosedException):
            return PryvConnectionError(f"socket: {host} closed the connection", sent=False)
    if any(isinstance(error, (OSError, http.client.HTTPException)) for error in chain):
        return connection_error(failure, "socket", host, sent=False)
    reason = "".join(f": {error}" for error in chain if isinstance(error, MalformedPacketError))
    return PryvProtocolError(f"socket: {host} does not speak Socket.IO{reason}")


def _upgrade_error(status: int, host: str) -> PryvError:
    message = f"socket: {host} responded with HTTP {status}"
    if is_transient_status(status):
        return PryvConnectionError(message, sent=False)
    return PryvProtocolError(f"{message} instead of switching to WebSocket")


def _chain(failure: BaseException) -> list[BaseException]:
    chain = [failure]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) and inner not in chain:
        chain.append(inner)
    return chain
