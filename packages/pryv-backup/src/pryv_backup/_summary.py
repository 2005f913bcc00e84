"""What is in a backup, in numbers: the command `show`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from pryv.cli import Column, on_terminal, write_json, write_table
from pryv.utils import to_datetime
from pryv_backup import _files
from pryv_backup._folder import read
from pryv_backup._layout import STATE, attachments_of, stream_ids_of
from pryv_backup._manifest import Manifest


@attrs.frozen
class Summary:
    """The numbers of a backup.

    Attributes:
        folder: The folder.
        endpoint: The endpoint of the account, if the backup has it.
        generated: When the backup was made, in ISO 8601, if the backup has it.
        unreadable: What the token could not read.
        events: Events.
        trashed: Events in the trash.
        deletions: Deletions.
        attachments: Attachments.
        first: The time of the first event, in ISO 8601; as a number of seconds outside the years 1 to 9999.
        last: The time of the last event.
        files: Files.
        bytes: Bytes of the files, those with two names once.
        streams: Events by stream.
        types: Events by type.
    """

    folder: str
    endpoint: str | None
    generated: str | None
    unreadable: tuple[str, ...]
    events: int
    trashed: int
    deletions: int
    attachments: int
    first: str | float | None
    last: str | float | None
    files: int
    bytes: int
    streams: dict[str, int]
    types: dict[str, int]


def summarize(folder: str | os.PathLike[str]) -> Summary:
    """Count what is in a backup.

    Raises:
        BackupError: there is no backup, or a file of it is damaged.
        OSError: a file cannot be read.
    """
    archive = read(folder)
    manifest = Manifest.read(archive.path) or Manifest({})
    counts: Counter[str] = Counter()
    streams: Counter[str] = Counter()
    types: Counter[str] = Counter()
    times: list[float] = []
    for event in archive.events():
        counts["events"] += 1
        counts["trashed"] += event.get("trashed") is True
        counts["attachments"] += len(attachments_of(event))
        streams.update(stream_ids_of(event))
        types[event.get("type", "")] += 1
        if (time := event.get("time")) is not None:
            times = [min(*times, time), max(*times, time)] if times else [time, time]
    sizes = list(_sizes(archive.path))
    return Summary(
        folder=os.fspath(archive.path),
        endpoint=manifest.endpoint,
        generated=manifest.generated,
        unreadable=manifest.unreadable,
        events=counts["events"],
        trashed=counts["trashed"],
        deletions=len({deletion["id"] for deletion in archive.deletions()}),
        attachments=counts["attachments"],
        first=_moment(times[0]) if times else None,
        last=_moment(times[1]) if times else None,
        files=len(sizes),
        bytes=sum(sizes),
        streams=dict(streams.most_common()),
        types=dict(types.most_common()),
    )


def show(summary: Summary) -> None:
    """Write a summary to standard output: for people on a terminal, as JSON elsewhere."""
    if not on_terminal():
        write_json(attrs.asdict(summary))
        return
    rows: list[tuple[str, Any]] = [
        ("account", summary.endpoint),
        ("made", summary.generated),
        ("events", f"{summary.events:,}, {summary.trashed:,} of them in the trash"),
        ("from", summary.first),
        ("to", summary.last),
        ("deletions", f"{summary.deletions:,}"),
        ("attachments", f"{summary.attachments:,}"),
        ("size", f"{summary.bytes:,} bytes in {summary.files:,} files"),
        ("not readable", ", ".join(summary.unreadable) or None),
        *((f"stream {key}", f"{count:,}") for key, count in summary.streams.items()),
        *((f"type {key}", f"{count:,}") for key, count in summary.types.items()),
    ]
    write_table([Column("what", lambda row: row[0], whole=True), Column("value", lambda row: row[1])], rows)


def _sizes(root: Path) -> Iterator[int]:
    """Yield the size of each file; of one with several names once."""
    seen = set()
    for path in _files.paths(root, without=[STATE]):
        status = os.lstat(root / path)
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            yield status.st_size


def _moment(seconds: float) -> str | float:
    try:
        return to_datetime(seconds).isoformat()
    except (OverflowError, ValueError):
        return seconds
