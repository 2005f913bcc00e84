"""Compare the permissions of an access with those that an app needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pryv.connection import Connection

_INCLUDED = {
    "none": {"none"},
    "read": {"none", "read"},
    "create-only": {"none", "create-only"},
    "contribute": {"none", "read", "create-only", "contribute"},
    "manage": {"none", "read", "create-only", "contribute", "manage"},
}
"""The levels that each level includes."""
_ALL_STREAMS = "*"


def covers(connection: Connection, permissions: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether a connection's access has all of some permissions.

    A level on a stream applies to the streams below it, except those with another level. The streams are read only if
    they are needed.

    Raises:
        PryvError: the access or the streams cannot be read.
    """
    access = connection.access_info()
    if access.get("type") == "personal":
        return True
    granted = [item for item in access.get("permissions") or () if isinstance(item, dict)]
    features = {(item.get("feature"), item.get("setting")) for item in granted if "feature" in item}
    levels = {str(item["streamId"]): str(item.get("level")) for item in granted if "streamId" in item}
    below: list[Mapping[str, Any]] = []
    for asked in permissions:
        if "feature" in asked:
            if (asked["feature"], asked.get("setting")) not in features:
                return False
        elif asked.get("streamId") not in levels:
            below.append(asked)
        elif not _includes(levels[asked["streamId"]], asked):
            return False
    parents = _parents(connection.api_one("streams.get", {}, "streams")) if below and levels else {}
    return all(_includes(_level_above(asked.get("streamId"), levels, parents), asked) for asked in below)


def _includes(level: str, asked: Mapping[str, Any]) -> bool:
    return asked.get("level") in _INCLUDED.get(level, {level})


def _level_above(stream_id: Any, levels: Mapping[str, str], parents: Mapping[str, str]) -> str:
    """Return the level that a stream inherits from the streams above it."""
    above = parents.get(stream_id)
    while above is not None and above not in levels:
        above = parents.get(above)
    if above is not None:
        return levels[above]
    is_of_account = isinstance(stream_id, str) and not stream_id.startswith(":")
    return levels.get(_ALL_STREAMS, "none") if is_of_account else "none"


def _parents(streams: Any) -> dict[str, str]:
    """Return the id of each stream's parent in a tree of streams."""
    parents: dict[str, str] = {}
    left: list[tuple[str | None, Any]] = [(None, streams)]
    while left:
        parent, children = left.pop()
        for stream in children if isinstance(children, list) else ():
            if isinstance(stream, dict) and isinstance(stream.get("id"), str):
                left.append((stream["id"], stream.get("children")))
                if parent is not None:
                    parents[stream["id"]] = parent
    return parents
