"""From `open` to `close`: one connection after the other, as long as the platform lets the client in."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from pryv import Connection, PryvConnectionError, PryvError, PryvTimeoutError, RetryPolicy
from pryv.addons import access_info_within, http_settings
from pryv_socket_io._handle import Handle
from pryv_socket_io._link import Address, Link
from pryv_socket_io._notifications import CHANGES, Callbacks, Dispatcher, Notification
from pryv_socket_io._scopes import Scopes

_PATIENCE = 0.8
"""Seconds that `close` waits for threads at most."""

_REFRESH_TIMEOUT = 5.0

_log = logging.getLogger("pryv.socket")


class Session:
    """What lives between `open` and `close`: the current link, the scopes it carries, and the threads.

    Attributes:
        dispatcher: Delivers the notifications.
        scopes: The scopes registered.
    """

    def __init__(self, connection: Connection, callbacks: Callbacks, reconnect: RetryPolicy | None) -> None:
        self.dispatcher = Dispatcher(callbacks, self._refresh_access_info)
        self.scopes = Scopes(self.call)
        self._connection = connection
        self._reconnect_policy = reconnect
        self._request = Handle()
        self._link: Link | None = None
        self._timeout = 0.0
        self._deadline = 0.0
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._over = threading.Event()
        self._supervisor = threading.Thread(target=self._run, name="pryv-socket-supervisor", daemon=True)
        self._lock = threading.Lock()

    @property
    def connected(self) -> bool:
        """Whether calls can be sent."""
        return not self.is_over and self._link is not None and self._link.connected

    @property
    def is_over(self) -> bool:
        """Whether it was closed, or ended for good."""
        return self._over.is_set()

    def open(self, timeout: float) -> None:
        """Connect for the first time, within so many seconds; done already, it returns at once.

        Raises:
            PryvError: there is no connection, and the session is over.
        """
        with self._lock:
            if self._supervisor.ident is None and not self.is_over:
                self._timeout, self._deadline = timeout, time.monotonic() + timeout
                self._supervisor.start()
        try:
            concurrent.futures.wait([self._opened], max(0.0, self._deadline - time.monotonic()))
        finally:
            self._fail(PryvTimeoutError(f"socket: not open within {self._timeout:g} s", sent=False))
        error = self._opened.exception()
        if error is not None:
            _join([self._supervisor], 0.1)  # what hangs in the look-up of a host name is left to itself
            raise error

    def close(self) -> None:
        """End it, from whatever thread; nothing is delivered any more but the `disconnect`."""
        with self._lock:
            was_over = self.is_over
            self._over.set()
        self.dispatcher.inbox.close()
        self._fail(_closed_while_opening())
        if not was_over:
            self._let_go()
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
        with self._lock:
            if self.is_over:
                return
            self.dispatcher.thread.start()
            self._opened.set_result(None)
        self._supervise()

    def _get_access_info(self, seconds: float, *, force_refresh: bool = False) -> None:
        try:
            access_info_within(self._connection, seconds, force_refresh=force_refresh, opened=self._request.hold)
        finally:
            self._request.release()

    def _connect(self, timeout: float) -> None:
        connection = self._connection
        address = Address(connection.endpoint, connection.username(), connection.token, http_settings(connection))
        link = Link(address, timeout, self._on_event)
        with self._lock:
            if self.is_over:
                raise _closed_while_opening()
            self._link = link
        link.open()

    def _fail(self, error: Exception) -> None:
        """End the opening, and all with it; once it is done, nothing happens."""
        with self._lock:
            if self._opened.done():
                return
            self._over.set()
            self._opened.set_exception(error)
        self.dispatcher.inbox.close(error if isinstance(error, PryvError) else None)
        self._let_go()

    def _let_go(self) -> None:
        self._request.cut()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()

    def _on_event(self, name: str, *arguments: Any) -> None:
        if name in CHANGES:
            self.dispatcher.put(Notification(name, arguments[0] if arguments else None))

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
        with self._lock:
            if self.is_over:
                return
            self._over.set()
        _log.warning("the socket ended: %s", error)
        self.dispatcher.finish(error)

    def _reconnect(self) -> PryvError | None:
        """Connect anew, and return what made that fail for good."""
        policy = self._reconnect_policy
        error: PryvError = PryvConnectionError("socket: the connection was lost")
        if policy is None:
            return error
        deadline = time.monotonic() + policy.deadline
        for attempt in range(1, policy.attempts + 1):
            if self._over.wait(policy.wait(attempt)):
                return None
            if time.monotonic() > deadline:
                break
            try:
                self._connect(self._timeout)
                refusals = self.scopes.restore(self._timeout)
            except Exception as failure:  # noqa: BLE001  (a session given may raise anything)
                error = failure if isinstance(failure, PryvError) else _odd(failure)
                self._disconnect()
                _log.debug("attempt %d to reconnect failed: %s", attempt, error)
                if not error.retryable:
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
        payload = notification.payload
        updated = payload.get("accessId") if isinstance(payload, Mapping) else None
        own = self._connection.access_info().get("id")
        return not (updated and own) or _base(updated) == _base(own)


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
