"""A session, from `open` to `close`: it connects, and reconnects."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Any

from pryv import ApiError, Connection, PryvConnectionError, PryvError, PryvTimeoutError, RetryPolicy
from pryv.addons import (
    SignalSafeEvent,
    access_info_within,
    bearer_token,
    http_settings,
    is_transient,
    limits,
    renew_token,
)
from pryv.types import AccessInfo
from pryv_socket_io._abort import AbortHandle
from pryv_socket_io._link import Address, Link
from pryv_socket_io._notifications import Callbacks, Dispatcher, Notification, parse_notification
from pryv_socket_io._scopes import Scopes
from pryv_socket_io._tcp import PROXY_SCHEMES
from pryv_socket_io._threads import start_thread

_JOIN_TIMEOUT = 0.8
"""The longest time that `close` waits for threads, in seconds."""

_REFRESH_TIMEOUT = 5.0

_POLL = 0.02
"""Seconds between two looks for a new link."""

_log = logging.getLogger("pryv.socket")


class Outcome:
    """The outcome of an operation. It is set once: later calls of `set` have no effect."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._decided = SignalSafeEvent()
        self._lock = threading.Lock()

    def set(self, error: Exception | None = None) -> bool:
        """Set the outcome, an error or `None` for success, and return whether this was the first call."""
        if not self._lock.acquire(blocking=False):
            return False
        self.error = error
        self._decided.set()
        return True

    def is_set(self) -> bool:
        """Return whether the outcome is set."""
        return self._lock.locked()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the outcome, and return whether it is set."""
        return self._decided.wait(seconds)


class Session:
    """The state between `open` and `close`: the current link, its scopes, and the threads.

    A signal handler may call `close` at any point, so no code waits for a lock. If two threads can decide the same
    thing, the first one wins (`Outcome`).

    Args:
        connection: The account.
        callbacks: The callbacks for notifications.
        reconnect: The policy for attempts to reconnect; `None` turns them off.
        timeout: Seconds for opening, and for each attempt to reconnect.

    Attributes:
        dispatcher: Delivers the notifications.
        scopes: The scopes registered.
    """

    def __init__(
        self, connection: Connection, callbacks: Callbacks, reconnect: RetryPolicy | None, timeout: float
    ) -> None:
        self.dispatcher = Dispatcher(callbacks, self._refresh_access_info)
        self.scopes = Scopes(self.call)
        self._connection = connection
        self._reconnect_policy = reconnect
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._http_request = AbortHandle()
        self._link: Link | None = None
        self._renewing = False
        self._connected_at = 0.0
        self._attempts_since_stable = 0
        self._started = Outcome()
        self._opened = Outcome()
        self._ended = Outcome()
        self._supervisor = threading.Thread(target=self._run, name="pryv-socket-supervisor", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether calls can be sent."""
        return not self.has_ended and self._link is not None and self._link.connected

    @property
    def has_ended(self) -> bool:
        """Whether it was closed, or failed permanently."""
        return self._ended.is_set()

    def open(self) -> None:
        """Connect; if it is open already, return at once.

        Raises:
            PryvError: the connection failed, and the session has ended.
        """
        if self._started.set():
            try:
                start_thread(self._supervisor)
            except PryvConnectionError as error:
                self._fail(error)
        try:
            self._opened.wait(max(0.0, self._deadline - time.monotonic()))
        finally:
            self._fail(PryvTimeoutError(f"socket: not open within {self._timeout:g} s", sent=False))
        if self._opened.error is not None:
            _join([self._supervisor], 0.1)  # a host name lookup cannot be interrupted
            raise self._opened.error

    def close(self) -> None:
        """Close it, from any thread. Only a last `disconnect` is delivered."""
        was_opening = self._opened.set(_closed_while_opening())
        self.dispatcher.inbox.finish()
        if self._end() and not was_opening:
            self.dispatcher.stop(Notification("disconnect", "client disconnect"))
        links = self._link.threads if self._link else []
        _join([self.dispatcher.thread, self._supervisor, *links], _JOIN_TIMEOUT)

    def call(self, name: str, data: Any, timeout: float) -> Any:
        """Send a call over the current link; see `Link.call`."""
        if self._link is None:
            raise PryvConnectionError(f"{name}: the socket is not connected", sent=False)
        return self._link.call(name, data, timeout)

    def call_renewed(self, name: str, data: Any, timeout: float) -> Any:
        """Send a call; if the token of the link has expired, reconnect with a new one, and send the call again.

        A platform that checks the token of each call does so first: a refused call was not carried out. Others check it
        from time to time only, and end the connection. Calls of other threads wait for the new link too.
        """
        deadline = time.monotonic() + timeout
        link = self._link
        try:
            return self.call(name, data, timeout)
        except ApiError as error:
            if link is None or self._reconnect_policy is None or not renew_token(self._connection, link.token, error):
                raise
            if self._link is link:
                self._renewing = True
                link.close_between_calls()
        except PryvConnectionError as error:
            if error.sent or not self._renewing:
                raise
        while self._renewing and time.monotonic() < deadline and not self._ended.wait(_POLL):
            pass
        return self.call(name, data, max(_POLL, deadline - time.monotonic()))

    def _run(self) -> None:
        """Connect, and reconnect until the session ends."""
        try:
            self._get_access_info(self._timeout)
            self._connect(max(0.001, self._deadline - time.monotonic()))
            start_thread(self.dispatcher.thread)
        except Exception as error:  # noqa: BLE001  (`open` raises it)
            self._fail(error)
            return
        if self._opened.set():
            self._supervise()
        else:
            self.dispatcher.finish()

    def _get_access_info(self, seconds: float, *, force_refresh: bool = False) -> AccessInfo:
        try:
            return access_info_within(
                self._connection, seconds, force_refresh=force_refresh, on_connect=self._http_request.attach
            )
        finally:
            self._http_request.detach()

    def _connect(self, timeout: float) -> None:
        """Connect with the current token, and once more with another one if it is refused."""
        token = bearer_token(self._connection)
        try:
            self._open_link(token, timeout)
        except ApiError as error:
            if not renew_token(self._connection, token, error):
                raise
            self._open_link(bearer_token(self._connection), timeout)

    def _open_link(self, token: str | None, timeout: float) -> None:
        connection = self._connection
        settings = http_settings(connection, PROXY_SCHEMES)
        address = Address(connection.endpoint, connection.username(), token, settings)
        self._link = link = Link(address, timeout, limits(connection).frame, self._on_event)
        if self.has_ended:  # checked after `_link` is set; `_end` does the reverse, so that one of them closes the link
            raise _closed_while_opening()
        link.open()
        self._connected_at = time.monotonic()

    def _fail(self, error: Exception) -> None:
        """End the session with an error, unless it is open already."""
        if self._opened.set(error):
            self.dispatcher.inbox.finish(error if isinstance(error, PryvError) else None)
            self._end()

    def _end(self) -> bool:
        """End the session, and return whether this was the first call."""
        is_first = self._ended.set()
        self._http_request.abort()
        self._disconnect()
        return is_first

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()

    def _on_event(self, name: str, *arguments: Any) -> None:
        notification = parse_notification(name, arguments)
        if notification is not None:
            self.dispatcher.put(notification)

    def _supervise(self) -> None:
        while True:
            assert self._link is not None  # noqa: S101
            self._link.closed.wait()
            if self.has_ended:
                return
            self.dispatcher.put(Notification("disconnect", self._link.reason))
            error = self._reconnect()
            self._renewing = False
            if error is not None:
                break
        if self._end():
            _log.warning("the socket ended: %s", error)
            self.dispatcher.finish(error)

    def _reconnect(self) -> PryvError | None:
        """Connect again, and return the error if that failed permanently.

        The back-off is reset only after a connection lasted as long as the longest wait. A platform that accepts
        connections and drops them at once is not contacted more often than one that refuses them.
        """
        policy = self._reconnect_policy
        failure = self._link.failure if self._link else None
        error: PryvError = failure or PryvConnectionError("socket: the connection was lost")
        if policy is None:
            return error
        now = time.monotonic()
        deadline = now + policy.deadline
        if now - self._connected_at >= policy.max_backoff:
            self._attempts_since_stable = 0
        for attempt in range(1, policy.attempts + 1):
            self._attempts_since_stable += 1
            if self._ended.wait(policy.wait(self._attempts_since_stable)):
                return None
            if time.monotonic() > deadline:
                break
            try:
                self._connect(self._timeout)
                refusals = self.scopes.resubscribe(self._timeout)
            except Exception as problem:  # noqa: BLE001  (a session of the user may raise anything)
                error = problem if isinstance(problem, PryvError) else _unexpected(problem)
                self._disconnect()
                _log.debug("attempt %d to reconnect failed: %s", attempt, error)
                if not is_transient(error):
                    break
            else:
                for refusal in refusals:
                    self.dispatcher.put(Notification("error", refusal))
                self.dispatcher.put(Notification("reconnect", attempt))
                return None
        return error

    def _refresh_access_info(self, notification: Notification) -> None:
        try:
            if notification.name == "reconnect" or self._is_own_update(notification):
                self._get_access_info(_REFRESH_TIMEOUT, force_refresh=True)
        except Exception as error:  # noqa: BLE001  (delivery goes on)
            _log.debug("the access info could not be refreshed: %s", type(error).__name__)

    def _is_own_update(self, notification: Notification) -> bool:
        if notification.name != "accessUpdated":
            return False
        own = self._get_access_info(_REFRESH_TIMEOUT).get("id")  # a request only if its token is new
        return not own or _base(notification.payload["accessId"]) == _base(own)


def _closed_while_opening() -> PryvConnectionError:
    return PryvConnectionError("socket: closed while opening", sent=False)


def _unexpected(failure: Exception) -> PryvConnectionError:
    return PryvConnectionError(f"socket: no connection: {type(failure).__name__}", sent=False)


def _base(access_id: str) -> str:
    return str(access_id).partition(":")[0]


def _join(threads: Iterable[threading.Thread], seconds: float) -> None:
    """Wait for the threads to end, except the current one, for a number of seconds in all."""
    deadline = time.monotonic() + seconds
    for thread in threads:
        if thread.is_alive() and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
