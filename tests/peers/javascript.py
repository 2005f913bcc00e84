"""The published JavaScript client, installed once per session, and processes that run scripts with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest


class Peer:
    """A running script that reads and writes one JSON value a line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self._stdin, self._stdout = process.stdin, process.stdout

    def say(self, value: Any) -> None:
        self._stdin.write(json.dumps(value) + "\n")
        self._stdin.flush()

    def hear(self) -> Any:
        """The next thing it says."""
        line = self._stdout.readline()
        assert line, "the script has ended"
        return json.loads(line)


@attrs.frozen
class Node:
    """Node.js, with the client among the modules it finds."""

    path: str
    modules: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "NODE_PATH": str(self.modules)}

    def run(self, script: Path, *arguments: str) -> str:
        """What a script writes until it ends; it has to end well."""
        command = [self.path, str(script), *arguments]
        done = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, encoding="utf-8", timeout=60, check=True
        )
        return done.stdout

    @contextmanager
    def peer(self, script: Path, *arguments: str) -> Iterator[Peer]:
        """Start a script, and end it with its input; it has to end well."""
        command, pipe = [self.path, str(script), *arguments], subprocess.PIPE
        with subprocess.Popen(command, env=self.environment, stdin=pipe, stdout=pipe, encoding="utf-8") as process:
            try:
                yield Peer(process)
                process.communicate(timeout=10)
                assert process.returncode == 0
            finally:
                process.kill()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Node.js with the client installed."""
    npm, path = shutil.which("npm"), shutil.which("node")
    if not npm or not path:
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("javascript")
    shutil.copy(Path(__file__).with_name("package.json"), folder)
    command = [npm, "install", "--prefer-offline", "--no-audit", "--no-fund", "--no-package-lock"]
    try:
        installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    except subprocess.TimeoutExpired as late:
        pytest.skip(f"npm cannot install the client: {late}")
    if installed.returncode:
        pytest.skip(f"npm cannot install the client: {installed.stderr[-300:]}")
    return Node(path, folder / "node_modules")
