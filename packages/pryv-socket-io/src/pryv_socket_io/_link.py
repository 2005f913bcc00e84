"""One Socket.IO connection, from the handshake to its end."""

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
from pryv_socket_io._dial import dial
from pryv_socket_io._failures import connection_failure, refusal
from pryv_socket_io._libraries import TRANSPORT_ERROR, Client, requote_uri
from pryv_socket_io._packets import checked_data, parser
from pryv_socket_io._websocket import WebSocket

_log = logging.getLogger("pryv.socket")


@attrs.frozen
class Address:
    """Where an account's socket is, and how it is reached."""

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
        """The path of Socket.IO on the host, below the one that the platform is served at."""
        path = requote_uri(urlsplit(self.endpoint).path).strip("/")
        before, _, last = path.rpartition("/")
        prefix = before if unquote(last).lower() == self.username.lower() else path
        return f"{prefix}/socket.io" if prefix else "socket.io"

    @property
    def url(self) -> str:
        """The URL of the handshake, without the path; a secret."""
        query = "" if self.token is None else f"?auth={quote(self.token, safe='')}"
        return f"{urlsplit(self.endpoint).scheme}://{self.host}/{query}"


class Link:
    """A connection to an account's namespace; once ended, it is not opened again.

    Args:
        address: Where to.
        timeout: Seconds that opening may take.
        frame_limit: Bytes of a message, `Limits.frame`; `None` for any number.
        on_event: Called with the name and arguments of each event, in order, from the thread that reads.

    Attributes:
        ended: Set when nothing comes any more.
        reason: Why it ended.
    """

    def __init__(
        self, address: Address, timeout: float, frame_limit: int | None, on_event: Callable[..., None]
    ) -> None:
        self.ended = threading.Event()
        self.reason = TRANSPORT_ERROR
        self._address = address
        self._timeout = timeout
        self._entered: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._unanswered: set[concurrent.futures.Future[tuple[Any, ...]]] = set()
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._why_cut: PryvConnectionError | None = None
        self._websocket = WebSocket(partial(dial, address.endpoint, address.settings, timeout), frame_limit)
        self._client = Client(
            self._websocket,
            parse=parser(address.namespace),
            timeout=timeout,
            cut=self._websocket.cut,
            on_end=self._on_end,
        )
        self._client.on("connect", self._on_connect, namespace=address.namespace)
        self._client.on("connect_error", self._on_refusal, namespace=address.namespace)
        self._client.on("disconnect", self._on_disconnect, namespace=address.namespace)
        self._client.on("*", on_event, namespace=address.namespace)

    @property
    def failure(self) -> PryvError | None:
        """What the platform sent that ended it."""
        return self._websocket.failure

    @property
    def connected(self) -> bool:
        """Whether calls can be sent."""
        return self._entered.done() and not self.ended.is_set()

    def open(self) -> None:
        """Connect and enter the namespace.

        Raises:
            ApiError: the platform refuses the token, or does not know the user.
            PryvConnectionError: there is no connection.
        """
        late = f"socket: no connection to {self._address.host} within {self._timeout:g} s"
        watchdog = threading.Timer(self._timeout, self._cut_because, (PryvTimeoutError(late, sent=False),))
        watchdog.name, watchdog.daemon = "pryv-socket-watchdog", True
        failure: BaseException | None = None
        try:
            watchdog.start()
            self._connect()
            self._entered.result()
        except PryvError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  (the libraries let through what they do not expect)
            failure = connection_failure(error, self._address.host)
        finally:
            watchdog.cancel()
            if failure is not None or not self._entered.done():
                self._abandon()
            watchdog.join()
        if failure is not None:
            raise self._why_cut or failure.with_traceback(None)
        _log.debug("connected to %s", self._address.host)

    def call(self, name: str, data: Any, timeout: float) -> Any:
        """Send an event and return the result it is acknowledged with.

        One call is under way at a time: those that overlap on one connection overwrite each other on the platform.

        Raises:
            TypeError: something in `data` has no JSON form.
            ValueError: it is larger than a message may be, holds `NaN`, or is nested too deeply.
            ApiError: it is acknowledged with an error.
            ResponseTooLargeError: its result is larger than `Limits.frame`.
            PryvConnectionError: there is no acknowledgement, and none will come.
            PryvProtocolError: it is acknowledged with neither a result nor an error of the API.
        """
        data = checked_data(name, data)
        deadline = time.monotonic() + timeout
        if not self._turn.acquire(timeout=timeout):
            raise PryvTimeoutError(f"{name}: the calls before took longer than {timeout:g} s", sent=False)
        answer: concurrent.futures.Future[tuple[Any, ...]] = concurrent.futures.Future()
        try:
            self._send(name, data, answer)
            concurrent.futures.wait([answer], max(0.0, deadline - time.monotonic()))
        finally:
            with self._lock:
                self._unanswered.discard(answer)
            self._turn.release()
        if not answer.done():
            raise PryvTimeoutError(f"{name}: not acknowledged within {timeout:g} s")
        error, *result = answer.result() or (None,)
        if error is None:
            return result[0] if result else None
        body = error.get("error") if isinstance(error, dict) else None
        if not isinstance(body, dict):
            raise PryvProtocolError(f"{name}: the answer is neither a result nor an error of the API")
        raise api_error(redact_data(body, self._address.token), method=name)

    def close(self) -> None:
        """End the connection, or the attempt to make it; `ended` is set soon after."""
        self._cut_because(PryvConnectionError("socket: closed while it was opening", sent=False))

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

    def _send(self, name: str, data: Any, answer: concurrent.futures.Future[tuple[Any, ...]]) -> None:
        with self._lock:
            if self.connected:
                try:
                    self._client.emit(
                        name, data, namespace=self._address.namespace, callback=partial(self._on_answer, answer)
                    )
                    self._unanswered.add(answer)
                    return
                except (SocketIOError, queue.Full):
                    pass
        raise PryvConnectionError(f"{name}: the socket is not connected", sent=False)

    def _cut_because(self, why: PryvConnectionError) -> None:
        self._why_cut = self._why_cut or why
        self._websocket.cut()

    def _abandon(self) -> None:
        """Leave nothing behind of a connection that was not made."""
        self._websocket.cut()
        for loop in self.threads:
            loop.join()
        self._websocket.release()
        self.ended.set()

    def _on_connect(self) -> None:
        self._entered.set_result(None)

    def _on_refusal(self, told: Any = None) -> None:
        self._entered.set_exception(refusal(told, self._address.token))

    def _on_disconnect(self, reason: str) -> None:
        self.reason = reason

    def _on_answer(self, answer: concurrent.futures.Future[tuple[Any, ...]], *result: Any) -> None:
        with self._lock:
            if answer in self._unanswered:
                self._unanswered.remove(answer)
                answer.set_result(result)

    def _on_end(self) -> None:
        _log.debug("disconnected from %s: %s", self._address.host, self.reason)
        with self._lock:
            self.ended.set()
            unanswered, self._unanswered = self._unanswered, set()
        if not self._entered.done():
            hung_up = PryvConnectionError(f"socket: {self._address.host} hung up", sent=False)
            self._entered.set_exception(self.failure or hung_up)
        for answer in unanswered:
            lost = PryvConnectionError("socket: the connection was lost before the answer came")
            answer.set_exception(self.failure or lost)
        self._websocket.release()
