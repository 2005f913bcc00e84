"""What following an account costs: a first sync, a pass without changes, a pass with some.

    python benchmarks/monitor_cost.py [EVENTS]

Each first sync is measured in a process of its own, on a sandbox of its own. Prints JSON: CPU seconds of a process, its
largest memory in MiB (Linux only), and the requests and bytes of later passes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from pryv import Call, Connection
from pryv_monitor import Monitor, SQLiteMirror

EVENTS = 100_000
SCOPE = {"streams": ["pulse"]}
PLATFORM = (
    "from pryv_sandbox import Sandbox\n"
    "with Sandbox() as sandbox:\n"
    " print(sandbox.create_account().api_endpoint, flush=True); input()"
)


class Counting(HTTPAdapter):
    """Counts requests and the bytes of their answers."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[requests.Response] = []

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request and keep its answer."""
        answer = super().send(*args, **kwargs)
        self.answers.append(answer)
        return answer


def main() -> None:
    """Measure, and print what was measured."""
    if len(sys.argv) > 2:
        print(json.dumps(first(*sys.argv[1:])))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", PLATFORM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as platform,
    ):
        endpoint = platform.stdout.readline().strip() if platform.stdout else ""
        measured = measure(endpoint, Path(directory), count)
        platform.terminate()
    print(json.dumps(measured, indent=2))


def measure(endpoint: str, directory: Path, count: int) -> dict[str, Any]:
    """Return the figures for an account filled to `count` events in ten steps' time."""
    with Connection(endpoint) as connection:
        connection.api_one("streams.create", {"id": "pulse", "name": "Pulse"})
        write(connection, count // 10)
        measured: dict[str, Any] = {"a tenth": firsts(endpoint, directory, "small")}
        write(connection, count - count // 10, count // 10)
        measured["all"] = firsts(endpoint, directory, "large")
        measured["events"] = count
        mirrored, plain = measured["all"]["mirror"]["cpu"], measured["all"]["iter_events"]["cpu"]
        measured["first sync over iter_events, CPU"] = round(mirrored / plain, 2)
        measured["later passes"] = later(connection, directory / "large")
    return measured


def write(connection: Connection, count: int, start: int = 0) -> None:
    """Create events."""
    connection.api(
        Call("events.create", {"streamIds": ["pulse"], "type": "frequency/bpm", "time": 1e9 + i, "content": i})
        for i in range(start, start + count)
    )


def firsts(endpoint: str, directory: Path, name: str) -> dict[str, Any]:
    """Return what reading all costs, with and without a mirror."""
    return {
        what: json.loads(
            subprocess.run(  # noqa: S603
                [sys.executable, __file__, endpoint, str(directory / name), what],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for what in ("iter_events", "mirror")
    }


def first(endpoint: str, path: str, what: str) -> dict[str, float]:
    """Read all, in this process, and return what it cost."""
    begin, cpu = time.perf_counter(), time.process_time()
    with Connection(endpoint) as connection:
        if what == "mirror":
            Monitor(connection, SCOPE, mirror=SQLiteMirror(path)).sync()
        else:
            for _ in connection.iter_events({**SCOPE, "state": "all"}):
                pass
    return {
        "cpu": round(time.process_time() - cpu, 3),
        "seconds": round(time.perf_counter() - begin, 3),
        "MiB": largest_memory(),
    }


def largest_memory() -> int:
    """Return the largest memory of this process; `getrusage` would count that of its parent, before it was replaced."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def later(connection: Connection, path: Path) -> dict[str, Any]:
    """Return what passes over the mirror cost, by the number of changes."""
    adapter = Counting()
    passes: dict[str, Any] = {}
    with requests.Session() as session:
        session.mount("http://", adapter)
        monitor = Monitor(
            Connection(connection.api_endpoint, session=session), SCOPE, mirror=SQLiteMirror(path), overlap=0
        )
        monitor.sync()
        for changes in (0, 10, 100, 1000):
            write(connection, changes, 10**6)
            adapter.answers.clear()
            cpu = time.process_time()
            report = monitor.sync()
            passes[str(changes)] = {
                "delivered": report.events,
                "requests": len(adapter.answers),
                "bytes": sum(answer.raw.tell() for answer in adapter.answers),
                "cpu": round(time.process_time() - cpu, 4),
            }
    return passes


if __name__ == "__main__":
    main()
