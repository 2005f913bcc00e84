"""What the accounts of these tests have, and what their backups should have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pryv import Connection, ServerError
from pryv_backup import read, verify

TIMES = (
    0,
    -0.5,
    -1e15,
    -62_009_366_400,
    -3e10,
    1e300,
    -1e300,
    253_402_300_799,
    253_402_300_800,
    1_769_903_999.5,
    1_769_904_000,
)
NAMES = ("scan.txt", "scan.txt", "../x", "empty", "é\u202e" + "n" * 120 + ".jpeg", "x" * 200)
CONTENTS: tuple[Any, ...] = ("\0", "é\u2028\U0001f600", {"": [None, True, 1e21, 0.1]}, [[[]]])

_CHANGED_LATER = ("duration", "modified", "modifiedBy", "integrity")
"""What the platform changes in the event of a series, some 10 seconds after points were added."""


def fill(connection: Connection) -> None:
    """Write some of everything to an account."""
    connection.streams.ensure({"id": "diary", "name": "Diary", "children": [{"id": "body", "name": "Body"}]})
    connection.streams.create({"id": "old", "name": "Old", "clientData": {"a": [1]}})
    note: dict[str, Any] = {"streamIds": ["diary"], "type": "note/txt", "content": "A note."}
    made = connection.events.create_many([{**note, "time": time} for time in TIMES])
    for content in CONTENTS:
        kind = "note/txt" if isinstance(content, str) else "custom/any"
        event = {"streamIds": ["diary", "body"], "type": kind, "content": content, "duration": None}
        try:
            connection.events.create(event)
        except ServerError:
            assert content == "\0"  # which a platform on PostgreSQL does not take
    files = [(name, name.encode() * number) for number, name in enumerate(NAMES)]
    connection.create_event_with_files({"streamIds": ["body"], "type": "picture/attached"}, files)
    series = connection.events.create({"streamIds": ["body"], "type": "series:mass/kg", "time": 1000})
    connection.add_points_to_hf_event(series["id"], ["deltaTime", "value"], [[n, n / 8] for n in range(1200)])
    connection.events.create({"streamIds": ["body"], "type": "series:mass/kg"})
    connection.events.create({"streamIds": ["old"], **{key: note[key] for key in ("type", "content")}})
    connection.events.delete(made[0]["id"])
    connection.events.delete(made[1]["id"], permanently=True)
    connection.streams.delete("old")
    connection.put("profile/private", {"mfa": {"recoveryCodes": ["11111111-2222-3333-4444-555555555555"]}})
    connection.put("profile/public", {"name": "Alice"})


def platform_events(connection: Connection) -> dict[str, Any]:
    """The events of an account by their id, as `comparable` has them."""
    return comparable(connection.iter_events({"state": "all"}))


def comparable(events: Iterable[Any]) -> dict[str, Any]:
    """Events by their id, each of which is there once, without what differs at each read."""
    found: dict[str, Any] = {}
    for event in events:
        event = json.loads(json.dumps(event))
        assert event["id"] not in found
        for attachment in event.get("attachments", ()):
            attachment["readToken"] = ""
        if event["id"].startswith((":_system:", ":system:")):
            event = {key: event[key] for key in ("id", "type", "content")}
            if event["type"] == "data-quantity/b":
                continue
        if event["type"].startswith("series:"):
            event = {key: event[key] for key in event if key not in _CHANGED_LATER}
        found[event["id"]] = event
    return found


def plain_read(folder: Path) -> Iterator[Any]:
    """The events in a folder as account-backup's own readers find them: all events of all files, in turn."""
    for file in sorted(folder.glob("events*.json")):
        yield from json.loads(file.read_text()).get("events", ())


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a backup, without its state."""
    found = (path for path in folder.rglob("*") if path.is_file() and ".state" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def digest(data: bytes) -> str:
    """The SHA-256 digest of data."""
    return hashlib.sha256(data).hexdigest()


def assert_equal(connection: Connection, folder: Path) -> None:
    """The folder has what the platform has, each event once in its files, and no file that it should not have."""
    assert comparable(plain_read(folder)) == platform_events(connection)
    assert comparable(read(folder).events()) == platform_events(connection)
    assert verify(folder).ok
