"""What the commands of all packages have in common."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

SCRIPTS = {
    script.name: script.module.partition(".")[0]
    for script in entry_points(group="console_scripts")
    if script.module.startswith("pryv") and script.module.partition(".")[0] != "pryv_sandbox"
}
"""The commands, each with its package."""
WAITING = {"pryv": ["whoami"], "pryv-monitor": ["sync", "--anchor", "account.anchor", "--jsonl"]}
"""Arguments with which a command waits for the platform."""


@pytest.fixture
def silent_platform() -> Iterator[str]:
    """The API endpoint of a platform that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://token@127.0.0.1:{server.getsockname()[1]}/"


def run(*command: object) -> str:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_package_is_its_command(script: str) -> None:
    path = Path(sys.executable).with_name(script)
    assert run(sys.executable, "-m", SCRIPTS[script], "--version") == run(path, "--version")
    assert run(sys.executable, "-m", SCRIPTS[script], "--help") == run(path, "--help")


@pytest.mark.parametrize("script", WAITING)
@pytest.mark.parametrize("is_module", [False, True], ids=["script", "module"])
def test_interrupts_at_any_moment(script: str, is_module: bool, silent_platform: str, tmp_path: Path) -> None:
    entry_point = ["-m", SCRIPTS[script]] if is_module else [str(Path(sys.executable).with_name(script))]
    command = [sys.executable, "-X", "importtime", *entry_point, *WAITING[script]]
    environment = os.environ | {"PRYV_API_ENDPOINT": silent_platform}
    for milliseconds in range(0, 360, 18):
        with subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if " argparse" in line:  # imported by what `start` runs: before, interrupts are up to Python
                    break
            time.sleep(milliseconds / 1000)
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        assert [line for line in said.splitlines() if not line.startswith("import time:")] == []
        assert process.returncode == 130
