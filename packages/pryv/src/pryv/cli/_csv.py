"""Events as comma-separated values (RFC 4180, with lines as on this system): the columns of `pryv.frames`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from pryv._event_values import COLUMNS, as_float, as_texts, content_texts, is_number, string_items
from pryv._text import printable
from pryv.cli._output import encoded, on_terminal, write_records
from pryv.utils import to_datetime


def write_csv(events: Iterable[Mapping[str, Any]], file: BinaryIO | None = None) -> None:
    """Write events in UTF-8, one record each, after a line of column names; deletions are left out.

    Args:
        events: The events, which are written as they arrive.
        file: The binary file; by default standard output, where a full disk leaves complete records only.

    Raises:
        OSError: they cannot be written.
    """
    records = _records(events)
    if file is not None:
        file.writelines(map(encoded, records))
    else:
        write_records(map(_harmless, records) if on_terminal() else records)


def _records(events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield _record(COLUMNS)
    for event in events:
        if event.get("deleted") is None:
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
    (text,) = content_texts([content])
    return [
        _text(event.get("id")),
        _utc(event.get("time")),
        _number(event.get("duration")),
        _text(event.get("type")),
        _text(string_items(event.get("streamIds"))),
        None if is_number(content) and text is not None else _number(content),
        text,
        _utc(event.get("modified")),
        "true" if event.get("trashed") is True else "false",
    ]


def _number(value: Any) -> str | None:
    return json.dumps(value) if is_number(value) else None


def _text(value: Any) -> str | None:
    return as_texts([value])[0]


def _utc(seconds: Any) -> str | None:
    """Return a time in ISO 8601; an empty text if it is outside of the years 1 to 9999."""
    try:
        return to_datetime(as_float(seconds)).isoformat(timespec="microseconds")
    except (OverflowError, ValueError):
        return None
