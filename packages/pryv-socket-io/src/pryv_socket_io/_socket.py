"""The public class of the add-on."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from pryv import Connection, PryvConnectionError, PryvProtocolError, RetryPolicy
from pryv.addons import CallLike, Progress, Result, chunk_size, require_bearer, require_seconds, run_batch
from pryv_socket_io._notifications import Callback, Callbacks, Notification
from pryv_socket_io._scopes import parse_scopes
from pryv_socket_io._session import Session

OPEN_TIMEOUT = 20.0
CALL_TIMEOUT = 60.0
RECONNECT = RetryPolicy(attempts=10, backoff=1, max_backoff=60, deadline=math.inf)


class SocketIO:
    """Notifications of an account's changes, and calls, over one persistent connection.

    It is thread-safe, is a context manager (`with` opens and closes it), and can be opened again after it was closed.
    After a fork, it stays open in the parent process; the child process can open its own connection.

    Notifications are delivered in the order received, on a separate thread. A callback may be slow, call the platform,
    or close the socket. After a lost connection, the socket reconnects. There are no notifications of changes in the
    meantime: fetch these changes at `reconnect`, when `Connection.access_info` is up to date too.

    No token is logged, at any level. A filter on the logger `websocket` of websocket-client keeps the traffic of these
    sockets out of its traces.

    See `Call with websockets <https://pryv.github.io/reference/#call-with-websockets>`__ in the API reference.

    Names and payloads: `eventsChanged`, `streamsChanged`, `accessesChanged` (`None`), `accessUpdated` (a dict with
    `accessId` and `serial`; for the own access, `Connection.access_info` was refreshed before), `notificationsChanged`
    (a dict with the `keys` of the scopes concerned), `disconnect` (the reason), `reconnect` (the number of attempts),
    `error` (an exception).

    Args:
        connection: The account. The socket uses the proxies, certificates and TLS context of its HTTP requests.
        reconnect: The policy for attempts to reconnect; `None` turns them off. By default, there are up to 10 attempts,
            up to 60 s apart. A success resets the number of attempts. The waits are reset only after a connection has
            lasted as long as the longest wait.

    Raises:
        TypeError: an argument has the wrong type.
        PryvError: its token is bound to a key (DPoP); the platform does not accept it here.
    """

    def __init__(self, connection: Connection, *, reconnect: RetryPolicy | None = RECONNECT) -> None:
        if not isinstance(connection, Connection):
            raise TypeError(f"connection is a pryv.Connection, not {type(connection).__name__}")
        require_bearer(connection, "socket")
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
    def reconnect(self) -> RetryPolicy | None:
        """The policy for attempts to reconnect; it applies from the next `open` on."""
        return self._reconnect

    @reconnect.setter
    def reconnect(self, policy: RetryPolicy | None) -> None:
        if not isinstance(policy, (RetryPolicy, type(None))):
            raise TypeError(f"reconnect is a pryv.RetryPolicy or None, not {type(policy).__name__}")
        self._reconnect = policy

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        session = self._own_session()
        return session is not None and session.connected

    def open(self, timeout: float = OPEN_TIMEOUT) -> SocketIO:
        """Connect, and start to deliver notifications. If it is open already, return at once.

        Args:
            timeout: Seconds for opening, and for each attempt to reconnect.

        Returns:
            This object.

        Raises:
            TypeError: `timeout` is not a number.
            ValueError: `timeout` is not above 0, or not finite.
            InvalidAccessTokenError: the token is wrong or was revoked.
            UnknownResourceError: the user does not exist.
            PryvTlsError: the platform's certificate was not accepted.
            PryvTimeoutError: the platform did not respond in time.
            PryvConnectionError: the connection failed, or `close` was called.
            PryvProtocolError: the host does not speak Socket.IO.
            PryvError: the platform rejected the connection for another reason.
        """
        timeout = _seconds(timeout)
        self._reset_after_fork()
        self._session_to_open(timeout).open()
        return self

    def close(self) -> None:
        """Disconnect. It can be called from any thread, in a signal handler, and more than once.

        Callbacks receive a last `disconnect`, and iterators end. It returns within a second, and does not interrupt a
        callback that is still running then. In a child process, the parent's connection stays open.
        """
        session = self._own_session()
        if session is not None:
            session.close()

    def on(self, name: str, callback: Callback) -> SocketIO:
        """Call `callback` with the payload of each notification of a name.

        Callbacks can be registered before `open`. An exception in one is logged, and delivered as `error`.

        Args:
            name: The name of a notification, such as `eventsChanged`.
            callback: A callback that gets the payload.

        Returns:
            This object.

        Raises:
            TypeError: `callback` is not callable, or is a coroutine or generator function.
            ValueError: there is no notification with this name.
        """
        self._callbacks.add(name, callback)
        return self

    def off(self, name: str, callback: Callback) -> SocketIO:
        """Remove a callback; one that is not registered is ignored.

        Args:
            name: The name it was registered for.
            callback: The callback.

        Returns:
            This object.

        Raises:
            ValueError: there is no notification with this name.
        """
        self._callbacks.remove(name, callback)
        return self

    def notifications(self, timeout: float | None = None) -> Iterator[Notification]:
        """Return an iterator over the notifications that arrived since `open`, and those that will arrive.

        Up to 10,000 are kept for iterators. Then, later ones go to callbacks only; one `error` reports this.

        Args:
            timeout: Seconds without a notification after which it ends; `None` for no limit.

        Returns:
            The iterator. It ends when the socket is closed, and raises the error of a permanent failure, such as
            `InvalidAccessTokenError`.

        Raises:
            TypeError: `timeout` is not a number.
            ValueError: `timeout` is negative, or not finite.
            PryvConnectionError: the socket was never opened.
        """
        if timeout is not None:
            timeout = min(require_seconds(timeout, "timeout"), threading.TIMEOUT_MAX)
        return self._opened("notifications").dispatcher.inbox.iterate(timeout)

    def api(
        self, calls: Iterable[CallLike], progress: Progress | None = None, *, timeout: float = CALL_TIMEOUT
    ) -> list[Result]:
        """Make a batch of calls over the socket, as `Connection.api` does over HTTP. No call is carried out twice.

        If the token of an OAuth session has expired, the socket reconnects with a new one, and sends the chunk again.

        Args:
            calls: The calls, as in `Connection.api`.
            progress: The callback for progress, as in `Connection.api`.
            timeout: Seconds to wait for the response to each chunk.

        Returns:
            One result for each call, in order.

        Raises:
            TypeError: an item of `calls` is not a call, or has no JSON form.
            ValueError: a call has no method, or is larger than a message may be.
            ApiError: the platform rejected a whole chunk.
            PryvConnectionError: the socket is not connected, or the connection was lost before the response arrived.
                The attribute `results` of this and any other exception has the results received before.
            ResponseTooLargeError: the response is larger than `Limits.frame`. The socket reconnects.
            PryvProtocolError: the response is not one of the API.
        """
        timeout = _seconds(timeout)
        return run_batch(lambda chunk: self._send_chunk(chunk, timeout), calls, chunk_size(self.connection), progress)

    def subscribe(self, scopes: Mapping[str, Any], *, timeout: float = CALL_TIMEOUT) -> dict[str, Any]:
        """Register scopes: `notificationsChanged`, for changes in them, then replaces the general notifications.

        Args:
            scopes: A dict of scopes, `{"kind": "events", "query": {…}}`, by keys of your choice. The forms of lib-js
                (`{"key", "kind", "query"}`, `{"scopes": {…}}`) are accepted too.
            timeout: Seconds to wait for the response.

        Returns:
            The acknowledgement, ``{"ok": True, "keys": […]}`` with all keys; ``{"ok": False}`` from a platform without
            scopes, which continues with the general notifications.

        Raises:
            TypeError: `scopes` is not a dict of dicts, or a value in it has no JSON form.
            ValueError: `scopes` is larger than a message may be, or contains `NaN`.
            ApiError: the platform rejected a scope; none of them is registered.
            PryvConnectionError: the socket is not connected, or no response arrived.
            PryvProtocolError: the response is not one of the API.
        """
        wanted, timeout = parse_scopes(scopes), _seconds(timeout)
        return self._opened("subscribe").scopes.subscribe(wanted, timeout)

    def unsubscribe(self, keys: str | Iterable[str] | None = None, *, timeout: float = CALL_TIMEOUT) -> dict[str, Any]:
        """Remove scopes. When none is left, the general notifications are sent again.

        Args:
            keys: A key, or several; `None` for all scopes.
            timeout: Seconds to wait for the response.

        Returns:
            The acknowledgement, ``{"ok": True, "keys": […]}`` with the keys that are left; ``{"ok": False}`` from a
            platform without scopes.

        Raises:
            PryvConnectionError: the socket is not connected, or no response arrived.
            PryvProtocolError: the response is not one of the API.
        """
        unwanted = [keys] if isinstance(keys, str) else None if keys is None else list(keys)
        timeout = _seconds(timeout)
        return self._opened("unsubscribe").scopes.unsubscribe(unwanted, timeout)

    def get_subscriptions(self, *, timeout: float = CALL_TIMEOUT) -> dict[str, Any]:
        """Return the scopes that the platform has registered, `{"scopes": {key: {"kind", "query"}}}`.

        Args:
            timeout: Seconds to wait for the response.

        Raises:
            PryvConnectionError: the socket is not connected, or no response arrived.
            PryvProtocolError: the response is not one of the API.
        """
        timeout = _seconds(timeout)
        return self._opened("getSubscriptions").scopes.get(timeout)

    def _reset_after_fork(self) -> None:
        """Leave the session, with its threads and its connection, to the parent process."""
        if self._pid != os.getpid():
            self._session, self._lock, self._pid = None, threading.RLock(), os.getpid()

    def _own_session(self) -> Session | None:
        self._reset_after_fork()
        return self._session

    def _opened(self, method: str) -> Session:
        session = self._own_session()
        if session is None:
            raise PryvConnectionError(f"{method}: the socket was never opened in this process", sent=False)
        return session

    def _session_to_open(self, timeout: float) -> Session:
        session = self._session
        if session is not None and not session.has_ended:
            return session
        new = Session(self.connection, self._callbacks, self.reconnect, timeout)
        with self._lock:  # reentrant, as a signal handler may call `open` too
            self._session = new if self._session is session else self._session
            return self._session or new

    def _send_chunk(self, calls: list[dict[str, Any]], timeout: float) -> list[Result]:
        response = self._opened("callBatch").call_renewed("callBatch", calls, timeout)
        results = response.get("results") if isinstance(response, dict) else None
        if not isinstance(results, list):
            raise PryvProtocolError("callBatch: the response has no results")
        return results


def _seconds(timeout: float) -> float:
    return min(require_seconds(timeout, "timeout", above_zero=True), threading.TIMEOUT_MAX)
