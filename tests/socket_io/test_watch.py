"""The example that watches an account."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pryv import Connection

from .conftest import DIARY

WATCH = Path(__file__).parents[2] / "examples" / "watch.py"


@pytest.mark.parametrize(
    ("streams", "shown"),
    [([], "eventsChanged"), (["diary"], r"notificationsChanged \{'keys': \['watched'\]\}")],
)
def test_changes_are_shown_until_an_interrupt(connection: Connection, streams: list[str], shown: str) -> None:
    command = [sys.executable, str(WATCH), connection.api_endpoint, *streams]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stderr
            assert process.stderr.readline().startswith("watching ")
            connection.post("events", DIARY)
            assert re.fullmatch(rf"\d\d:\d\d:\d\d {shown}\n", process.stdout.readline())
            process.send_signal(signal.SIGINT)
            assert process.stderr.read() == "done\n"
            assert process.wait(10) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        (lambda endpoint: endpoint.replace("://", "://wrong"), r"watch: .*\[invalid-access-token, HTTP 40[13]\]"),
        (lambda endpoint: "nonsense", r"watch: not an API endpoint.*"),
    ],
)
def test_a_mistake_is_told_in_a_line(connection: Connection, endpoint: Callable[[str], str], said: str) -> None:
    command = [sys.executable, str(WATCH), endpoint(connection.api_endpoint)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert re.fullmatch(said + r"\n", done.stderr)
