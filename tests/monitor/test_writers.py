"""Six processes write while monitors follow; the platform's FAQ's recipe follows beside them."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.monitor.subject import Subject

from pryv import Connection
from pryv_monitor import Monitor, SQLiteMirror

WRITER = Path(__file__).with_name("writer.py")
SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}
WRITERS = 6


class Recipe:
    """What the platform's FAQ advises: the largest `modified` seen is where the next read begins."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._anchor = -1e15
        self.seen: dict[str, float] = {}

    def sync(self) -> None:
        params = {**SCOPE, "state": "all", "modifiedSince": self._anchor + 1e-7, "includeDeletions": True}
        for event in self._connection.iter_events(params):
            self.seen[event["id"]] = event["modified"]
            self._anchor = max(self._anchor, event["modified"])


@pytest.fixture
def windowed_subject(pytestconfig: pytest.Config, subject: Subject) -> Iterator[Subject]:
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
            yield Subject(connection)
        platform.kill()


@pytest.mark.parametrize("changes", [600, pytest.param(12_000, marks=pytest.mark.long)])
def test_six_writers_lose_nothing(changes: int, windowed_subject: Subject, tmp_path: Path) -> None:
    endpoint = windowed_subject.connection.api_endpoint
    mirror = SQLiteMirror(tmp_path / "mirror")
    seen: Counter[tuple[str, float]] = Counter()
    plain = Monitor(endpoint, SCOPE).on("event", lambda event: seen.update([(event["id"], event["modified"])]))
    mirrored = Monitor(endpoint, SCOPE, mirror=mirror)
    recipe = Recipe(Connection(endpoint))
    arguments = [endpoint, "seed", str(changes // WRITERS)]
    writers = [
        subprocess.Popen(
            [sys.executable, str(WRITER), arguments[0], str(seed), arguments[2]],
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
        writer.stdin.write("go\n")  # type: ignore[union-attr]
        writer.stdin.flush()  # type: ignore[union-attr]
    passes = 0
    while any(writer.poll() is None for writer in writers):
        passes += 1
        for follower in (plain, mirrored, recipe):
            follower.sync()
    for follower in (plain, mirrored, recipe):
        follower.sync()
    for writer in writers:
        assert writer.wait() == 0
        writer.stdin.close()  # type: ignore[union-attr]
        writer.stdout.close()  # type: ignore[union-attr]
    now = {(event["id"], event["modified"]) for event in windowed_subject.events(SCOPE).values()}
    figures: dict[str, Any] = {
        "events": len(now),
        "passes": passes,
        "lost": len(now - seen.keys()),
        "twice": sum(count > 1 for count in seen.values()),
        "lost by the recipe": len(now - set(recipe.seen.items())),
    }
    print(figures)
    assert figures["lost"] == figures["twice"] == 0
    windowed_subject.assert_mirrored(mirror, SCOPE)
