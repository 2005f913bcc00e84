"""A signal handler can end a wait of the main thread, at any point where it interrupts it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import urllib3.connectionpool
from tests.interruptions import interruptions

from pryv import Connection, Service, _signals
from pryv._transport import sessions
from pryv.addons import SignalSafeEvent
from pryv.auth import AuthController, AuthSettings, AuthStates, _controller, _waiting

Account = tuple[str, str, Connection]


def test_an_event_is_set_while_it_is_waited_for() -> None:
    events = [SignalSafeEvent()]
    for _ in interruptions(lambda: events[-1].wait(60), lambda: events[-1].set(), _signals, threading):
        assert events[-1].is_set()
        events.append(SignalSafeEvent())


def test_an_event_is_set_while_it_is_set() -> None:
    events = [SignalSafeEvent()]
    for _ in interruptions(lambda: events[-1].set(), lambda: events[-1].set(), _signals, threading):
        assert events[-1].wait(0)
        events.append(SignalSafeEvent())


def test_a_connection_is_closed_while_it_is_used(new_account: Callable[[], Account]) -> None:
    connections = [new_account()[2]]
    modules = (sessions, queue, urllib3.connectionpool)
    for _ in interruptions(lambda: connections[-1].get("access-info"), lambda: connections[-1].close(), *modules):
        connections[-1].close()
        connections.append(Connection(connections[0].api_endpoint))


def test_an_access_request_is_stopped(platform_url: str) -> None:
    permission = {"streamId": "diary", "defaultName": "Diary", "level": "read"}
    settings = AuthSettings({"requestingAppId": "pryv-sdk-tests", "requestedPermissions": [permission]})
    with Service(platform_url) as service:
        controller = AuthController(settings, service)
        for _ in interruptions(
            controller.start_auth_request,
            lambda: controller.stop_auth_request("stopped"),
            *(_controller, _waiting, _signals, threading),
            begun=lambda: controller.state.status == AuthStates.NEED_SIGNIN,
        ):
            assert controller.state.status == AuthStates.ERROR
            controller.init()
