"""The points of series events."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from pryv_sandbox.methods import events
from pryv_sandbox.methods.calls import Context
from pryv_sandbox.model import event_types
from pryv_sandbox.model.errors import (
    ApiError,
    forbidden,
    invalid_operation,
    invalid_parameters,
    invalid_request_structure,
    unexpected,
    unhandled,
    unknown_resource,
)
from pryv_sandbox.state import series_ends
from pryv_sandbox.state.events import Event

Matrix = tuple[list[str], list[list[Any]]]
"""The names of the fields, and rows of their values."""

_NUMBER = re.compile(r"\d+(\.\d+)?")
_DELTA_TIME = "deltaTime"
_TIMESTAMP = "timestamp"


def add_points(context: Context, additions: list[tuple[str, Any]]) -> None:
    """Add points to series, all of them or none: pairs of an event id and points in ``flatJSON``.

    The events are modified later; see `series_ends`. Nobody is notified.

    Raises:
        ApiError: if an event does not exist, is not a series or may not be written to, or if the points do not fit it.
    """
    parsed = []
    for event_id, points in additions:
        key, event = _find_writable(context, event_id)
        parsed.append((key, _parse(points, event)))
    with context.platform.transaction():
        for key, matrix in parsed:
            _store(context, key, matrix)
            end = max((row[matrix[0].index(_DELTA_TIME)] for row in matrix[1]), default=None)
            if end is not None:
                series_ends.note(context.platform, key, end, context.access.token)  # as the real platform does


def add_batch(context: Context, body: Any) -> None:
    """Add points to several series, all of them or none.

    Raises:
        ApiError: as `add_points` raises it. The real platform fails on a request that it cannot read.
    """
    try:
        add_points(context, _batch_additions(body))
    except ApiError as error:
        raise unhandled(error.message) if error.id == "invalid-request-structure" else error from None


def _batch_additions(body: Any) -> list[tuple[str, Any]]:
    """The pairs for ``add_points`` in a batch.

    Raises:
        ApiError: if it is not one.
    """
    if not isinstance(body, dict) or body.get("format") != "seriesBatch":
        raise invalid_request_structure('Envelope "format" must be "seriesBatch"')
    elements = body.get("data")
    if not isinstance(elements, list):
        raise invalid_request_structure("Envelope must have a data list, containing individual batch elements")
    for element in elements:
        if not isinstance(element, dict) or not isinstance(element.get("eventId"), str):
            raise invalid_request_structure("Batch element must contain an eventId of the series event.")
    return [(element["eventId"], element.get("data")) for element in elements]


def read_points(context: Context, event_id: str, start: float | None, end: float | None) -> dict[str, Any]:
    """The points of a series from ``start`` on and before ``end``, by time, with the fields of the first of them.

    Fields with shorter names come first. Any other event has no points.

    Raises:
        ApiError: if the event does not exist, or may not be read.
    """
    if start is not None and end is not None and end < start:
        raise invalid_parameters(None, "'to' must be >= 'from'.")
    key, event = _find(context, event_id)
    if not any(context.access.can_read(stream_id) for stream_id in event["streamIds"]):
        raise forbidden()
    # A bound of 0 is none; others are cut to milliseconds.
    bounds = [math.trunc(bound * 1000) / 1000 for bound in (start or 0, end or context.platform.clock.now())]
    rows = context.platform.db.execute(
        "SELECT delta_time, doc FROM points WHERE event = ? AND delta_time >= ? AND delta_time < ? ORDER BY delta_time",
        (key, *bounds),
    )
    points = [(_plain(delta_time), json.loads(doc)) for delta_time, doc in rows]
    fields = sorted(points[0][1], key=lambda name: (len(name), name)) if points else []
    return {
        "format": "flatJSON",
        "fields": [_DELTA_TIME, *fields] if points else [],
        "points": [[delta_time, *(point.get(name) for name in fields)] for delta_time, point in points],
    }


def _plain(number: float) -> float:
    return int(number) if number.is_integer() else number


def _find(context: Context, event_id: str) -> tuple[int, Event]:
    key, event = events.find(context, event_id) or (None, {})
    if key is None:
        raise unknown_resource("event", event_id)
    if "deleted" in event:
        raise unexpected("the event has no streams")  # as the real platform fails
    return key, event


def _find_writable(context: Context, event_id: str) -> tuple[int, Event]:
    key, event = _find(context, event_id)
    if "trashed" in event:
        raise invalid_operation(f'The referenced event "{event_id}" is trashed.', {"trashedReference": "eventId"})
    if not event_types.is_series(event["type"]):
        raise invalid_operation(f'The event "{event_id}" is not a series.')
    if not any(context.access.can_create(stream_id) for stream_id in event["streamIds"]):
        raise forbidden()
    return key, event


# ---- points as they come


def _parse(points: Any, event: Event) -> Matrix:
    if not isinstance(points, dict):
        raise invalid_request_structure("flatJSON structure must be an object.")
    if points.get("format") != "flatJSON":
        raise invalid_request_structure('"format" field must contain the string "flatJSON".')
    fields, rows = points.get("fields"), points.get("points")
    if not isinstance(fields, list) or not all(isinstance(name, str) for name in fields):
        raise invalid_request_structure("Field names must be a list of strings.")
    if not isinstance(rows, list):
        raise invalid_request_structure('"points" field must be a list of data points.')
    origin = event["time"] if _TIMESTAMP in fields else 0
    fields = [_DELTA_TIME if name == _TIMESTAMP else name for name in fields]
    allowed, required = event["content"]["fields"], event["content"]["required"]
    if len(set(fields)) < len(fields) or not set(required) <= set(fields) <= set(allowed):
        raise invalid_request_structure('"fields" field must contain valid field names for the series type.')
    if not all(isinstance(row, list) and len(row) == len(fields) for row in rows):
        raise invalid_request_structure('"points" matrix must contain correct data types according to series type.')
    kinds = event_types.field_kinds(event["type"])
    return fields, [
        [_coerce(name, value, kinds, required, origin) for name, value in zip(fields, row, strict=True)] for row in rows
    ]


def _coerce(name: str, value: Any, kinds: dict[str, str], required: list[str], origin: float) -> Any:
    try:
        if name == _DELTA_TIME:
            return _delta_time(value, origin)
        return None if value is None and name not in required else _of_kind(value, kinds[name])
    except ValueError as error:
        message = f"Error during field coercion of [{name}] => [{value}]: Error: {error}"
        raise invalid_request_structure(message) from None


def _delta_time(value: Any, origin: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"Cannot coerce {value} into deltaTime.")
    delta_time = float(value) - origin
    if delta_time < 0:
        raise ValueError("Deltatime must be greater than 0")
    return (
        math.trunc(delta_time * 1000 * 1000 * 1000) / 1e6 / 1000
    )  # whole nanoseconds, calculated as by the real platform


def _of_kind(value: Any, kind: str) -> Any:
    match kind, value:
        case (("number" | "integer"), str()) if _NUMBER.fullmatch(value):
            return float(value)
        case (("number" | "integer"), str()):
            raise ValueError(f"Doesn't look like a valid number: '{value}'.")
        case (("number" | "integer"), int() | float()) if not isinstance(value, bool):
            return value
        case "boolean", bool():
            return value
        case "boolean", "true" | "false":
            return value == "true"
        case "string", _:
            return str(value)
        case "null", _:
            return None
    raise ValueError(f"Unknown outer type ({type(value).__name__}).")


def _store(context: Context, key: int, matrix: Matrix) -> None:
    fields, rows = matrix
    at = fields.index(_DELTA_TIME)
    names = fields[:at] + fields[at + 1 :]
    points = ((row[at], zip(names, row[:at] + row[at + 1 :], strict=True)) for row in rows)
    context.platform.db.executemany(
        "INSERT OR REPLACE INTO points VALUES (?, ?, ?)",
        (
            (key, time, json.dumps({name: value for name, value in point if value is not None}))
            for time, point in points
        ),
    )
