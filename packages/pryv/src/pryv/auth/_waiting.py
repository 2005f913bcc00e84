"""Waiting for the user's answer to an access request."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

from pryv._access_requests import AccessRequest, quoted
from pryv._arguments import require_callback, require_seconds
from pryv._signals import SignalSafeEvent
from pryv._transport.timeouts import DEFAULT
from pryv.auth._states import AuthState, AuthStates, Listener, notify
from pryv.connection import Connection
from pryv.errors import ERRORS, AccessRefusedError, AccessTimeoutError, ApiError, PryvError, PryvProtocolError
from pryv.service import Service

WAIT = 600
"""Seconds a user has to answer, by default."""

_POLL_TIMEOUT = 10
_SHORTEST_PAUSE = 0.05
_log = logging.getLogger("pryv.auth")


def wait_for_access(
    service: Service, request: AccessRequest, timeout: float | None = WAIT, on_state: Listener | None = None
) -> Connection:
    """Wait until the user has answered an access request, and return the connection.

    It polls at the rate that the platform requests, and continues while the platform cannot be reached.

    See `Auth request <https://pryv.github.io/reference/#auth-request>`__ in the API reference.

    Args:
        service: The platform.
        request: The access request that `Service.start_access_request` returned.
        timeout: Seconds to wait for the answer; `None` waits until the platform deletes the request.
        on_state: A callback for each `AuthState` (`NEED_SIGNIN` first). An exception in it is logged.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `timeout` is not above 0.
        AccessRefusedError: the user refused.
        AccessTimeoutError: the user did not answer in time, or the platform no longer knows the request.
        PryvError: the request failed; see *Errors and retries*.
    """
    if not isinstance(service, Service):
        raise TypeError(f"service is a pryv.Service, not {type(service).__name__}")
    if not isinstance(request, AccessRequest):
        raise TypeError(f"request is what Service.start_access_request returned, not {type(request).__name__}")
    if on_state is not None:
        require_callback(on_state, "on_state")
    check_wait(timeout)

    def report(state: AuthState) -> None:
        if on_state is not None:
            notify(on_state, state.without_credentials())

    return service._connection(accepted_state(service, request, timeout, report)["apiEndpoint"])


def accepted_state(service: Service, request: AccessRequest, timeout: float | None, listener: Listener) -> AuthState:
    """Wait until the user has accepted an access request, and return the state with the credentials.

    Raises:
        AccessRefusedError: the user refused.
        AccessTimeoutError: the user did not answer in time, or the platform no longer knows the request.
        PryvError: the request failed.
    """
    state = follow_request(service, request, timeout, SignalSafeEvent(), listener)
    if state.status == AuthStates.REFUSED:
        raise AccessRefusedError("the user refused the access request")
    if state.api_endpoint is None:
        raise PryvError(f"the access request failed: {state.message}")
    return state


def check_wait(timeout: float | None) -> None:
    """Check a time to wait for an answer.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not above 0.
    """
    if timeout is not None:
        require_seconds(timeout, "timeout", above_zero=True, endless=True)


def follow_request(
    service: Service,
    request: AccessRequest,
    timeout: float | None,
    stopped: SignalSafeEvent,
    report: Listener,
) -> AuthState:
    """Poll an access request; report the state `NEED_SIGNIN`, then the final state, and return it.

    Once `stopped` is set, this returns at once, with the state `NEED_SIGNIN`.
    """
    state = AuthState(AuthStates.NEED_SIGNIN, key=request.key, auth_url=request.auth_url)
    try:
        report(state)
        body = _poll_until_final(service, request, timeout, stopped)
        if body is not None:
            state = _state_of(body, request, service)
    except BaseException as error:
        report(AuthState.failed(error))
        raise
    if body is not None:
        report(state)
    return state


def _poll_until_final(
    service: Service, request: AccessRequest, timeout: float | None, stopped: SignalSafeEvent
) -> Mapping[str, Any] | None:
    end = math.inf if timeout is None else time.monotonic() + timeout
    pause = 0.0
    with service._with_options(DEFAULT, retry=None) as polled:  # polling retries already
        while not stopped.wait(max(0.0, min(pause, end - time.monotonic()))):
            left = end - time.monotonic()
            if left <= 0:
                raise AccessTimeoutError(f"the user did not answer the access request within {timeout:g} seconds")
            pause = max(request.poll_rate, _SHORTEST_PAUSE)
            try:
                body = polled.poll_access_request(request.poll, timeout=min(left, _POLL_TIMEOUT))
                if body.get("status") != AuthStates.NEED_SIGNIN:
                    return body
            except PryvError as error:
                if isinstance(error, ApiError) and error.id == ERRORS.UNKNOWN_ACCESS_KEY:
                    raise AccessTimeoutError("the platform no longer knows the access request") from None
                if not error.retryable:
                    raise
                retry_after = getattr(error, "retry_after", None) or 0.0
                if retry_after > max(0.0, end - time.monotonic()):
                    raise
                _log.info("%s; polling again", error)
                pause = max(pause, retry_after)
    return None


def _state_of(body: Mapping[str, Any], request: AccessRequest, service: Service) -> AuthState:
    status = body.get("status")
    if status == AuthStates.AUTHORIZED:
        if not isinstance(body.get("apiEndpoint"), str):
            raise PryvProtocolError("GET access request: the response has no apiEndpoint")
        return AuthState(
            status,
            key=request.key,
            username=body.get("username"),
            api_endpoint=body["apiEndpoint"],
            service_info=service.info(),
        )
    reason = quoted(body, "message" if body.get("message") else "reasonId", request.key)
    if status in (AuthStates.REFUSED, AuthStates.ERROR):
        return AuthState(status, key=request.key, message=reason)
    raise PryvProtocolError(f"GET access request: {quoted(body, 'status', request.key)!r} is not a status")
