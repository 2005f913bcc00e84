"""A monitor and its mirror."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bodies import META, encoded, events
from row import Function, Reply, Row, Site

STREAMS: list[dict[str, Any]] = [
    {"id": name, "name": name.title(), "children": []} for name in ("body", "diary", "pulse", "sleep")
]
REGISTER = "https://reg.example.org/"
SERVICE_INFO = {"name": "Bench", "register": REGISTER, "access": REGISTER, "api": f"{REGISTER}{{username}}/"}
IDENTITY = {"id": "access", "user": {"username": "user"}}
CHANGES = 1_000
MIRRORS = 10
ALL = {"state": "all", "fromTime": "-1e300", "toTime": "1e300", "sortAscending": "true"}
LATEST = {**ALL, "modifiedSince": "1e9", "includeDeletions": "true"}


def site(size: int) -> Site:
    """Return an account with `size` events, of which nothing has changed lately."""
    return {
        **account(),
        "GET /events": reply({"events": events(size), "meta": META}),
        "GET /events?modifiedSince": reply({"events": [], "eventDeletions": [], "meta": META}),
        "POST /": reply({"meta": META, "results": [{"streams": STREAMS}, {"events": [], "eventDeletions": []}]}),
    }


def idle_site(_: int) -> Site:
    """Return an account without events."""
    return {**site(0), "GET /events": reply({"events": [], "meta": META})}


def changed_site(_: int) -> Site:
    """Return an account in which 1,000 events have changed since they were read."""
    before = events(CHANGES)
    changed = [{**event, "content": "changed", "modified": event["modified"] + 1e6} for event in before]
    results = [{"streams": STREAMS}, {"events": changed, "eventDeletions": []}]
    return {
        **account(),
        "GET /events": reply({"events": before, "meta": META}),
        "GET /events?modifiedSince": reply({"events": [], "eventDeletions": [], "meta": META}),
        "GET /changed": reply({"events": changed, "eventDeletions": [], "meta": META}),
        "POST /": reply({"meta": META, "results": results}),
    }


def account() -> dict[str, Reply]:
    """Return what a monitor asks for besides the events."""
    return {
        "GET /streams": reply({"streams": STREAMS, "meta": META}),
        "GET /access-info": reply({**IDENTITY, "meta": META}),
        "GET /service/info": reply({**SERVICE_INFO, "meta": META}),
    }


def reply(body: Any) -> Reply:
    """Return a reply with a JSON body."""
    return Reply.of(encoded(body))


def new_path() -> Path:
    """Return the path of a file in a directory that is left to the system to remove."""
    return Path(tempfile.mkdtemp(prefix="pryv-bench-")) / "mirror.db"


def first_sync(url: str, size: int) -> Callable[[], int]:
    """Read an account into a new mirror, with the standard library."""
    sys.modules["msgspec"] = None  # type: ignore[assignment]  # as if it were not installed
    return first_sync_with_msgspec(url, size)


def first_sync_with_msgspec(url: str, _: int) -> Callable[[], int]:
    """Read an account into a new mirror, with the extra `speed`."""
    monitor = monitor_of(url, new_path())
    return lambda: monitor.sync().events


def monitor_of(url: str, path: Path) -> Any:
    """Return a monitor that reads into a mirror."""
    from pryv import Connection
    from pryv_monitor import Monitor, SQLiteMirror

    connection = Connection(url)
    connection.service.info()
    return Monitor(connection, mirror=SQLiteMirror(path), overlap=0)


def copied_by_hand(url: str, _: int) -> Callable[[], int]:
    """Copy an account with a plain script: requests, json and sqlite3, into a table with the indexes of a mirror.

    This is the reference of the row: what somebody writes who does not have this SDK.
    """
    import json

    import requests

    session, path = requests.Session(), new_path()

    def run() -> int:
        found = session.get(f"{url}events", params=ALL, timeout=60).json()["events"]
        return insert(path, ((event["id"], event["time"], json.dumps(event)) for event in found))

    return run


def copied_by_iter_events(url: str, size: int) -> Callable[[], int]:
    """Copy an account with `iter_events`, the standard library and sqlite3."""
    sys.modules["msgspec"] = None  # type: ignore[assignment]
    return copied_by_iter_events_with_msgspec(url, size)


def copied_by_iter_events_with_msgspec(url: str, _: int) -> Callable[[], int]:
    """Copy an account with `iter_events`, the extra `speed` and sqlite3."""
    from pryv import Connection

    connection, path = Connection(url), new_path()

    def run() -> int:
        with connection.iter_events({"state": "all", "sortAscending": True}) as found:
            return insert(path, ((event["id"], event["time"], found.text) for event in found))

    return run


def insert(path: Path, rows: Iterator[tuple[Any, ...]]) -> int:
    """Insert rows, 10,000 in a transaction, and return how many there were."""
    count = 0
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE events (id TEXT PRIMARY KEY, time REAL, json TEXT)")
        db.execute("CREATE INDEX events_by_time ON events (time)")
        while batch := list(itertools.islice(rows, 10_000)):
            count += len(batch)
            with db:
                db.executemany("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", batch)
    return count


def idle_passes(url: str, size: int) -> Callable[[], int]:
    """Make passes that find no change."""
    monitor = monitor_of(url, new_path())
    for _ in range(3):
        monitor.sync()

    def run() -> int:
        for _ in range(size):
            monitor.sync()
        return size

    return run


def two_requests(url: str, size: int) -> Callable[[], int]:
    """Ask for the streams and the changes with requests, and do nothing with them."""
    import requests

    session = requests.Session()

    def run() -> int:
        for _ in range(size):
            session.get(f"{url}streams", params={"state": "all"}, timeout=60).json()
            session.get(f"{url}events", params=LATEST, timeout=60).json()
        return size

    return run


def passes_with_changes(url: str, size: int) -> Callable[[], int]:
    """Make passes that find 1,000 changes, each over another mirror of the same account."""
    first = new_path()
    monitor_of(url, first).sync()
    paths = [first.with_name(f"{number}.db") for number in range(size)]
    for path in paths:
        shutil.copy(first, path)
    monitors = [monitor_of(url, path) for path in paths]
    return lambda: sum(monitor.sync().events for monitor in monitors)


def changes_by_hand(url: str, size: int) -> Callable[[], int]:
    """Ask for the streams and 1,000 changes with requests, and replace the events in tables made by hand."""
    import json

    import requests

    session = requests.Session()
    paths = [new_path() for _ in range(size)]
    found = session.get(f"{url}events", timeout=60).json()["events"]
    for path in paths:
        insert(path, ((event["id"], event["time"], json.dumps(event)) for event in found))

    def run() -> int:
        count = 0
        for path in paths:
            session.get(f"{url}streams", params={"state": "all"}, timeout=60).json()
            changed = session.get(f"{url}changed", params=LATEST, timeout=60).json()["events"]
            rows = [(event["id"], event["time"], json.dumps(event)) for event in changed]
            with closing(sqlite3.connect(path)) as db, db:
                db.executemany("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", rows)
            count += len(rows)
        return count

    return run


BY_HAND = "requests, json and sqlite3, by hand"
BY_ITER_EVENTS = "`iter_events` and sqlite3, by hand"

ROWS = [
    Row(
        "first-sync",
        "a first sync of 100,000 events into a mirror",
        "cpu",
        Function("first_sync"),
        {BY_HAND: Function("copied_by_hand"), BY_ITER_EVENTS: Function("copied_by_iter_events")},
        {BY_HAND: 0.75},
        size=(100_000, 300),
        site=site,
    ),
    Row(
        "first-sync-speed",
        "a first sync of 100,000 events into a mirror, with `pryv[speed]`",
        "cpu",
        Function("first_sync_with_msgspec"),
        {BY_HAND: Function("copied_by_hand"), BY_ITER_EVENTS: Function("copied_by_iter_events_with_msgspec")},
        {BY_HAND: 0.75},
        size=(100_000, 300),
        site=site,
    ),
    Row(
        "idle-pass",
        "500 passes without changes over a mirror",
        "cpu",
        Function("idle_passes"),
        {"2 GETs each, over one session": Function("two_requests")},
        {"2 GETs each, over one session": 1.6},
        size=(500, 5),
        site=idle_site,
    ),
    Row(
        "changed-pass",
        "10 passes over a mirror, with 1,000 changes each",
        "cpu",
        Function("passes_with_changes"),
        {BY_HAND: Function("changes_by_hand")},
        size=(MIRRORS, 1),
        site=changed_site,
    ),
]
