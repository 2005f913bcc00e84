"""Checks that events, deletions and streams have the fields that a monitor needs."""

from __future__ import annotations

import sys
from typing import Any, Final

from pryv import PryvProtocolError
from pryv_monitor._json import Item
from pryv_monitor.changes import Kind

KINDS: Final[dict[str, Kind]] = {"events": "event", "eventDeletions": "eventDelete"}
"""What the members of a response to `events.get` hold."""

_NUMBERS: Final = frozenset((int, float))
_MOST: Final = sys.float_info.max


def checked(kind: Kind, items: list[Item]) -> list[Item]:
    """Return events or deletions, all of which have the fields that a monitor needs.

    Raises:
        PryvProtocolError: one has not; the message names it and the field.
    """
    return checked_events(items) if kind == "event" else checked_deletions(items)


def checked_events(items: list[Item]) -> list[Item]:
    """Return events, all of which have the fields that a monitor needs.

    Events of mapped data stores may come without `modified`.

    Raises:
        PryvProtocolError: one has not; the message names it and the field.
    """
    for event, _ in items:
        time, modified = event.get("time"), event.get("modified")
        if (
            type(time) not in _NUMBERS
            or type(modified) not in _NUMBERS
            or not (-_MOST <= time <= _MOST and -_MOST <= modified <= _MOST)
        ):
            _check_times(event)
        if type(event.get("id")) is not str:
            _check_id(event)
    return items


def checked_deletions(items: list[Item]) -> list[Item]:
    """Return deletions, all of which have the fields that a monitor needs.

    Raises:
        PryvProtocolError: one has not; the message names it and the field.
    """
    for deletion, _ in items:
        _check_id(deletion)
        _check_number_if_any(deletion, "deleted")
    return items


def checked_tree(tree: Any) -> list[dict[str, Any]]:
    """Return a tree of streams, each of which has an id, and may have children and a `parentId`.

    Raises:
        PryvProtocolError: it is not such a tree.
    """
    levels = [tree]
    while levels:
        streams = levels.pop()
        if not isinstance(streams, list):
            raise PryvProtocolError("GET streams: the streams are not a list")
        for stream in streams:
            if not isinstance(stream, dict) or not isinstance(stream.get("id"), str):
                raise PryvProtocolError("GET streams: a stream has no id")
            if not isinstance(stream.get("parentId"), (str, type(None))):
                raise PryvProtocolError(f"GET streams: stream {stream['id']!r} has no text in 'parentId'")
            if "children" in stream:
                levels.append(stream["children"])
    return tree  # type: ignore[no-any-return]


def _check_times(event: dict[str, Any]) -> None:
    _check_id(event)
    if not is_number(event.get("time")):
        raise PryvProtocolError(f"GET events: event {event['id']!r} has no time")
    _check_number_if_any(event, "modified")


def _check_id(item: dict[str, Any]) -> None:
    if not isinstance(item.get("id"), str):
        raise PryvProtocolError("GET events: an event has no id")


def _check_number_if_any(item: dict[str, Any], field: str) -> None:
    if item.get(field) is not None and not is_number(item[field]):
        raise PryvProtocolError(f"GET events: event {item['id']!r} has no number in {field!r}")


def is_number(value: object) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _MOST
