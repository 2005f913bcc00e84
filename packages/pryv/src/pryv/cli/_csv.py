"""Events as comma-separated values (RFC 4180, with lines as on this system): the columns of `pryv.frames`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pryv._text import printable
from pryv.cli._output import on_terminal, write_records
from pryv.utils import to_datetime

COLUMNS = ("id", "time", "duration", "type", "stream_ids", "content", "content_text", "modified", "trashed")


def write_csv(events: Iterable[Mapping[str, Any]]) -> None:
    """Write events to standard output as they arrive, in UTF-8, after a line of column names.

    Args:
        events: The events.

    Raises:
        OSError: they cannot be written.
    """
    records = _records(events)
    write_records(map(_harmless, records) if on_terminal() else records)


def _records(events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield _record(COLUMNS)
    for event in events:
        yield _record(_row(event))


def _record(values: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(values)  # with another one, a lone \r would not be quoted
    return text.getvalue().removesuffix("\r\n") + "\n"


def _harmless(record: str) -> str:
    """Return a record with the characters escaped that control a terminal."""
    return "\n".join(map(printable, record.split("\n")))


def _row(event: Mapping[str, Any]) -> list[object]:
    content = event.get("content")
    return [
        _text(event.get("id")),
        _utc(event.get("time")),
        _number(event.get("duration")),
        _text(event.get("type")),
        _text(event.get("streamIds")),
        _number(content),
        None if _is_number(content) else _text(content),
        _utc(event.get("modified")),
        "true" if event.get("trashed") is True else "false",
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: Any) -> str | None:
    return json.dumps(value) if _is_number(value) else None


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _utc(seconds: Any) -> str | None:
    """Return a time in ISO 8601; an empty text if it is outside of the years 1 to 9999."""
    if not _is_number(seconds):
        return None
    try:
        return to_datetime(seconds).isoformat(timespec="microseconds")
    except (OverflowError, ValueError):
        return None
