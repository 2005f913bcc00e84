"""The event that a restore creates for an event of a backup."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from typing import Any, Final

from pryv_backup._layout import is_series, stream_ids_of

_KEPT_ID: Final = re.compile(r"[a-z][a-z0-9]{23}|c[a-z0-9-]{24}")
"""The ids that `events.create` accepts."""
_FIELDS: Final = ("type", "time", "duration", "content", "description", "clientData")
_TIMES: Final = ("created", "createdBy", "modified", "modifiedBy")


def new_event(event: dict[str, Any], deleted: Collection[str], *, keep_times: bool) -> dict[str, Any]:
    """Return the event to create; it has no streams if all were fields of the account.

    Args:
        event: The event in the backup.
        deleted: The ids that events of the account had; the platform does not accept them again.
        keep_times: Whether its `clientData` get the times when it was created and changed.
    """
    left_out = ("content", "duration") if is_series(event) else ()
    fields: dict[str, Any] = {key: event[key] for key in _FIELDS if key in event and key not in left_out}
    if keep_times:
        times = {key: event[key] for key in _TIMES if key in event}
        fields["clientData"] = {**(fields.get("clientData") or {}), "restored": times}
    stream_ids = [key for key in stream_ids_of(event) if not is_of_the_platform(key)]
    return {"id": restored_id(event["id"], deleted), "streamIds": stream_ids, **fields}


def restored_id(event_id: str, deleted: Collection[str] = ()) -> str:
    """Return the id that an event gets: its own, if the platform accepts it, otherwise always the same other one.

    Args:
        event_id: Its id in the backup.
        deleted: The ids that events of the account had; the platform does not accept them again.
    """
    while not _KEPT_ID.fullmatch(event_id) or event_id in deleted:
        event_id = f"r{hashlib.sha256(event_id.encode('utf-8', 'surrogatepass')).hexdigest()[:23]}"
    return event_id


def problem(item: dict[str, Any]) -> str | None:
    """Return why an event or a stream cannot be sent: `json` reads more than JSON has in UTF-8."""
    try:
        json.dumps(item, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return "a lone surrogate has no UTF-8 form"
    except ValueError:
        return "a number is not finite"
    return None


def is_of_the_platform(stream_id: str) -> bool:
    """Return whether a stream is one that the platform makes, such as a field of the account."""
    return stream_id.startswith((":", "."))
