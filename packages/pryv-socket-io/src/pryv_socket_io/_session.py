"""From `open` to `close`: one connection after the other, as long as the platform lets the client in."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Any

from pryv import Connection, PryvConnectionError, PryvError, PryvTimeoutError, RetryPolicy
from pryv.addons import SignalSafeEvent, access_info_within, http_settings, is_transient, limits
from pryv_socket_io._dial import PROXY_SCHEMES
from pryv_socket_io._handle import Handle
from pryv_socket_io._link import Address, Link
from pryv_socket_io._notifications import Callbacks, Dispatcher, Notification, notification_of
from pryv_socket_io._scopes import Scopes

_PATIENCE = 0.8
"""Seconds that `close` waits for threads at most."""

_REFRESH_TIMEOUT = 5.0

_log = logging.getLogger("pryv.socket")


class Outcome:
    """How something ended; the first to say counts."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._decided = SignalSafeEvent()
        self._claim = threading.Lock()

    def set(self, error: Exception | None = None) -> bool:
        """Say how it ended, by an error or well, and return whether that counts."""
        if not self._claim.acquire(blocking=False):
            return False
        self.error = error
        self._decided.set()
        return True

    def is_set(self) -> bool:
        """Return whether it has ended."""
        return self._claim.locked()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, and return whether it has come."""
        return self._decided.wait(seconds)


class Session:
    """What lives between `open` and `close`: the current link, the scopes it carries, and the threads.

    It has no locks, since `close` may be called by a signal handler, whatever the thread was doing. Where two decide on
    the same thing, the first counts (`Outcome`).

    Args:
        connection: The account.
        callbacks: Who is told of notifications.
        reconnect: How a lost connection is restored.
        timeout: Seconds that opening, and each attempt to reconnect, may take.

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
        self._request = Handle()
        self._link: Link | None = None
        self._connected_at = 0.0
        self._attempts_in_a_row = 0
        self._start = Outcome()
        self._opened = Outcome()
        self._over = Outcome()
        self._supervisor = threading.Thread(target=self._run, name="pryv-socket-supervisor", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether calls can be sent."""
        return not self.is_over and self._link is not None and self._link.connected

    @property
    def is_over(self) -> bool:
        """Whether it was closed, or ended for good."""
        return self._over.is_set()

    def open(self) -> None:
        """Connect for the first time; done already, it returns at once.

        Raises:
            PryvError: there is no connection, and the session is over.
        """
        if self._start.set():
            self._supervisor.start()
        try:
            self._opened.wait(max(0.0, self._deadline - time.monotonic()))
        finally:
            self._fail(PryvTimeoutError(f"socket: not open within {self._timeout:g} s", sent=False))
        if self._opened.error is not None:
            _join([self._supervisor], 0.1)  # what hangs in the look-up of a host name is left to itself
            raise self._opened.error

    def close(self) -> None:
        """End it, from whatever thread; nothing is delivered any more but the `disconnect`."""
        was_opening = self._opened.set(_closed_while_opening())
        self.dispatcher.inbox.end()
        if self._end() and not was_opening:
            self.dispatcher.stop(Notification("disconnect", "client disconnect"))
        links = self._link.threads if self._link else []
        _join([self.dispatcher.thread, self._supervisor, *links], _PATIENCE)

    def call(self, name: str, data: Any, timeout: float) -> Any:
        """Send a call over the current link; see `Link.call`."""
        if self._link is None:
            raise PryvConnectionError(f"{name}: the socket is not connected", sent=False)
        return self._link.call(name, data, timeout)

    def _run(self) -> None:
        """Connect, and stay connected until it is over."""
        try:
            self._get_access_info(self._timeout)
            self._connect(max(0.001, self._deadline - time.monotonic()))
        except Exception as error:  # noqa: BLE001  (it is raised by `open`)
            self._fail(error)
            return
        self.dispatcher.thread.start()
        if self._opened.set():
            self._supervise()
        else:
            self.dispatcher.finish()

    def _get_access_info(self, seconds: float, *, force_refresh: bool = False) -> None:
        try:
            access_info_within(self._connection, seconds, force_refresh=force_refresh, opened=self._request.hold)
        finally:
            self._request.release()

    def _connect(self, timeout: float) -> None:
        connection = self._connection
        settings = http_settings(connection, PROXY_SCHEMES)
        address = Address(connection.endpoint, connection.username(), connection.token, settings)
        self._link = link = Link(address, timeout, limits(connection).frame, self._on_event)
        if self.is_over:  # looked at in this order, as `_end` does the reverse: one of the two sees the other
            raise _closed_while_opening()
        link.open()
        self._connected_at = time.monotonic()

    def _fail(self, error: Exception) -> None:
        """End the opening, and all with it; once it is done, nothing happens."""
        if self._opened.set(error):
            self.dispatcher.inbox.end(error if isinstance(error, PryvError) else None)
            self._end()

    def _end(self) -> bool:
        """End the connection for good, and return whether this was the first to do so."""
        is_first = self._over.set()
        self._request.cut()
        self._disconnect()
        return is_first

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()

    def _on_event(self, name: str, *arguments: Any) -> None:
        notification = notification_of(name, arguments)
        if notification is not None:
            self.dispatcher.put(notification)

    def _supervise(self) -> None:
        while True:
            assert self._link is not None  # noqa: S101
            self._link.ended.wait()
            if self.is_over:
                return
            self.dispatcher.put(Notification("disconnect", self._link.reason))
            error = self._reconnect()
            if error is not None:
                break
        if self._end():
            _log.warning("the socket ended: %s", error)
            self.dispatcher.finish(error)

    def _reconnect(self) -> PryvError | None:
        """Connect anew, and return what made that fail for good.

        The waits start over once a connection held for as long as the longest of them: a platform that accepts a
        connection and drops it at once is not asked more often than one that refuses it.
        """
        policy = self._reconnect_policy
        failure = self._link.failure if self._link else None
        error: PryvError = failure or PryvConnectionError("socket: the connection was lost")
        if policy is None:
            return error
        now = time.monotonic()
        deadline = now + policy.deadline
        if now - self._connected_at >= policy.max_backoff:
            self._attempts_in_a_row = 0
        for attempt in range(1, policy.attempts + 1):
            self._attempts_in_a_row += 1
            if self._over.wait(policy.wait(self._attempts_in_a_row)):
                return None
            if time.monotonic() > deadline:
                break
            try:
                self._connect(self._timeout)
                refusals = self.scopes.restore(self._timeout)
            except Exception as problem:  # noqa: BLE001  (a session given may raise anything)
                error = problem if isinstance(problem, PryvError) else _odd(problem)
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
        if notification.name == "reconnect" or self._is_own_update(notification):
            try:
                self._get_access_info(_REFRESH_TIMEOUT, force_refresh=True)
            except Exception as error:  # noqa: BLE001  (delivery goes on)
                _log.debug("the access info could not be refreshed: %s", type(error).__name__)

    def _is_own_update(self, notification: Notification) -> bool:
        if notification.name != "accessUpdated":
            return False
        own = self._connection.access_info().get("id")
        return not own or _base(notification.payload["accessId"]) == _base(own)


def _closed_while_opening() -> PryvConnectionError:
    return PryvConnectionError("socket: closed while it was opening", sent=False)


def _odd(failure: Exception) -> PryvConnectionError:
    return PryvConnectionError(f"socket: no connection: {type(failure).__name__}", sent=False)


def _base(access_id: str) -> str:
    return str(access_id).partition(":")[0]


def _join(threads: Iterable[threading.Thread], seconds: float) -> None:
    """Wait for threads to end, the current one excepted, no longer than so many seconds in all."""
    deadline = time.monotonic() + seconds
    for thread in threads:
        if thread.is_alive() and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
