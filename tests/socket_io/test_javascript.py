"""The published JavaScript client on the same account: what one changes, the other is told.

On a DNS-less platform it enters `/alice/alice` in place of `/alice`. Open-Pryv.io sends coarse notifications to that of
the two alone which was entered first since it was started, so what needs them is tested on the sandbox.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pryv import Connection
from pryv_sandbox import Sandbox
from pryv_socket_io import SocketIO

from .conftest import DIARY, Heard

SCRIPTS = Path(__file__).parent / "js"


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client installed, and the script that uses it."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("js") / "peer"
    shutil.copytree(SCRIPTS, folder)
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    if installed.returncode:
        pytest.skip(f"npm cannot install the client: {installed.stderr[-300:]}")
    return folder


class Peer:
    """The JavaScript client, as a process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self._stdin, self._stdout = process.stdin, process.stdout

    def heard(self) -> Any:
        """The next thing it says."""
        return json.loads(self._stdout.readline())

    def ask(self, method: str, argument: Any) -> Any:
        """The answer of a method, and what it was told until then."""
        self._stdin.write(json.dumps([method, argument]) + "\n")
        self._stdin.flush()
        told = []
        while (said := self.heard())[0] != method:
            told.append(said)
        return said[1], told


@pytest.fixture
def peer(scripts: Path, connection: Connection) -> Iterator[Peer]:
    command = ["node", "peer.cjs", connection.api_endpoint]
    with subprocess.Popen(command, cwd=scripts, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            peer = Peer(process)
            assert peer.heard() == "open"
            yield peer
            process.stdin.close()  # type: ignore[union-attr]
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_it_is_told_what_python_writes(sandbox: Sandbox, peer: Peer, sio: SocketIO) -> None:
    (result,) = sio.api([{"method": "events.create", "params": DIARY}])
    assert peer.heard() == ["eventsChanged", None]
    (read,), _ = peer.ask("api", [{"method": "events.get", "params": {"streams": ["diary"]}}])
    assert read["events"] == [result["event"]]


def test_python_is_told_what_it_writes(sandbox: Sandbox, peer: Peer, sio: SocketIO) -> None:
    heard = Heard(sio)
    (result,), told = peer.ask("api", [{"method": "events.create", "params": DIARY}])
    assert told == [["eventsChanged", None]]
    assert heard.wait("eventsChanged") == [None]
    (read,) = sio.api([{"method": "events.get", "params": {"streams": ["diary"]}}])
    assert read["events"] == [result["event"]]


def test_scopes_catch_what_it_writes(peer: Peer, sio: SocketIO) -> None:
    sio.subscribe({"d": {"kind": "events", "query": {"streams": ["diary"]}}})
    heard = Heard(sio)
    calls = [{"method": "events.create", "params": {**DIARY, "streamIds": [stream]}} for stream in ("other", "diary")]
    _, told = peer.ask("api", calls)
    assert told == [["eventsChanged", None]] * 2
    assert heard.wait("notificationsChanged") == [{"keys": ["d"]}]
    assert heard.of("eventsChanged") == []
