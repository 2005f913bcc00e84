"""The cost of following an account: a first sync, a pass without changes, a pass with changes.

    python benchmarks/monitor_cost.py [EVENTS]

Each first sync is measured in its own process, in turn with `iter_events` alone and with a copy made by hand: a
script without this SDK, with requests, json and sqlite3, which makes the indexes of a mirror. There are three rounds.
Nothing is written meanwhile, so there is no `overlap`. Prints JSON: CPU seconds of a process, its largest
memory in MiB (Linux only), and the requests and bytes of later passes.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import requests

from pryv import Call, Connection
from pryv_monitor import Monitor, SQLiteMirror

EVENTS = 100_000
ROUNDS = 3
SCOPE: dict[str, Any] = {"streams": ["pulse"]}
ALL: dict[str, Any] = {**SCOPE, "state": "all"}
Rounds = dict[str, list[dict[str, float]]]
PLATFORM = (
    "from pryv_sandbox import Sandbox\n"
    "with Sandbox() as sandbox:\n"
    " print(sandbox.create_account().api_endpoint, flush=True); input()"
)


def main() -> None:
    """Measure, and print the figures."""
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
    """Return the figures for an account filled to `count` events in two steps."""
    with Connection(endpoint) as connection:
        connection.api_one("streams.create", {"id": "pulse", "name": "Pulse"})
        write(connection, count // 10)
        tenth = firsts(endpoint, directory / "tenth")
        write(connection, count - count // 10, count // 10)
        all_ = firsts(endpoint, directory / "all")
        passes = later(connection, directory / "all" / "0")
    hundred, thousand = passes["100"], passes["1000"]
    return {
        "events": count,
        "first sync over iter_events, CPU": ratio(all_, "mirror", "iter_events"),
        "first sync over a copy by hand, CPU": ratio(all_, "mirror", "by_hand"),
        "first sync, MiB more": all_["mirror"][0]["MiB"] - all_["iter_events"][0]["MiB"],
        "requests of a pass without changes": passes["0"]["requests"],
        "bytes, one of 1,000 over one of 100": round(thousand["bytes"] / hundred["bytes"] / 10, 2),
        "CPU, one of 1,000 over one of 100": round(thousand["cpu"] / hundred["cpu"] / 10, 2),
        "a tenth": tenth,
        "all": all_,
        "later passes": passes,
    }


def ratio(measured: Rounds, one: str, other: str) -> float:
    """Return the median of the rounds' ratios of CPU time."""
    pairs = zip(measured[one], measured[other], strict=True)
    return round(statistics.median(a["cpu"] / b["cpu"] for a, b in pairs), 2)


def write(connection: Connection, count: int, start: int = 0) -> None:
    """Create events."""
    connection.api(
        Call("events.create", {"streamIds": ["pulse"], "type": "frequency/bpm", "time": 1e9 + i, "content": i})
        for i in range(start, start + count)
    )


def firsts(endpoint: str, directory: Path) -> Rounds:
    """Return the cost of reading all events, with and without a mirror, by round."""
    directory.mkdir()
    measured: Rounds = {name: [] for name in READINGS}
    for number in range(ROUNDS):
        for name, figures in measured.items():
            path = directory / (str(number) if name == "mirror" else f"{number}-{name}")
            command = [sys.executable, __file__, endpoint, str(path), name]
            figures.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))  # noqa: S603
    return measured


def first(endpoint: str, path: str, name: str) -> dict[str, float]:
    """Read all events in this process, and return the cost."""
    begin, cpu = time.perf_counter(), time.process_time()
    with Connection(endpoint) as connection:
        READINGS[name](connection, path)
    return {
        "cpu": round(time.process_time() - cpu, 3),
        "seconds": round(time.perf_counter() - begin, 3),
        "MiB": largest_memory(),
    }


def iter_events(connection: Connection, _: str) -> None:
    """Read all events, and keep none."""
    for _event in connection.iter_events(ALL):
        pass


def mirror(connection: Connection, path: str) -> None:
    """Make a mirror."""
    Monitor(connection, SCOPE, mirror=SQLiteMirror(path), overlap=0).sync()


def by_hand(connection: Connection, path: str) -> None:
    """Make a copy with requests, json and sqlite3, and the indexes of a mirror. It cannot be continued or updated."""
    response = requests.get(
        f"{connection.endpoint}events",
        {**ALL, "fromTime": "-1e300", "toTime": "1e300", "sortAscending": "true"},
        headers={"Authorization": connection.token},
        timeout=60,
    )
    events = iter(response.json()["events"])
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE events (id TEXT PRIMARY KEY, time REAL, json TEXT)")
        db.execute("CREATE INDEX events_by_time ON events (time)")
        while rows := [(event["id"], event["time"], json.dumps(event)) for event in itertools.islice(events, 10_000)]:
            with db:
                db.executemany("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", rows)


def largest_memory() -> int:
    """Return the largest memory of this process; `getrusage` would count that of its parent, before it was replaced."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def later(connection: Connection, path: Path) -> dict[str, Any]:
    """Return the cost of passes over the mirror, by the number of changes."""
    responses: list[requests.Response] = []
    passes: dict[str, Any] = {}
    with requests.Session() as session:
        session.hooks["response"].append(lambda response, **_: responses.append(response))
        monitor = Monitor(
            Connection(connection.api_endpoint, session=session), SCOPE, mirror=SQLiteMirror(path), overlap=0
        )
        monitor.sync()
        for changes in (0, 10, 100, 1000):
            write(connection, changes, 10**6)
            responses.clear()
            cpu = time.process_time()
            report = monitor.sync()
            passes[str(changes)] = {
                "delivered": report.events,
                "requests": len(responses),
                "bytes": sum(response.raw.tell() for response in responses),
                "cpu": round(time.process_time() - cpu, 4),
            }
    return passes


READINGS: dict[str, Callable[[Connection, str], None]] = {
    "iter_events": iter_events,
    "mirror": mirror,
    "by_hand": by_hand,
}

if __name__ == "__main__":
    main()
