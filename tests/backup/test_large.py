"""A large account (of `DRILL_EVENTS`) is backed up and restored in little memory; `pytest -s` shows the figures."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.backup.content import comparable, platform_events
from tests.backup.test_restore import content

from pryv import Call, Connection
from pryv_backup import read, verify

EVENTS = int(os.environ.get("DRILL_EVENTS", 100_000))
MEMORY = 100 << 20
NAMES = ("scan.jpeg", "scan.jpeg", "../x", "empty", "x" * 200 + ".txt")
MEASURED = """
import json, re, sys, time
import attrs
from pryv import Connection
import pryv_backup
begin = time.monotonic()
report = getattr(pryv_backup, sys.argv[1])(*(Connection(a) if a.startswith("http") else a for a in sys.argv[2:]))
seconds = time.monotonic() - begin
memory = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024  # of this program only
print(json.dumps({"seconds": seconds, "memory": memory, **attrs.asdict(report)}))
"""


def show(name: str, figures: dict[str, Any]) -> None:
    """Print the numbers of a step."""
    print(
        name, json.dumps({key: value for key, value in figures.items() if isinstance(value, (int, float))}), flush=True
    )


def measured(name: str, *arguments: str) -> dict[str, Any]:
    """Call a function of the package in its own process, and return its report, time and peak of memory."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    show(name, result)
    return result


@pytest.fixture
def two_accounts() -> Iterator[tuple[Connection, Connection]]:
    """Two accounts on a platform of its own process."""
    program = (
        "from pryv_sandbox import Sandbox\n"
        "with Sandbox() as sandbox:\n"
        " for _ in range(2): print(sandbox.create_account().api_endpoint, flush=True)\n"
        " input()"
    )
    with (
        subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as platform,
        ExitStack() as connections,
    ):
        assert platform.stdout is not None
        first, second = (connections.enter_context(Connection(platform.stdout.readline().strip())) for _ in range(2))
        yield first, second
        platform.kill()


def fill(connection: Connection, large_file: Path) -> None:
    connection.streams.ensure([{"id": f"s{n}", "name": f"S{n}"} for n in range(20)])
    chance = random.Random(18)
    calls: Iterable[Any] = (
        Call(
            "events.create",
            {
                "streamIds": [f"s{chance.randrange(20)}"],
                "type": "note/txt" if number % 3 else "mass/kg",
                "content": "A note of some length, as people write them. " * 3 if number % 3 else number / 7,
                "time": (number - EVENTS / 4) * 25_000
                if number % 1000
                else chance.choice([-1e300, 1e300, 2e11, -1e11]),
            },
        )
        for number in range(EVENTS)
    )
    made = [result["event"]["id"] for result in connection.api(calls)]
    connection.api([Call("events.delete", {"id": key}) for key in made[:2000]])
    connection.api([Call("events.delete", {"id": key}) for key in made[:1000]])
    event: dict[str, Any] = {"streamIds": ["s0"], "type": "picture/attached"}
    for number in range(100):
        files = [(name, name.encode() * number if name != "empty" else b"") for name in NAMES]
        connection.create_event_with_files(event, files)
    connection.create_event_with_file(event, large_file)
    for _ in range(50):
        series = connection.events.create({"streamIds": ["s1"], "type": "series:mass/kg"})
        connection.add_points_to_hf_event(series["id"], ["deltaTime", "value"], ([n, n / 8] for n in range(20_000)))


@pytest.mark.long
def test_a_large_account_in_little_memory(two_accounts: tuple[Connection, Connection], tmp_path: Path) -> None:
    account, other = two_accounts
    large_file = tmp_path / "large.bin"
    with large_file.open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(1 << 20))
    fill(account, large_file)
    first = measured("first run", "backup", account.api_endpoint, str(tmp_path / "first"))
    assert first["complete"]
    assert first["attachments"] == 501
    assert first["series"] == 50
    assert first["memory"] < MEMORY
    second = measured("second run", "backup", account.api_endpoint, str(tmp_path / "first"))
    assert second["events"] in (0, 50)  # the platform changes the events of series some 10 seconds after their points
    assert (second["attachments"], second["series"]) == (0, 0)
    assert second["memory"] < MEMORY
    begin = time.monotonic()
    assert verify(tmp_path / "first").ok
    show("verify", {"seconds": time.monotonic() - begin})
    expected = platform_events(account)
    assert len(expected) > EVENTS - 1000
    begin = time.monotonic()
    assert comparable(read(tmp_path / "first").events()) == expected
    show("read", {"seconds": time.monotonic() - begin})
    restored = measured("restore", "restore", str(tmp_path / "first"), other.api_endpoint)
    assert restored["failed"] == []
    assert restored["memory"] < MEMORY
    again = measured("restore again", "restore", str(tmp_path / "first"), other.api_endpoint)
    assert (again["created"], again["failed"]) == (0, [])
    measured("its backup", "backup", other.api_endpoint, str(tmp_path / "second"))
    assert content(tmp_path / "second") == content(tmp_path / "first")
