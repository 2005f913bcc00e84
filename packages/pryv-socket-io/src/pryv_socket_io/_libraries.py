"""All that this package uses of other libraries without their documenting it.

Read in python-socketio 5.18.1, python-engineio 4.15.1, websocket-client 1.9.2 and requests 2.34.2; in
`tests/socket_io/test_libraries.py`, a test of its name fails where a later version lacks one of them.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import engineio  # type: ignore[import-untyped]
import socketio  # type: ignore[import-untyped]
from engineio.base_client import connected_clients  # type: ignore[import-untyped]
from requests.utils import get_auth_from_url, requote_uri, select_proxy
from socketio.packet import Packet  # type: ignore[import-untyped]

try:
    import websocket
    from websocket._handshake import CookieJar
except ImportError:
    raise ImportError(
        "the module 'websocket' is not the one of websocket-client: a package or file of the same name hides it.\n"
        "Rename that file, or: pip uninstall websocket; pip install --force-reinstall websocket-client"
    ) from None

__all__ = ["TRANSPORT_ERROR", "Client", "get_auth_from_url", "isolated", "requote_uri", "select_proxy", "websocket"]

Parser = Callable[[str], tuple[int, str, int | None, Any]]
"""Returns the type, namespace, number and data of a packet, or raises an exception."""

TRANSPORT_ERROR: str = engineio.Client.reason.TRANSPORT_ERROR

_MOST_UNSENT = 100
"""Packets that wait to be sent, at most."""

_log = logging.getLogger("pryv.socket")

# Both libraries log URLs and messages with the tokens in them.
_silent: Any = logging.Logger("pryv.socket.silent", logging.CRITICAL + 1)


class Client(socketio.Client):  # type: ignore[misc]
    """The client of python-socketio, for one connection: silent, in order, and ended by cutting its WebSocket.

    Args:
        websocket: What it connects by.
        parse: Reads packets.
        timeout: Seconds for each step of connecting.
        cut: Cuts the WebSocket, from any thread.
        on_end: Called from the last of its threads, when nothing comes any more.
    """

    def __init__(
        self,
        websocket: Any,
        parse: Parser,
        timeout: float,
        cut: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(
            reconnection=False,
            handle_sigint=False,
            logger=_silent,
            engineio_logger=_silent,
            serializer=_packet_class(parse),  # pyright: ignore[reportArgumentType]  (its type is inferred from a default)
            request_timeout=timeout,
            websocket_extra_options={"class_": lambda **_: websocket, "suppress_origin": True, "redirect_limit": 0},
            cut=cut,
            on_end=on_end,
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
    """Return packets that are read by a parser, and have no binary parts.

    The attribute keeps each packet to be sent from being searched for them, from top to bottom:
    https://github.com/miguelgrinberg/python-socketio/blob/v5.18.1/src/socketio/packet.py#L31
    """

    class TextPacket(Packet):  # type: ignore[misc]
        uses_binary_events = False

        def decode(self, encoded_packet: str) -> int:
            self.packet_type, self.namespace, self.id, self.data = parse(encoded_packet)
            return 0

    return TextPacket


class _Engine(engineio.Client):  # type: ignore[misc]
    """The Engine.IO client, with messages handled in the order received, and one way to end: its socket is cut.

    It handles each message on a thread of its own, so that a later one may overtake it
    (https://github.com/miguelgrinberg/python-socketio/issues/382). By the same method it starts its two loops:
    https://github.com/miguelgrinberg/python-engineio/blob/v4.15.1/src/engineio/client.py#L427
    """

    def __init__(self, *, cut: Callable[[], None], on_end: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self.loops: list[threading.Thread] = []
        self._cut = cut
        self._on_end = on_end
        self._running = 2
        self._guard = threading.Lock()

    def create_queue(self, *_: Any, **__: Any) -> _Unsent:
        """Return what packets wait in until they are sent."""
        return _Unsent(_MOST_UNSENT)

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Handle a message at once; run the loop that reads, or the one that writes, on a thread."""
        if target == self.handlers["message"]:
            self._guarded(partial(target, *args))
            return None
        loop = threading.Thread(target=self._run_loop, args=(target,), name="pryv-socket-loop", daemon=True)
        self.loops.append(loop)
        loop.start()
        return loop

    def disconnect(self, abort: bool = False, reason: str | None = None) -> None:
        """Cut the socket; the loops notice, and end."""
        self._cut()

    def _run_loop(self, loop: Callable[[], None]) -> None:
        self._guarded(loop)
        self._cut()
        with contextlib.suppress(queue.Full):
            self.queue.put(None)  # ends the loop that writes, where it waits for packets
        with self._guard:
            self._running -= 1
            is_last = not self._running
        if is_last:
            with contextlib.suppress(ValueError):
                # Left there by a loop that failed, and kept by it for ever:
                # https://github.com/miguelgrinberg/python-engineio/blob/v4.15.1/src/engineio/client.py#L598
                connected_clients.remove(self)
            self._on_end()

    def _guarded(self, task: Callable[[], Any]) -> None:
        try:
            task()
        except Exception as error:  # noqa: BLE001  (a peer may send anything)
            _log.debug("cut: %s while handling what came", type(error).__name__)
            self._cut()


class _Unsent(queue.Queue[Any]):
    """Packets that wait to be sent. One too many is an error: the peer asks for answers and does not read them."""

    Empty = queue.Empty
    """Where python-engineio 4.12.0, and those before, look for it."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block=False)


_isolated = threading.local()


def _is_isolated() -> bool:
    return getattr(_isolated, "now", False)


def _unless_isolated(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda argument: None if _is_isolated() else method(argument)


# websocket-client traces requests and messages whole, tokens included, to one logger for all who use it:
# https://github.com/websocket-client/websocket-client/blob/v1.9.0/websocket/_logging.py#L23
logging.getLogger("websocket").addFilter(lambda _: not _is_isolated())

# It keeps cookies for all of them, too, of whatever domain a server says:
# https://github.com/websocket-client/websocket-client/blob/v1.9.0/websocket/_cookiejar.py#L28
_cookies: Any = CookieJar
_cookies.add, _cookies.get = _unless_isolated(_cookies.add), _unless_isolated(_cookies.get)


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Let websocket-client neither log what this thread does inside, nor keep or send cookies."""
    before, _isolated.now = _is_isolated(), True
    try:
        yield
    finally:
        _isolated.now = before
