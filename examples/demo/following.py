"""A copy of the recording on this machine, which `pryv-monitor watch` keeps up to date while the account changes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pryv import Call, Connection
from pryv.types import Event, EventsParams
from pryv_monitor import Monitor, SQLiteMirror, SyncReport

SCOPE: EventsParams = {"streams": ["heart"]}
WATCH = [sys.executable, "-m", "pryv_monitor.cli", "watch", "--quiet", "--scope", '{"streams": ["heart"]}']
PATIENCE = 30


def copy(connection: Connection, mirror: SQLiteMirror) -> SyncReport:
    """Brings the copy up to date, once."""
    return Monitor(connection, SCOPE, mirror=mirror).sync()


@contextmanager
def watching(api_endpoint: str, mirror: SQLiteMirror) -> Iterator[None]:
    """Starts a process that keeps the copy up to date."""
    before = mirror.load()
    environment = {**os.environ, "PRYV_API_ENDPOINT": api_endpoint}  # on a command line, others could see the token
    with subprocess.Popen([*WATCH, "--mirror", str(mirror.path)], env=environment) as watch:  # noqa: S603
        try:
            wait_until(lambda: mirror.load() != before, "`pryv-monitor watch` did not begin")
            yield
        finally:
            watch.terminate()


def mark_gap(connection: Connection, events: Sequence[Event]) -> int:
    """Trashes the samples from while the sensor was off, writes a note instead, and returns the number of samples."""
    off = [event for event in events if event["content"] == 0]
    begin, end = off[0]["time"], off[-1]["time"]
    note = {"streamIds": ["heart"], "type": "note/txt", "time": begin, "duration": end - begin, "content": "sensor off"}
    calls = [Call("events.create", note), *(Call("events.delete", {"id": event["id"]}) for event in off)]
    connection.api(calls, raise_on_error=True)
    return len(off)


def wait_until_equal(mirror: SQLiteMirror, connection: Connection) -> None:
    """Waits until the copy equals the account, including the trash.

    Raises:
        TimeoutError: the copy did not become equal in time.
    """
    account = by_id(connection.iter_events({**SCOPE, "state": "all"}))
    wait_until(lambda: by_id(mirror.events({"state": "all"})) == account, "the mirror did not follow")


def wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(otherwise)
        time.sleep(0.05)


def by_id(events: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {event["id"]: event for event in events}
