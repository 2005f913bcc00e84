"""How the add-on is found, and what it says where another package is in its way."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path

import pytest

import pryv_socket_io
from pryv import Connection


def test_the_core_finds_it_by_its_entry_point() -> None:
    (entry,) = entry_points(group="pryv.addons", name="socket")
    assert entry.load() is pryv_socket_io.SocketIO


def test_the_core_finds_it_without_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: EntryPoints())  # as in frozen programs
    with Connection("https://token@alice.example/") as connection:
        assert isinstance(connection.socket, pryv_socket_io.SocketIO)


def test_the_core_imports_no_add_on() -> None:
    code = "import pryv, sys; print([name for name in sys.modules if 'socketio' in name or 'pryv_socket' in name])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_setting_that_prevents_the_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")  # which python-socketio imports if it is there
    monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys.log")
    program = """
from pryv import Connection, PryvError
try:
    Connection("https://token@alice.example/").socket
except PryvError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert "SSLKEYLOGFILE names '/nowhere/keys.log'" in done.stdout


@pytest.mark.parametrize("content", ["", "raise ImportError('gevent')", "def connect(): pass"])
def test_another_module_named_websocket(tmp_path: Path, content: str) -> None:
    (tmp_path / "websocket.py").write_text(content)
    command = [sys.executable, "-c", "import pryv_socket_io"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path)}, timeout=30
    )
    assert done.returncode == 1
    assert "ImportError: the module 'websocket' is not the one of websocket-client" in done.stderr
    assert "pip install --force-reinstall websocket-client" in done.stderr
    assert "During handling" not in done.stderr
