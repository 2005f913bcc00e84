"""The ends of series: the platform writes them to the events when no points have been added for a while.

The event is then modified as of the time of the last points, a time that was long over when the change becomes
visible. Nobody is notified.
"""

from __future__ import annotations

import json

from pryv_sandbox.model.integrity import item_integrity
from pryv_sandbox.state import events
from pryv_sandbox.state.platform import Platform

DELAY = 10.5
"""Seconds from the last points to the change of the event: the platform waits 10, and looks every 0.5."""
LONGEST = 300
"""Seconds from the first points to the change, if points are added without a pause."""


def note(platform: Platform, event: int, end: float, author: str) -> None:
    """Note that an author has added points to an event, the last one ``end`` seconds after its beginning."""
    now = platform.clock.now()
    platform.db.execute(
        "INSERT INTO series_ends VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (event) DO UPDATE SET author = excluded.author,"
        " modified = excluded.modified, end = max(end, excluded.end), due = min(excluded.due, deadline)",
        (event, author, now, end, now + DELAY, now + LONGEST),
    )


def write_due(platform: Platform) -> None:
    """Write to their events the ends that are due, if the event does not last longer already."""
    now = platform.clock.now()
    due = platform.db.execute("SELECT event, author, modified, end FROM series_ends WHERE due <= ?", (now,)).fetchall()
    for key, author, modified, end in due:
        platform.db.execute("DELETE FROM series_ends WHERE event = ?", (key,))
        row = platform.db.execute("SELECT user, doc FROM events WHERE key = ? AND deleted IS NULL", (key,)).fetchone()
        if row is None:
            continue
        event, duration = json.loads(row[1]), end * 1e9  # in nanoseconds, as on the real platform
        if event.get("duration") is None or event["duration"] < duration:
            del event["integrity"]
            event.update(duration=duration, modified=modified, modifiedBy=author)
            event["integrity"] = item_integrity("EVENT", event)
            events.update(platform, platform.users.read(row[0]), key, event, keep_history=False)
