"""The WebSocket under a connection: it can be ended from any thread at any moment, and says nothing in logs."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

try:
    import websocket
    from websocket import WebSocketBadStatusException, WebSocketTimeoutException
except ImportError:
    websocket = None  # type: ignore[assignment]

if websocket is None:
    raise ImportError(
        "the module 'websocket' is not the one of websocket-client: a package or file of the same name hides it.\n"
        "Rename that file, or: pip uninstall websocket; pip install --force-reinstall websocket-client"
    )

from pryv_socket_io._handle import Handle
from pryv_socket_io._tls import TlsSocket

__all__ = ["WebSocket", "WebSocketBadStatusException", "WebSocketTimeoutException"]

_quiet = threading.local()


def _may_be_logged(_: logging.LogRecord) -> bool:
    return not getattr(_quiet, "now", False)


# websocket-client traces requests and messages whole, tokens included, to one logger for all who use it.
logging.getLogger("websocket").addFilter(_may_be_logged)


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    before, _quiet.now = getattr(_quiet, "now", False), True
    try:
        yield
    finally:
        _quiet.now = before


class WebSocket(websocket.WebSocket):
    """A WebSocket over a connection that `dial` opens; `dial` tells of every socket before it is connected."""

    def __init__(self, dial: Callable[[Callable[[socket.socket], None]], socket.socket | TlsSocket]) -> None:
        super().__init__()
        self._dial = dial
        self._handle = Handle()

    def connect(self, url: str, **options: Any) -> None:
        """Dial, and change from HTTP to WebSocket."""
        with _unlogged():
            super().connect(url, **{**options, "socket": self._dial(self._handle.hold)})  # type: ignore[no-untyped-call]

    def cut(self) -> None:
        """End the connection, or the attempt to make it: whoever waits on it, wakes."""
        self._handle.cut()

    def release(self) -> None:
        """Give back what is held; nobody may be using the socket any more."""
        self.cut()
        self.shutdown()  # type: ignore[no-untyped-call]
        self._handle.release()

    def send_frame(self, frame: Any) -> int:
        """Send a frame."""
        with _unlogged():
            return super().send_frame(frame)

    def recv_data_frame(self, control_frame: bool = False) -> tuple[Any, ...]:
        """Receive a message."""
        with _unlogged():
            return super().recv_data_frame(control_frame)
