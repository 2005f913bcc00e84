"""The published JavaScript client on the same account: what one changes, the other is told.

On a DNS-less platform it enters `/alice/alice` in place of `/alice`. Open-Pryv.io sends coarse notifications to that of
the two alone which was entered first since it was started, so what needs them is tested on the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.peers.javascript import Node, Peer

from pryv import Connection
from pryv_sandbox import Sandbox
from pryv_socket_io import SocketIO

from .sockets import DIARY, Heard

SCRIPT = Path(__file__).parent / "js" / "peer.cjs"


@pytest.fixture
def peer(node: Node, connection: Connection) -> Iterator[Peer]:
    with node.peer(SCRIPT, connection.api_endpoint) as peer:
        assert peer.hear() == "open"
        yield peer


def ask(peer: Peer, method: str, argument: Any) -> tuple[Any, list[Any]]:
    """The answer of a method, and what the peer was told until then."""
    peer.say([method, argument])
    told = []
    while (said := peer.hear())[0] != method:
        told.append(said)
    return said[1], told


def test_the_javascript_client_is_notified_of_writes_of_python(sandbox: Sandbox, peer: Peer, sio: SocketIO) -> None:
    (result,) = sio.api([{"method": "events.create", "params": DIARY}])
    assert peer.hear() == ["eventsChanged", None]
    (read,), _ = ask(peer, "api", [{"method": "events.get", "params": {"streams": ["diary"]}}])
    assert read["events"] == [result["event"]]


def test_python_is_notified_of_writes_of_the_javascript_client(sandbox: Sandbox, peer: Peer, sio: SocketIO) -> None:
    heard = Heard(sio)
    (result,), told = ask(peer, "api", [{"method": "events.create", "params": DIARY}])
    assert told == [["eventsChanged", None]]
    assert heard.wait("eventsChanged") == [None]
    (read,) = sio.api([{"method": "events.get", "params": {"streams": ["diary"]}}])
    assert read["events"] == [result["event"]]


def test_scopes_match_writes_of_the_javascript_client(peer: Peer, sio: SocketIO) -> None:
    sio.subscribe({"d": {"kind": "events", "query": {"streams": ["diary"]}}})
    heard = Heard(sio)
    calls = [{"method": "events.create", "params": {**DIARY, "streamIds": [stream]}} for stream in ("other", "diary")]
    _, told = ask(peer, "api", calls)
    assert told == [["eventsChanged", None]] * 2
    assert heard.wait("notificationsChanged") == [{"keys": ["d"]}]
    assert heard.of("eventsChanged") == []
