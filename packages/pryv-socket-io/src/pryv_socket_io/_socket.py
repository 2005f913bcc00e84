"""The add-on's face."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from pryv import Connection, PryvConnectionError, PryvProtocolError, RetryPolicy
from pryv.addons import CallLike, Progress, Result, chunk_size, run_batch
from pryv_socket_io._notifications import Callback, Callbacks, Notification
from pryv_socket_io._scopes import as_scopes
from pryv_socket_io._session import Session

OPEN_TIMEOUT = 20.0
CALL_TIMEOUT = 60.0
RECONNECT = RetryPolicy(attempts=10, backoff=1, max_backoff=60, deadline=math.inf)


class SocketIO:
    """Notifications of an account's changes, and calls, over one lasting connection.

    It may be used from several threads, is a context manager (`with` opens and closes), and can be opened again after
    it was closed. After a fork it stays open for the parent; a child may open it for itself.

    Notifications are delivered in the order received, on a thread of their own: a callback may take its time, call the
    platform, or close the socket. A lost connection is restored, but changes in the meantime are not notified: fetch
    them at `reconnect`. `Connection.access_info` is up to date then.

    No token is logged, at any level. For this the logger `websocket`, of websocket-client, has a filter that keeps what
    is sent and received here out of its traces.

    See the API's *Call with websockets*.

    Names and payloads: `eventsChanged`, `streamsChanged`, `accessesChanged` (`None`), `accessUpdated` (a dict with
    `accessId` and `serial`; for the own access, `Connection.access_info` was refreshed before), `notificationsChanged`
    (a dict with the `keys` of the scopes concerned), `disconnect` (the reason), `reconnect` (the number of attempts),
    `error` (an exception).

    Args:
        connection: The account, and how it is reached: proxies, certificates and a TLS context of the session's adapter
            are those of its HTTP calls.
        reconnect: How to restore a lost connection; `None` for not at all. By default there are 10 attempts, up to 60 s
            apart. A success starts the count again; the waits start over once a connection held as long as the longest.
    """

    def __init__(self, connection: Connection, *, reconnect: RetryPolicy | None = RECONNECT) -> None:
        if not isinstance(connection, Connection):
            raise TypeError(f"connection is a pryv.Connection, not {type(connection).__name__}")
        self.connection = connection
        self.reconnect = reconnect
        self._callbacks = Callbacks()
        self._session: Session | None = None
        self._lock = threading.RLock()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"<SocketIO {self.connection.endpoint}{'' if self.connected else ', not connected'}>"

    def __enter__(self) -> SocketIO:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        session = self._own_session()
        return session is not None and session.connected

    def open(self, timeout: float = OPEN_TIMEOUT) -> SocketIO:
        """Connect, and begin to deliver notifications; if it is open, return at once.

        Args:
            timeout: Seconds until it fails; the same goes for each attempt to reconnect.

        Returns:
            This object.

        Raises:
            ValueError: `timeout` is not above 0, or not finite.
            InvalidAccessTokenError: the token is wrong or was revoked.
            UnknownResourceError: there is no such user.
            PryvTlsError: the platform's certificate was not accepted.
            PryvTimeoutError: there is no answer in time.
            PryvConnectionError: there is no connection, or `close` was called.
            PryvProtocolError: what answers is not a platform.
            PryvError: the platform refused for another reason.
        """
        timeout = _seconds(timeout)
        self._forget_after_fork()
        self._session_to_open(timeout).open()
        return self

    def close(self) -> None:
        """Disconnect, from any thread and at any moment; closed already, nothing happens.

        Callbacks get a last `disconnect`, iterators end. It returns within a second; a callback that is still running
        then is not interrupted. In a child process it leaves the connection to the parent.
        """
        session = self._own_session()
        if session is not None:
            session.close()

    def on(self, name: str, callback: Callback) -> SocketIO:
        """Call `callback` with the payload of each notification of a name.

        It may be registered before `open`. Its exception is logged and delivered as `error`.

        Args:
            name: Such as `eventsChanged`.
            callback: Takes the payload.

        Returns:
            This object.

        Raises:
            TypeError: `callback` is not callable.
            ValueError: there is no notification of that name.
        """
        self._callbacks.add(name, callback)
        return self

    def off(self, name: str, callback: Callback) -> SocketIO:
        """Remove a callback; one that is not registered is ignored.

        Args:
            name: What it was registered for.
            callback: The callback.

        Returns:
            This object.

        Raises:
            ValueError: there is no notification of that name.
        """
        self._callbacks.remove(name, callback)
        return self

    def notifications(self, timeout: float | None = None) -> Iterator[Notification]:
        """Return an iterator over the notifications that came since `open` and were not taken, and those to come.

        Up to 10,000 are kept. Later ones go to callbacks only until there is room again; `error` reports this once.

        Args:
            timeout: Seconds of silence after which it ends; `None`: it waits on.

        Returns:
            The iterator. It ends when the socket is closed, and raises the error that ended the socket for good, such
            as `InvalidAccessTokenError`.

        Raises:
            ValueError: `timeout` is negative, or not finite.
            PryvConnectionError: the socket was never opened.
        """
        if timeout is not None and not 0 <= timeout <= threading.TIMEOUT_MAX:
            raise ValueError("timeout is a finite number of seconds, not below 0; None waits on")
        return self._opened("notifications").dispatcher.inbox.take(timeout)

    def api(
        self, calls: Iterable[CallLike], progress: Progress | None = None, *, timeout: float = CALL_TIMEOUT
    ) -> list[Result]:
        """Work as `Connection.api`, over the socket; no call is ever sent twice.

        Args:
            calls: As `Connection.api` takes them.
            progress: As `Connection.api` takes it.
            timeout: Seconds to wait for each answer.

        Returns:
            The results, one a call, in order.

        Raises:
            TypeError: something in `calls` is not a call, or has no JSON form.
            ValueError: a call has no method, or is larger than a message may be.
            ApiError: the platform refused a batch as a whole.
            PryvConnectionError: there is no connection, or it was lost before the answer came. As with any exception
                that stops it, `results` holds what was received before.
            ResponseTooLargeError: the answer is larger than `Limits.frame`; the socket reconnects.
            PryvProtocolError: the answer is not the API's.
        """
        timeout = _seconds(timeout)
        return run_batch(lambda chunk: self._send_chunk(chunk, timeout), calls, chunk_size(self.connection), progress)

    def subscribe(self, scopes: Mapping[str, Any], *, timeout: float = CALL_TIMEOUT) -> dict[str, Any]:
        """Ask for notifications of changes in these scopes only: `notificationsChanged` replaces the coarse ones.

        Args:
            scopes: A dict from keys of your choice to scopes, `{"kind": "events", "query": {…}}`; the forms that lib-js
                takes (`{"key", "kind", "query"}`, `{"scopes": {…}}`) are understood too.
            timeout: Seconds to wait for the answer.

        Returns:
            The acknowledgement, ``{"ok": True, "keys": […]}`` with all keys; ``{"ok": False}`` from a platform that
            does not know scopes, and goes on with the coarse notifications.

        Raises:
            TypeError: `scopes` is not a dict of dicts, or something in it has no JSON form.
            ValueError: it is larger than a message may be, or holds `NaN`.
            ApiError: the platform did not accept a scope.
            PryvConnectionError: there is no connection, or no answer.
            PryvProtocolError: the answer is not the API's.
        """
        wanted, timeout = as_scopes(scopes), _seconds(timeout)
        return self._opened("subscribe").scopes.subscribe(wanted, timeout)

    def unsubscribe(self, keys: str | Iterable[str] | None = None, *, timeout: float = CALL_TIMEOUT) -> dict[str, Any]:
        """Remove the scopes of these keys, or all; without scopes, the coarse notifications come again.

        Args:
            keys: A key, or several; `None`: all.
            timeout: Seconds to wait for the answer.

        Returns:
            The acknowledgement, ``{"ok": True, "keys": […]}`` with the keys left; ``{"ok": False}`` from a platform
            that does not know scopes.

        Raises:
            PryvConnectionError: there is no connection, or no answer.
            PryvProtocolError: the answer is not the API's.
        """
        unwanted = [keys] if isinstance(keys, str) else None if keys is None else list(keys)
        timeout = _seconds(timeout)
        return self._opened("unsubscribe").scopes.unsubscribe(unwanted, timeout)

    def get_subscriptions(self, *, timeout: float = CALL_TIMEOUT) -> dict[str, Any]:
        """Return the scopes the platform has registered, `{"scopes": {key: {"kind", "query"}}}`.

        Args:
            timeout: Seconds to wait for the answer.

        Raises:
            PryvConnectionError: there is no connection, or no answer.
            PryvProtocolError: the answer is not the API's.
        """
        timeout = _seconds(timeout)
        return self._opened("getSubscriptions").scopes.get(timeout)

    def _forget_after_fork(self) -> None:
        """Leave the session, its threads and its connection, to the process that opened it."""
        if self._pid != os.getpid():
            self._session, self._lock, self._pid = None, threading.RLock(), os.getpid()

    def _own_session(self) -> Session | None:
        self._forget_after_fork()
        return self._session

    def _opened(self, method: str) -> Session:
        session = self._own_session()
        if session is None:
            raise PryvConnectionError(f"{method}: the socket was never opened in this process", sent=False)
        return session

    def _session_to_open(self, timeout: float) -> Session:
        session = self._session
        if session is not None and not session.is_over:
            return session
        new = Session(self.connection, self._callbacks, self.reconnect, timeout)
        with self._lock:  # which a signal handler that opens it too may enter
            self._session = new if self._session is session else self._session
            return self._session or new

    def _send_chunk(self, calls: list[dict[str, Any]], timeout: float) -> list[Result]:
        answer = self._opened("callBatch").call("callBatch", calls, timeout)
        results = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(results, list):
            raise PryvProtocolError("callBatch: the answer has no results")
        return results


def _seconds(timeout: float) -> float:
    if not 0 < timeout <= threading.TIMEOUT_MAX:
        raise ValueError("a timeout is a finite number of seconds, above 0")
    return timeout
