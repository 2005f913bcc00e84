"""The cost of passing many accounts, compared with the same requests by hand.

    python benchmarks/fleet_cost.py [ACCOUNTS]

The sandbox and PostgreSQL run in other processes. Prints JSON: CPU of this process for a pass that finds nothing, one
with a change, and a first sync; passes a second on 32 threads at 50 ms of latency; memory and connections to the
database of a worker.
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import requests

from monitor_cost import largest_memory
from pryv import Call, Connection
from pryv.utils import extract_token_and_api_endpoint
from pryv_fleet import EmbeddedPostgres, Fleet, Pacing, PostgresMirror, generate_key
from pryv_monitor import Monitor

ACCOUNTS, ROUNDS, THREADS, LATENCY = 200, 7, 32, 0.05
EVENTS_EACH = 500
"""Events of the first sync, for each account."""
FAST = Pacing(connections=1000)
PLATFORM = """
import sys
from pryv import Connection
from pryv_sandbox import Sandbox
def access(number):
    with Connection(sandbox.create_account(f"person{number:05}").api_endpoint) as owner:
        owner.streams.create({"id": "health", "name": "Health"})
        access = {"name": "study", "permissions": [{"streamId": "health", "level": "manage"}]}
        return owner.api_one("accesses.create", access, "access")["apiEndpoint"]
with Sandbox() as sandbox:
    for number in range(int(sys.argv[1]) + 1):
        print(access(number), flush=True)
    for line in sys.stdin:
        sandbox.faults.clear()
        if float(line):
            sandbox.faults.delay(float(line), times=10**9)
        print("done", flush=True)
"""


class Platform:
    """A sandbox in another process, with accounts."""

    def __init__(self, process: subprocess.Popen[str], count: int) -> None:
        self._process = process
        self.endpoints = [self._line() for _ in range(count)]
        self.spare = self._line()

    def set_latency(self, seconds: float) -> None:
        """Delay each response."""
        if self._process.stdin is not None:
            print(seconds, file=self._process.stdin, flush=True)
        self._line()

    def _line(self) -> str:
        return "" if self._process.stdout is None else self._process.stdout.readline().strip()


@contextmanager
def platform_with(accounts: int) -> Iterator[Platform]:
    """Start a sandbox, and end it."""
    command = [sys.executable, "-c", PLATFORM, str(accounts)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield Platform(process, accounts)
        finally:
            process.terminate()


def main() -> None:
    """Measure, and print the figures."""
    os.environ.setdefault("PRYV_FLEET_KEY", generate_key())
    match sys.argv[1:]:
        case ["worker", dsn, *endpoints]:
            print(json.dumps(worker(dsn, endpoints)))
        case ["first", dsn, endpoint]:
            print(json.dumps(first(dsn, endpoint)))
        case ["first-without-speed", dsn, endpoint]:
            sys.modules["msgspec"] = None  # type: ignore[assignment]
            print(json.dumps(first(dsn, endpoint)))
        case _:
            measure_all()


def measure_all() -> None:
    """Measure with a new platform and a new server."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ACCOUNTS
    with platform_with(count) as platform, EmbeddedPostgres() as server:
        print(json.dumps(measure(platform, server.dsn, count), indent=2))


def measure(platform: Platform, dsn: str, count: int) -> dict[str, Any]:
    """Return all figures."""
    report: dict[str, Any] = {"accounts": count}
    with Fleet(dsn, pacing=FAST, interval=3600, overlap=1) as fleet:
        statuses: list[int] = []
        fleet.on_response(statuses.append)
        fleet.create_tables()
        fleet.add_many(platform.endpoints)
        fleet.sync_due(limit=count)
        time.sleep(1.5)
        for _ in range(2):  # the first one reads the events of the overlap again
            all_due(dsn)
            fleet.sync_due(limit=count)
        people = [Connection(endpoint) for endpoint in platform.endpoints]
        report |= idle(fleet, people, dsn, statuses)
        report |= changed(fleet, people, dsn)
    report |= first_sync(platform.spare, dsn, EVENTS_EACH * count)
    platform.set_latency(LATENCY)
    all_due(dsn)
    report |= latency(people, dsn)
    return report


def all_due(dsn: str) -> None:
    """Have all accounts passed."""
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE pryv.accounts SET due = now() WHERE state = 'active'")


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process for some work."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def for_each(people: list[Connection], work: Callable[[Connection], None]) -> Callable[[], None]:
    """Return some work for all people."""

    def run() -> None:
        for person in people:
            work(person)

    return run


def by_hand(session: requests.Session, person: Connection) -> None:
    """Make the two requests of a pass."""
    headers = {"Authorization": person.token or ""}
    session.get(f"{person.endpoint}streams", params={"state": "all"}, headers=headers).json()
    query = {"fromTime": "-1e300", "toTime": "1e300", "state": "all", "includeDeletions": "true"}
    changes = {**query, "modifiedSince": str(time.time() - 1)}
    session.get(f"{person.endpoint}events", params=changes, headers=headers).json()


def idle(fleet: Fleet, people: list[Connection], dsn: str, statuses: list[int]) -> dict[str, Any]:
    """Compare passes that find nothing with two GETs over one session."""
    ours, theirs, sent = [], [], []
    with requests.Session() as session:
        for _ in range(ROUNDS):
            theirs.append(cpu(for_each(people, lambda person: by_hand(session, person))))
            all_due(dsn)
            statuses.clear()
            ours.append(cpu(lambda: fleet.sync_due(limit=len(people))))
            sent.append(len(statuses) / len(people))
    return {
        "idle pass, CPU ms": 1000 * statistics.median(ours) / len(people),
        "idle pass over two GETs, CPU": ratio(ours, theirs),
        "requests of an idle pass": statistics.median(sent),
    }


def changed(fleet: Fleet, people: list[Connection], dsn: str) -> dict[str, Any]:
    """Compare passes with a change with two GETs and an UPDATE."""
    ours, theirs = [], []
    event = {"streamIds": ["health"], "type": "mass/kg", "content": 61.5}
    with requests.Session() as session, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE copies (endpoint text PRIMARY KEY, text text)")
        insert = "INSERT INTO copies VALUES (%s, '')"
        connection.cursor().executemany(insert, [(person.endpoint,) for person in people])
        update = "UPDATE copies SET text = %s WHERE endpoint = %s"

        def copy(person: Connection) -> None:
            by_hand(session, person)
            connection.execute(update, (str(time.time()), person.endpoint))

        for _ in range(ROUNDS):
            for person in people:
                person.post("events", event)
            theirs.append(cpu(for_each(people, copy)))
            all_due(dsn)
            ours.append(cpu(lambda: fleet.sync_due(limit=len(people))))
    return {"pass with a change over two GETs and an UPDATE, CPU": ratio(ours, theirs)}


def first_sync(endpoint: str, dsn: str, count: int) -> dict[str, Any]:
    """Compare a first sync with `iter_events` alone, with and without `pryv[speed]`."""
    event = {"streamIds": ["health"], "type": "frequency/bpm", "content": 61}
    with Connection(endpoint) as person:
        person.api(Call("events.create", {**event, "time": float(number)}) for number in range(count))
    with_speed, without = (in_process(mode, dsn, endpoint) for mode in ("first", "first-without-speed"))
    return {**{f"{name}, with pryv[speed]": value for name, value in with_speed.items()}, **without}


def first(dsn: str, endpoint: str) -> dict[str, float]:
    """Make first syncs, each after `iter_events` alone."""
    ours, theirs = [], []
    with Connection(endpoint) as person:
        for _ in range(ROUNDS):
            count = 0

            def count_events() -> None:
                nonlocal count
                count = sum(1 for _ in person.iter_events({"state": "all"}))

            theirs.append(cpu(count_events))
            mirror = PostgresMirror(dsn, secrets.token_hex(8))
            ours.append(cpu(Monitor(person, mirror=mirror, overlap=0).sync))
            mirror.close()
    return {
        "first sync over iter_events, CPU": ratio(ours, theirs),
        "first sync, CPU µs an event": 1e6 * statistics.median(ours) / count,
    }


def latency(people: list[Connection], dsn: str) -> dict[str, Any]:
    """Compare a worker, in another process, with the same requests by hand, on the same number of threads."""
    return in_process("worker", dsn, *(person.api_endpoint for person in people))


def worker(dsn: str, endpoints: list[str]) -> dict[str, float]:
    """Pass all accounts on many threads, and send the same requests by hand, both over connections that are open."""
    local = threading.local()

    def ask(endpoint: str) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        url, token = extract_token_and_api_endpoint(endpoint).endpoint, extract_token_and_api_endpoint(endpoint).token
        query = {"fromTime": -1e300, "toTime": 1e300, "state": "all", "includeDeletions": True, "limit": 2000}
        calls = [
            {"method": "streams.get", "params": {"state": "all"}},
            {"method": "events.get", "params": {**query, "modifiedSince": time.time()}},
        ]
        local.session.post(url, json=calls, headers={"Authorization": token}).json()

    ours, theirs = [], []
    with Fleet(dsn, threads=THREADS, pacing=FAST) as fleet, ThreadPoolExecutor(THREADS) as pool:
        for _ in range(1 + ROUNDS):
            begin = time.monotonic()
            list(pool.map(ask, endpoints))
            theirs.append(time.monotonic() - begin)
            all_due(dsn)
            ours.append(fleet.sync_due(limit=10**6).seconds)
        with psycopg.connect(dsn) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pryv-fleet'"
            ((connections,),) = connection.execute(query).fetchall()
    return {
        "passes/s, 32 threads, 50 ms": len(endpoints) / statistics.median(ours[1:]),
        "passes on 32 threads over batches by hand, time": ratio(ours[1:], theirs[1:]),
        "memory of a worker, MiB": largest_memory(),
        "database connections of a worker": connections,
    }


def in_process(*arguments: str) -> dict[str, Any]:
    """Return what another process measures."""
    command = [sys.executable, __file__, *arguments]
    found: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)  # noqa: S603
    return found


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
