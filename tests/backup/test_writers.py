"""Six processes write while backups are made: nothing is lost, and no event is there twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.backup.content import comparable, plain_read, platform_events

from pryv import Connection
from pryv_backup import backup, read, verify

WRITER = Path(__file__).parents[1] / "monitor" / "writer.py"
WRITERS = 6


@pytest.fixture
def windowed() -> Iterator[Connection]:
    """An account on a platform of its own process, whose writes become visible some time after they are stamped."""
    program = (
        "from pryv_sandbox import Sandbox\n"
        "with Sandbox(visibility_window=0.01) as sandbox:\n"
        " print(sandbox.create_account().api_endpoint, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as platform:
        assert platform.stdout is not None
        with Connection(platform.stdout.readline().strip()) as connection:
            connection.streams.ensure({"id": "pulse", "name": "Pulse"})
            yield connection
        platform.kill()


@pytest.mark.parametrize(("changes", "least"), [(300, 3), pytest.param(5000, 20, marks=pytest.mark.long)])
def test_concurrent_writes_are_copied_exactly_once(
    windowed: Connection, folder: Path, changes: int, least: int
) -> None:
    backup(windowed, folder, audit=False)
    writers = [
        subprocess.Popen(
            [sys.executable, str(WRITER), windowed.api_endpoint, str(seed), str(changes // WRITERS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    runs = 0
    while runs < least or any(writer.poll() is None for writer in writers):
        backup(windowed, folder, audit=False)
        ids = [event["id"] for event in plain_read(folder)]
        assert len(ids) == len(set(ids))
        runs += 1
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    backup(windowed, folder, audit=False)
    expected = platform_events(windowed)
    assert len(expected) > changes * 0.8
    assert comparable(plain_read(folder)) == expected
    assert comparable(read(folder).events()) == expected
    assert verify(folder).ok


@pytest.mark.parametrize(
    "changes", [50, 1000, pytest.param(5000, marks=pytest.mark.long), pytest.param(100_000, marks=pytest.mark.long)]
)
def test_any_number_of_changes_is_copied(account: Connection, folder: Path, changes: int) -> None:
    backup(account, folder)
    note = {"streamIds": ["diary"], "type": "note/txt", "content": "A note."}
    account.events.create_many({**note, "time": number * 1e5} for number in range(changes))  # type: ignore[misc]
    report = backup(account, folder)
    assert (report.events, report.incremental) == (changes, True)
    assert comparable(plain_read(folder)) == platform_events(account)
