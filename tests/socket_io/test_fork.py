"""A socket after a fork: the parent's, and out of the child's reach."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

import pytest

from pryv import Connection, PryvConnectionError
from pryv_socket_io import Notification, SocketIO

from .sockets import DIARY

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


def in_a_child(task: Callable[[], None]) -> bool:
    """Whether a task succeeds in a child process."""
    child = os.fork()
    if not child:
        try:
            task()
            os._exit(0)
        finally:
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def fails_at_once(task: Callable[[], object]) -> None:
    with pytest.raises(PryvConnectionError, match="process") as failed:
        task()
    assert not failed.value.sent


def test_a_child_leaves_the_connection_to_its_parent(sio: SocketIO, connection: Connection) -> None:
    notifications = sio.notifications(timeout=10)

    def use_it() -> None:
        assert not sio.connected
        fails_at_once(lambda: sio.api([{"method": "events.get"}]))
        fails_at_once(lambda: sio.subscribe({"a": {"kind": "events", "query": {}}}))
        fails_at_once(sio.notifications)
        fails_at_once(lambda: next(notifications))
        sio.close()
        connection.close()

    assert in_a_child(use_it)
    connection.post("events", DIARY)
    assert next(notifications) == Notification("eventsChanged")
    assert "events" in sio.api([{"method": "events.get", "params": {}}])[0]


def test_a_child_may_open_it_for_itself(sio: SocketIO, connection: Connection) -> None:
    def open_it() -> None:
        with sio:
            connection.post("events", DIARY)
            assert next(sio.notifications(timeout=10)) == Notification("eventsChanged")

    assert in_a_child(open_it)
    assert next(sio.notifications(timeout=10)) == Notification("eventsChanged")
