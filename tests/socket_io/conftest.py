"""Sockets of fresh accounts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from tests.accounts import Account
from tests.peers.network import Relay
from tests.socket_io.sockets import QUICK, socket_threads
from tests.waiting import wait_for

from pryv import Connection
from pryv_socket_io import SocketIO


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
