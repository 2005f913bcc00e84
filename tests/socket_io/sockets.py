"""What a socket tells its callbacks, and the threads it has."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from tests.peers.network import Relay
from tests.waiting import wait_for

from pryv import RetryPolicy
from pryv_socket_io import SocketIO

QUICK = RetryPolicy(attempts=20, backoff=0.05, max_backoff=0.1)
DIARY = {"streamIds": ["diary"], "type": "note/txt", "content": "a note"}

NAMES = (
    "eventsChanged",
    "streamsChanged",
    "accessesChanged",
    "accessUpdated",
    "notificationsChanged",
    "disconnect",
    "reconnect",
    "error",
)


def cut_once_asked(relay: Relay) -> None:
    """Pass nothing on from now on, and cut the connections when something was sent."""

    def cut() -> None:
        wait_for(lambda: relay.dropped)
        relay.cut()

    relay.frozen = True
    threading.Thread(target=cut).start()


def socket_threads() -> list[str]:
    """The threads that sockets have running."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("pryv-socket")]


class Heard:
    """Everything a socket tells its callbacks, in order."""

    def __init__(self, socket: SocketIO) -> None:
        self.all: list[tuple[str, Any]] = []
        for name in NAMES:
            socket.on(name, partial(self._hear, name))

    def _hear(self, name: str, payload: Any) -> None:
        self.all.append((name, payload))

    def of(self, name: str) -> list[Any]:
        return [payload for heard, payload in self.all if heard == name]

    def wait(self, name: str, count: int = 1, timeout: float = 20) -> list[Any]:
        """What came under a name, once it was so much."""
        wait_for(lambda: len(self.of(name)) >= count, timeout)
        return self.of(name)
