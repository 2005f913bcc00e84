"""Closing: from anywhere, at any moment, leaving nothing behind."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from tests.peers.network import Relay
from tests.waiting import wait_for, within

from pryv import Connection, PryvConnectionError, RetryPolicy
from pryv_socket_io import SocketIO

from .sockets import DIARY, Heard, socket_threads


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """A second at most, and as much as a busy machine adds."""
    with within(3):
        yield
    wait_for(lambda: not socket_threads())


def test_close_before_open_and_close_twice(connection: Connection) -> None:
    sio = SocketIO(connection)
    with at_once():
        sio.close()
    sio.open()
    assert sio.connected
    with at_once():
        sio.close()
        sio.close()
    assert not sio.connected


def test_open_after_close(connection: Connection) -> None:
    sio = SocketIO(connection)
    heard = Heard(sio)
    for count in (1, 2, 3):
        with sio:
            connection.post("events", DIARY)
            heard.wait("eventsChanged", count)
            assert sio.get_subscriptions() == {"scopes": {}}
            sio.subscribe({"a": {"kind": "events", "query": {"streams": ["other"]}}})
    assert heard.of("disconnect") == ["client disconnect"] * 3


def test_close_with_its_connection(connection: Connection) -> None:
    sio = connection.socket.open()
    with at_once():
        connection.close()
    assert not sio.connected
    assert connection.socket is sio
    with sio:
        assert sio.connected


def test_close_from_several_threads_at_once(connection: Connection) -> None:
    sio = SocketIO(connection).open()
    heard = Heard(sio)
    threads = [threading.Thread(target=sio.close) for _ in range(8)]
    with at_once():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert heard.all == [("disconnect", "client disconnect")]


@pytest.mark.parametrize("asks_first", [True, False])
def test_close_during_open(relayed: Connection, relay: Relay, asks_first: bool) -> None:
    sio = SocketIO(relayed)
    failures: list[BaseException] = []

    def open_it() -> None:
        try:
            sio.open(timeout=3)
        except PryvConnectionError as error:
            failures.append(error)

    if asks_first:
        relayed.access_info()
    relay.frozen = True
    connections = relay.connections
    opener = threading.Thread(target=open_it)
    opener.start()
    wait_for(lambda: relay.connections > connections)
    with at_once():
        sio.close()
        opener.join()
    assert "closed while opening" in str(failures[0])
    assert not sio.connected


def test_close_during_open_before_the_connect(relayed: Connection, relay: Relay) -> None:
    with requests.Session() as session, Connection(relayed.api_endpoint, session=session) as connection:
        sio = SocketIO(connection)
        session.hooks["response"].append(lambda *_, **__: sio.close())  # it knows whose socket it is to be by now
        with pytest.raises(PryvConnectionError, match="closed while opening"):
            sio.open()
    assert relay.connections == 1


def test_close_at_any_moment_of_open(connection: Connection) -> None:
    connection.access_info()
    for wait in range(60):
        sio = SocketIO(connection)

        def open_it(sio: SocketIO = sio) -> None:
            with contextlib.suppress(PryvConnectionError):
                sio.open()

        opener = threading.Thread(target=open_it)
        opener.start()
        threading.Event().wait(wait / 4000)
        with at_once():
            sio.close()
            opener.join()
            sio.close()
        assert not sio.connected


def test_close_while_it_waits_to_reconnect(relayed: Connection, relay: Relay) -> None:
    sio = SocketIO(relayed, reconnect=RetryPolicy(attempts=10, backoff=1000, max_backoff=1000)).open()
    heard = Heard(sio)
    relay.cut()
    heard.wait("disconnect")
    with at_once():
        sio.close()


def test_close_while_it_reconnects(relayed: Connection, relay: Relay) -> None:
    sio = SocketIO(relayed, reconnect=RetryPolicy(attempts=10, backoff=0)).open()
    connections = relay.connections
    relay.frozen = True
    relay.cut()
    wait_for(lambda: relay.connections > connections)
    with at_once():
        sio.close()


def test_close_of_a_silent_connection(relayed: Connection, relay: Relay) -> None:
    sio = SocketIO(relayed).open()
    relay.frozen = True
    with at_once():
        sio.close()
    assert not sio.connected


def test_close_while_a_call_waits(relayed: Connection, relay: Relay) -> None:
    sio = SocketIO(relayed).open()
    failures: list[PryvConnectionError] = []

    def call() -> None:
        try:
            sio.api([{"method": "events.get"}])
        except PryvConnectionError as error:
            failures.append(error)

    relay.frozen = True
    caller = threading.Thread(target=call)
    caller.start()
    wait_for(lambda: relay.dropped)
    with at_once():
        sio.close()
        caller.join()
    assert len(failures) == 1


def test_close_while_a_callback_runs(sio: SocketIO, connection: Connection) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        entered.set()
        leave.wait(10)

    heard: list[Any] = []
    sio.on("eventsChanged", hold).on("streamsChanged", heard.append)
    connection.post("events", DIARY)
    connection.post("streams", {"id": "x", "name": "X"})
    assert entered.wait(10)
    with within(3):
        sio.close()
    leave.set()
    wait_for(lambda: not socket_threads())
    assert heard == []


# ---- the interpreter


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_interpreter_exits_without_close(connection: Connection) -> None:
    code = """
import sys
from pryv import Connection
connection = Connection(sys.argv[1])
connection.socket.on("eventsChanged", print).open()
print(connection.socket.connected)
"""
    done = run(code, connection.api_endpoint)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_an_interrupt_ends_the_wait_for_notifications(connection: Connection) -> None:
    code = """
import sys
from pryv import Connection
with Connection(sys.argv[1]) as connection, connection.socket as socket:
    try:
        print("waits", flush=True)
        next(socket.notifications())
    except KeyboardInterrupt:
        print("interrupted")
"""
    command = [sys.executable, "-c", code, connection.api_endpoint]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "waits\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=20) == ("interrupted\n", "")
            assert process.returncode == 0
        finally:
            process.kill()


def test_signals_are_untouched(connection: Connection) -> None:
    code = """
import signal, sys
before = signal.getsignal(signal.SIGINT)
from pryv import Connection
with Connection(sys.argv[1]).socket:
    assert signal.getsignal(signal.SIGINT) is before
assert signal.getsignal(signal.SIGINT) is before
"""
    done = run(code, connection.api_endpoint)
    assert done.returncode == 0, done.stderr
