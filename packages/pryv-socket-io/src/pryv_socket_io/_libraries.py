"""Every use of a private or undocumented name of another library.

Read in python-socketio 5.18.1, python-engineio 4.15.1, websocket-client 1.9.2 and requests 2.34.2. For each name,
`tests/socket_io/test_libraries.py` has a test that fails if a later version removes it.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import engineio  # type: ignore[import-untyped]
import socketio  # type: ignore[import-untyped]
from engineio.base_client import connected_clients  # type: ignore[import-untyped]
from requests.utils import get_auth_from_url, requote_uri, select_proxy
from socketio.packet import Packet  # type: ignore[import-untyped]

from pryv import PryvConnectionError
from pryv_socket_io._threads import start_thread

try:
    import websocket
    from websocket._handshake import CookieJar
except ImportError:
    raise ImportError(
        "the module 'websocket' is not the one of websocket-client: a package or file of the same name hides it.\n"
        "Rename that file, or: pip uninstall websocket; pip install --force-reinstall websocket-client"
    ) from None

__all__ = [
    "TRANSPORT_ERROR",
    "Client",
    "get_auth_from_url",
    "isolated",
    "read_connect_status",
    "requote_uri",
    "select_proxy",
    "websocket",
]

Parser = Callable[[str], tuple[int, str, int | None, Any]]
"""Returns the type, namespace, acknowledgement id and data of a packet, or raises an exception."""

TRANSPORT_ERROR: str = engineio.Client.reason.TRANSPORT_ERROR

_MAX_UNSENT = 100
"""The most packets that wait to be sent."""


def read_connect_status(sock: socket.socket) -> int:
    """Return the status of the response to a CONNECT request.

    `http.client` can make a tunnel only for its own connections, which add requests of their own. `HTTPResponse.begin`
    reads a head, but is not documented (CPython 3.13.0,
    https://github.com/python/cpython/blob/v3.13.0/Lib/http/client.py#L324).
    """
    with contextlib.closing(http.client.HTTPResponse(sock, method="CONNECT")) as response:
        response.begin()
        return response.status


_log = logging.getLogger("pryv.socket")

# Both libraries log URLs and messages, which contain tokens.
_null_logger: Any = logging.Logger("pryv.socket.silent", logging.CRITICAL + 1)


class Client(socketio.Client):  # type: ignore[misc]
    """A client for one connection, which logs nothing and handles messages in order.

    Args:
        websocket: The WebSocket to use.
        parse: Parses packets.
        timeout: Seconds for each step of connecting.
        abort: Ends the WebSocket, from any thread.
        on_closed: Called from the last thread of the connection, when nothing will arrive any more.
    """

    def __init__(
        self,
        websocket: Any,
        parse: Parser,
        timeout: float,
        abort: Callable[[], None],
        on_closed: Callable[[], None],
    ) -> None:
        super().__init__(
            reconnection=False,
            handle_sigint=False,
            logger=_null_logger,
            engineio_logger=_null_logger,
            serializer=_packet_class(parse),  # pyright: ignore[reportArgumentType]  (its type is inferred from a default)
            request_timeout=timeout,
            websocket_extra_options={"class_": lambda **_: websocket, "suppress_origin": True, "redirect_limit": 0},
            abort=abort,
            on_closed=on_closed,
        )

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads of the connection."""
        loops: list[threading.Thread] = self.eio.loops
        return list(loops)

    # https://github.com/miguelgrinberg/python-socketio/blob/v5.18.1/src/socketio/client.py#L562
    def _engineio_client_class(self) -> type[_Engine]:
        return _Engine


def _packet_class(parse: Parser) -> type[Packet]:
    """Return a class of packets with another parser, and without binary attachments.

    Without the attribute, all data to be sent are searched for bytes:
    https://github.com/miguelgrinberg/python-socketio/blob/v5.18.1/src/socketio/packet.py#L31
    """

    class TextPacket(Packet):  # type: ignore[misc]
        uses_binary_events = False

        def decode(self, encoded_packet: str) -> int:
            self.packet_type, self.namespace, self.id, self.data = parse(encoded_packet)
            return 0

    return TextPacket


_LOOPS = 2
"""The loops of a connection: one reads, one writes."""


class _Engine(engineio.Client):  # type: ignore[misc]
    """An Engine.IO client that handles messages in the order received, and ends by aborting its WebSocket.

    The base class starts a thread for each message, so a later message may overtake it
    (https://github.com/miguelgrinberg/python-socketio/issues/382). The same method starts its read and write loops:
    https://github.com/miguelgrinberg/python-engineio/blob/v4.15.1/src/engineio/client.py#L427
    """

    def __init__(self, *, abort: Callable[[], None], on_closed: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self.loops: list[threading.Thread] = []
        self._abort = abort
        self._on_closed = on_closed
        self._loops_running = _LOOPS
        self._lock = threading.Lock()

    def create_queue(self, *_: Any, **__: Any) -> _SendQueue:
        """Return the queue of packets to be sent."""
        return _SendQueue(_MAX_UNSENT)

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Handle a message at once, or run the read or write loop on a thread."""
        if target == self.handlers["message"]:
            self._run_or_abort(partial(target, *args))
            return None
        loop = threading.Thread(target=self._run_loop, args=(target,), name="pryv-socket-loop", daemon=True)
        try:
            start_thread(loop)
        except PryvConnectionError:
            self._end(_LOOPS - len(self.loops))
            raise
        self.loops.append(loop)
        return loop

    def disconnect(self, abort: bool = False, reason: str | None = None) -> None:
        """Abort the WebSocket, which ends both loops."""
        self._abort()

    def _run_loop(self, loop: Callable[[], None]) -> None:
        self._run_or_abort(loop)
        self._end(1)

    def _end(self, loops: int) -> None:
        """Note the end of loops, or that they do not start, and clean up if none is left."""
        self._abort()
        with contextlib.suppress(queue.Full):
            self.queue.put(None)  # ends the write loop, if it waits for packets
        with self._lock:
            self._loops_running -= loops
            is_last = not self._loops_running
        if is_last:
            with contextlib.suppress(ValueError):
                # A loop that failed has not removed it:
                # https://github.com/miguelgrinberg/python-engineio/blob/v4.15.1/src/engineio/client.py#L598
                connected_clients.remove(self)
            self._on_closed()

    def _run_or_abort(self, task: Callable[[], Any]) -> None:
        try:
            task()
        except Exception as error:  # noqa: BLE001  (the platform may send anything)
            _log.debug("aborted: %s while handling a message", type(error).__name__)
            self._abort()


class _SendQueue(queue.Queue[Any]):
    """A queue that raises `queue.Full` at once.

    Otherwise, a platform that sends pings, and does not read the pongs, could fill the memory.
    """

    Empty = queue.Empty
    """Used by python-engineio up to 4.12.0."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block=False)


_isolated = threading.local()


def _is_isolated() -> bool:
    return getattr(_isolated, "now", False)


def _unless_isolated(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda argument: None if _is_isolated() else method(argument)


# websocket-client traces complete requests and messages, tokens included, to one logger per process:
# https://github.com/websocket-client/websocket-client/blob/v1.9.2/websocket/_logging.py#L23
logging.getLogger("websocket").addFilter(lambda _: not _is_isolated())

# It also keeps cookies in one jar per process, for any domain that a server names:
# https://github.com/websocket-client/websocket-client/blob/v1.9.2/websocket/_cookiejar.py#L28
_cookies: Any = CookieJar
_cookies.add, _cookies.get = _unless_isolated(_cookies.add), _unless_isolated(_cookies.get)


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Keep websocket-client from logging, and from storing or sending cookies, in this thread."""
    before, _isolated.now = _is_isolated(), True
    try:
        yield
    finally:
        _isolated.now = before
