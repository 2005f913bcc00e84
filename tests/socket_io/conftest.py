"""Sockets of fresh accounts, and what they tell."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.peers.network import Relay
from tests.waiting import wait_for

from pryv import Connection, RetryPolicy
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

Account = tuple[str, str, Connection]


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


@pytest.fixture
def account(new_account: Callable[[], Account]) -> Account:
    """An account with the streams `diary` and `other`."""
    account = new_account()
    account[2].api([{"method": "streams.create", "params": {"id": name, "name": name}} for name in ("diary", "other")])
    return account


@pytest.fixture
def connection(account: Account) -> Connection:
    """A connection with a personal token."""
    return account[2]


@pytest.fixture
def sio(connection: Connection) -> Iterator[SocketIO]:
    """An open socket."""
    with SocketIO(connection, reconnect=QUICK) as sio:
        yield sio


@pytest.fixture
def relay(connection: Connection) -> Iterator[Relay]:
    """A relay to the platform."""
    parts = urlsplit(connection.endpoint)
    if parts.scheme != "http":
        pytest.skip("needs a platform without TLS")
    assert parts.hostname
    with contextlib.closing(Relay(parts.hostname, parts.port or 80)) as relay:
        yield relay


@pytest.fixture
def relayed(account: Account, relay: Relay) -> Iterator[Connection]:
    """The connection, by way of the relay."""
    username, _, connection = account
    with Connection(f"http://{connection.token}@127.0.0.1:{relay.port}/{username}/") as relayed:
        yield relayed


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every test ends with the threads of its sockets gone."""
    yield
    wait_for(lambda: not socket_threads())
