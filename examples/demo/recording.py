"""A pulse recording as Pryv.io events: read from its file, written to an account, read back, compared."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pryv import Call, Connection
from pryv.types import Event

STREAM = "pulse"


def read_recording(path: Path, start: float) -> list[dict[str, Any]]:
    """One event per sample, its time counted from `start`."""
    with path.open(newline="") as file:
        return [
            {
                "streamIds": [STREAM],
                "type": "count/generic",
                "time": start + float(row["timer"]) / 1000,
                "content": int(row["hr"]),
            }
            for row in csv.DictReader(file)
        ]


def create_streams(connection: Connection) -> None:
    """A stream for the heart, and in it one for the sensor's pulse."""
    connection.streams.ensure({"id": "heart", "name": "Heart", "children": [{"id": STREAM, "name": "Pulse"}]})


def write(connection: Connection, events: list[dict[str, Any]], advance: Callable[[int], None]) -> list[str]:
    """Writes the events in batches; returns the messages for refused events."""
    calls = [Call("events.create", event) for event in events]
    results = connection.api(calls, progress=lambda _, results: advance(len(results)))
    return [result["error"]["message"] for result in results if "error" in result]


def read(connection: Connection) -> Iterator[Event]:
    """The events, oldest first, one by one as they arrive."""
    yield from connection.iter_events({"streams": [STREAM], "sortAscending": True})


def difference(written: Sequence[Mapping[str, object]], came_back: Sequence[Mapping[str, object]]) -> str | None:
    """Returns the first difference between the events written and read back; `None` if they are equal."""
    if len(came_back) != len(written):
        return f"{len(written):,} samples were written, {len(came_back):,} were read back"
    for number, (ours, theirs) in enumerate(zip(written, came_back, strict=True), 1):
        for key, value in ours.items():
            if theirs.get(key) != value:
                return f"sample {number:,} was written with {key} {value}, and read back with {theirs.get(key)}"
    return None
