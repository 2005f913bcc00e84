"""The client of python-socketio, as one connection needs it: silent, in order, and ended by cutting its WebSocket."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import engineio  # type: ignore[import-untyped]
import socketio  # type: ignore[import-untyped]
from socketio.packet import Packet  # type: ignore[import-untyped]

from pryv.addons import ChunkTooLargeError, plain
from pryv_socket_io._websocket import WebSocket

MAX_MESSAGE = 1_000_000 - 1000
"""Bytes of data that fit in a message: a platform cuts connections that send more than 1 MB at once."""

TRANSPORT_ERROR: str = engineio.Client.reason.TRANSPORT_ERROR

_log = logging.getLogger("pryv.socket")

# The libraries log URLs and messages with the tokens in them.
_silent: Any = logging.Logger("pryv.socket.silent", logging.CRITICAL + 1)


def checked_data(name: str, data: Any) -> Any:
    """Return a message's data as the plain JSON data that can be sent.

    Raises:
        TypeError: something in it has no JSON form.
        ChunkTooLargeError: it is more than a message holds.
        ValueError: it holds `NaN`, an infinity or itself, or is nested too deeply.
    """
    data = plain(data)
    size = len(json.dumps(data, separators=(",", ":")))
    if size > MAX_MESSAGE:
        raise ChunkTooLargeError(f"{name}: {size} bytes are too many for a socket; Connection.api takes more")
    return data


class Client(socketio.Client):  # type: ignore[misc]
    """A client for one connection.

    Args:
        websocket: What it connects by.
        timeout: Seconds for each step of connecting.
        on_end: Called from the last of its threads, when nothing comes any more.
    """

    def __init__(self, websocket: WebSocket, timeout: float, on_end: Callable[[], None]) -> None:
        super().__init__(
            reconnection=False,
            handle_sigint=False,
            logger=_silent,
            engineio_logger=_silent,
            serializer=_TextPacket,  # pyright: ignore[reportArgumentType]  (its type is inferred from a default)
            request_timeout=timeout,
            websocket_extra_options={"class_": lambda **_: websocket, "suppress_origin": True, "redirect_limit": 0},
            cut=websocket.cut,
            on_end=on_end,
        )
        self._websocket = websocket

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads of the connection."""
        return list(self.eio.loops)

    def cut(self) -> None:
        """End the connection, or the attempt to make it, from any thread."""
        self._websocket.cut()

    def release(self) -> None:
        """Give back what is held; its threads must have ended, or this be the last of them."""
        self._websocket.release()

    def _engineio_client_class(self) -> type[_Engine]:
        return _Engine


class _TextPacket(Packet):  # type: ignore[misc]
    """A message without binary parts, for which the library would search it from top to bottom."""

    uses_binary_events = False


class _Engine(engineio.Client):  # type: ignore[misc]
    """The Engine.IO client, with messages handled in the order received, and one way to end: its socket is cut."""

    def __init__(self, *, cut: Callable[[], None], on_end: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self.loops: list[threading.Thread] = []
        self._cut = cut
        self._on_end = on_end
        self._running = 2
        self._guard = threading.Lock()

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
        with self._guard:
            self._running -= 1
            is_last = not self._running
        if is_last:
            self._on_end()

    def _guarded(self, task: Callable[[], Any]) -> None:
        try:
            task()
        except Exception as error:  # noqa: BLE001  (a peer may send anything)
            _log.debug("cut: %s while handling what came", type(error).__name__)
            self._cut()
