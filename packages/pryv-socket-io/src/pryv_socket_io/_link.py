"""One Socket.IO connection, from the handshake to the end."""

from __future__ import annotations

import concurrent.futures
import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import attrs
from socketio.exceptions import SocketIOError  # type: ignore[import-untyped]

from pryv import PryvConnectionError, PryvError, PryvProtocolError, PryvTimeoutError
from pryv.addons import HttpSettings, api_error, redact_data
from pryv_socket_io._failures import connect_error, connection_failure
from pryv_socket_io._libraries import TRANSPORT_ERROR, Client, requote_uri
from pryv_socket_io._packets import json_data, packet_parser
from pryv_socket_io._tcp import open_stream
from pryv_socket_io._threads import start_thread
from pryv_socket_io._websocket import WebSocket

_CLOSING = 1.0
"""Seconds to wait for the end of a connection that was aborted."""

_log = logging.getLogger("pryv.socket")


@attrs.frozen
class Address:
    """The account to connect to, with the proxy and TLS settings."""

    endpoint: str
    username: str
    token: str | None = attrs.field(repr=False)
    settings: HttpSettings

    @property
    def host(self) -> str:
        """The host and port."""
        return urlsplit(self.endpoint).netloc

    @property
    def namespace(self) -> str:
        """The account's namespace."""
        return f"/{self.username}"

    @property
    def path(self) -> str:
        """The path of Socket.IO, below the path at which the platform is served."""
        parts = urlsplit(self.endpoint)
        path = requote_uri(parts.path).strip("/")
        before, _, last = path.rpartition("/")
        username, first_label = self.username.lower(), (parts.hostname or "").partition(".")[0]
        is_in_host = first_label == username and unquote(last).lower() != username
        prefix = path if is_in_host else before  # without the name of the account, which may be a former one
        return f"{prefix}/socket.io" if prefix else "socket.io"

    @property
    def url(self) -> str:
        """The URL of the handshake, without the path. It contains the token."""
        query = "" if self.token is None else f"?auth={quote(self.token, safe='')}"
        return f"{urlsplit(self.endpoint).scheme}://{self.host}/{query}"


class Link:
    """A connection to the namespace of an account. It can be opened once.

    Args:
        address: The account to connect to.
        timeout: Seconds for opening.
        frame_limit: The most bytes of a message, `Limits.frame`; `None` for no limit.
        on_event: Called with the name and arguments of each event, in order, on the reading thread.

    Attributes:
        closed: Set when nothing will arrive any more.
        reason: The reason why it was closed.
    """

    def __init__(
        self, address: Address, timeout: float, frame_limit: int | None, on_event: Callable[..., None]
    ) -> None:
        self.closed = threading.Event()
        self.reason = TRANSPORT_ERROR
        self._address = address
        self._timeout = timeout
        self._joined: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._pending: set[concurrent.futures.Future[tuple[Any, ...]]] = set()
        self._lock = threading.Lock()
        self._call_lock = threading.Lock()
        self._abort_reason: PryvConnectionError | None = None
        self._websocket = WebSocket(partial(open_stream, address.endpoint, address.settings, timeout), frame_limit)
        self._client = Client(
            self._websocket,
            parse=packet_parser(address.namespace),
            timeout=timeout,
            abort=self._websocket.abort,
            on_closed=self._on_closed,
        )
        self._client.on("connect", self._on_connect, namespace=address.namespace)
        self._client.on("connect_error", self._on_connect_error, namespace=address.namespace)
        self._client.on("disconnect", self._on_disconnect, namespace=address.namespace)
        self._client.on("*", on_event, namespace=address.namespace)

    @property
    def token(self) -> str | None:
        """The token that it was opened with."""
        return self._address.token

    @property
    def failure(self) -> PryvError | None:
        """The error for a message that ended the connection, `None` if there was none."""
        return self._websocket.failure

    @property
    def connected(self) -> bool:
        """Whether calls can be sent."""
        return self._joined.done() and not self.closed.is_set()

    def open(self) -> None:
        """Connect, and join the namespace.

        Raises:
            ApiError: the platform rejected the token, or does not know the user.
            PryvConnectionError: the connection failed.
            PryvProtocolError: the host does not speak Socket.IO.
        """
        late = f"socket: no connection to {self._address.host} within {self._timeout:g} s"
        watchdog = threading.Timer(self._timeout, self._abort, (PryvTimeoutError(late, sent=False),))
        watchdog.name, watchdog.daemon = "pryv-socket-watchdog", True
        failure: BaseException | None = None
        start_thread(watchdog)
        try:
            self._connect()
            self._joined.result()
        except PryvError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  (the libraries raise many types)
            failure = connection_failure(error, self._address.host)
        finally:
            watchdog.cancel()
            watchdog.join()
            failure = self._abort_reason or failure  # the time may have ended after it joined
            if failure is not None or not self._joined.done():
                self._discard()
        if failure is not None:
            raise failure.with_traceback(None)
        _log.debug("connected to %s", self._address.host)

    def call(self, name: str, data: Any, timeout: float) -> Any:
        """Emit an event, and return the result in its acknowledgement.

        Only one call runs at a time: the platform mixes up calls that overlap on one connection.

        Raises:
            TypeError: a value in `data` has no JSON form.
            ValueError: `data` is larger than a message may be, contains `NaN`, or is nested too deeply.
            ApiError: the acknowledgement is an error.
            ResponseTooLargeError: the acknowledgement is larger than `Limits.frame`.
            PryvConnectionError: no acknowledgement arrived.
            PryvProtocolError: the acknowledgement is neither a result nor an error of the API.
        """
        data = json_data(name, data)
        deadline = time.monotonic() + timeout
        if not self._call_lock.acquire(timeout=timeout):
            raise PryvTimeoutError(f"{name}: earlier calls took longer than {timeout:g} s", sent=False)
        ack: concurrent.futures.Future[tuple[Any, ...]] = concurrent.futures.Future()
        try:
            self._send(name, data, ack)
            concurrent.futures.wait([ack], max(0.0, deadline - time.monotonic()))
        finally:
            with self._lock:
                self._pending.discard(ack)
            self._call_lock.release()
        if not ack.done():
            raise PryvTimeoutError(f"{name}: not acknowledged within {timeout:g} s")
        error, *result = ack.result() or (None,)
        if error is None:
            return result[0] if result else None
        body = error.get("error") if isinstance(error, dict) else None
        if not isinstance(body, dict):
            raise PryvProtocolError(f"{name}: the response is neither a result nor an error of the API")
        raise api_error(redact_data(body, self._address.token), method=name)

    def close(self) -> None:
        """Abort the connection, or the attempt to connect; `closed` is set soon afterwards."""
        self._abort(PryvConnectionError("socket: closed while opening", sent=False))

    def close_between_calls(self) -> None:
        """Close the connection when no call waits for its acknowledgement, and wait until it is closed."""
        with self._call_lock:
            self.close()
            self.closed.wait(_CLOSING)

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads of the connection."""
        return self._client.threads

    def _connect(self) -> None:
        self._client.connect(
            self._address.url,
            headers={"User-Agent": self._address.settings.user_agent},
            transports=["websocket"],
            namespaces=[self._address.namespace],
            socketio_path=self._address.path,
            wait=False,
        )

    def _send(self, name: str, data: Any, ack: concurrent.futures.Future[tuple[Any, ...]]) -> None:
        with self._lock:
            if self.connected:
                try:
                    self._client.emit(
                        name, data, namespace=self._address.namespace, callback=partial(self._on_ack, ack)
                    )
                    self._pending.add(ack)
                    return
                except (SocketIOError, queue.Full):
                    pass
        raise PryvConnectionError(f"{name}: the socket is not connected", sent=False)

    def _abort(self, reason: PryvConnectionError) -> None:
        self._abort_reason = self._abort_reason or reason
        self._websocket.abort()

    def _discard(self) -> None:
        """Clean up after a failed attempt."""
        self._websocket.abort()
        for loop in self.threads:
            loop.join()
        self._websocket.release()
        self.closed.set()

    def _on_connect(self) -> None:
        self._joined.set_result(None)

    def _on_connect_error(self, data: Any = None) -> None:
        self._joined.set_exception(connect_error(data, self._address.token))

    def _on_disconnect(self, reason: str) -> None:
        self.reason = reason

    def _on_ack(self, ack: concurrent.futures.Future[tuple[Any, ...]], *result: Any) -> None:
        with self._lock:
            if ack in self._pending:
                self._pending.remove(ack)
                ack.set_result(result)

    def _on_closed(self) -> None:
        _log.debug("disconnected from %s: %s", self._address.host, self.reason)
        with self._lock:
            self.closed.set()
            pending, self._pending = self._pending, set()
        if not self._joined.done():
            refused = PryvConnectionError(f"socket: {self._address.host} closed the connection", sent=False)
            self._joined.set_exception(self.failure or refused)
        for ack in pending:
            lost = PryvConnectionError("socket: the connection was lost before the response arrived")
            ack.set_exception(self.failure or lost)
        self._websocket.release()
