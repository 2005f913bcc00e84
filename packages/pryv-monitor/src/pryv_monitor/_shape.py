"""Checks that events, deletions and streams have the fields that a monitor needs."""

from __future__ import annotations

import sys
from typing import Any

from pryv import PryvProtocolError
from pryv_monitor._json import Item


def checked_batch(items: list[Item]) -> list[Item]:
    """Return events and deletions, all of which have the fields that a monitor needs.

    Events of mapped data stores may come without `modified`.

    Raises:
        PryvProtocolError: one has not; the message names it and the field.
    """
    for item, _ in items:
        wrong = _wrong_in_event(item)
        if wrong is not None:
            raise PryvProtocolError(f"GET events: {_named(item)} {wrong}")
    return items


def checked_tree(tree: Any) -> list[dict[str, Any]]:
    """Return a tree of streams, each of which has an id, and a list of children or no children.

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
            if "children" in stream:
                levels.append(stream["children"])
    return tree  # type: ignore[no-any-return]


def _wrong_in_event(item: dict[str, Any]) -> str | None:
    if not isinstance(item.get("id"), str):
        return "has no id"
    if "deleted" in item:
        return None if _is_number(item["deleted"]) else "has no time of deletion ('deleted')"
    if not _is_number(item.get("time")):
        return "has no time"
    return None if "modified" not in item or _is_number(item["modified"]) else "has no number in 'modified'"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _named(item: dict[str, Any]) -> str:
    item_id = item.get("id")
    return f"event {item_id!r}" if isinstance(item_id, str) else "an event"
