"""A signal handler may close the socket, wherever it interrupts the main thread."""

from __future__ import annotations

import contextlib
import threading

import pytest
from tests.interruptions import interruptions
from tests.waiting import wait_for

from pryv import Connection, PryvConnectionError, _signals
from pryv_socket_io import SocketIO, _abort, _link, _notifications, _session, _socket

from .sockets import socket_threads

MODULES = (_abort, _notifications, _session, _signals, _socket, threading)


@pytest.fixture
def known(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A connection that has asked already who its user is; closing waits for threads no longer than a moment."""
    connection.access_info()
    monkeypatch.setattr(_session, "_JOIN_TIMEOUT", 0.02)
    return connection


def test_close_in_a_signal_handler_while_it_opens(known: Connection) -> None:
    sio = SocketIO(known, reconnect=None)

    def open_it() -> None:
        with contextlib.suppress(PryvConnectionError):
            sio.open()

    for _ in interruptions(open_it, sio.close, *MODULES):
        sio.close()
        wait_for(lambda: not socket_threads())


def test_close_in_a_signal_handler_while_it_closes(known: Connection) -> None:
    sio = SocketIO(known, reconnect=None).open()
    disconnects: list[str] = []
    sio.on("disconnect", disconnects.append)
    for count, _ in enumerate(interruptions(sio.close, sio.close, *MODULES), 1):
        wait_for(lambda: not socket_threads())
        assert len(disconnects) == count
        sio.open()
    sio.close()


def test_close_in_a_signal_handler_while_it_waits_for_notifications(known: Connection) -> None:
    sio = SocketIO(known, reconnect=None).open()
    for _ in interruptions(lambda: list(sio.notifications()), sio.close, *MODULES):
        sio.open()
        assert sio.connected
    sio.close()


def test_close_in_a_signal_handler_while_a_call_is_made(known: Connection) -> None:
    sio = SocketIO(known, reconnect=None).open()

    def call() -> None:
        with contextlib.suppress(PryvConnectionError):
            sio.api([{"method": "events.get", "params": {"limit": 1}}])

    for _ in interruptions(call, sio.close, _link, _session, _socket):
        sio.open()
        assert sio.connected
    sio.close()


def test_open_in_a_signal_handler(known: Connection) -> None:
    sio = SocketIO(known, reconnect=None)
    for _ in interruptions(sio.open, sio.open, _socket):
        assert sio.connected
        assert len(socket_threads()) == 4
        sio.close()


def test_notifications_in_a_signal_handler(known: Connection) -> None:
    with SocketIO(known, reconnect=None) as sio:

        def take() -> None:
            list(sio.notifications(timeout=0))

        for _ in interruptions(take, take, _notifications, _signals):
            assert sio.connected
