"""Create the missing streams of a tree, while other processes may do the same."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from pryv._arguments import require
from pryv._transport.account import Account
from pryv._transport.results import member, with_members
from pryv._transport.retry import RetryPolicy
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import path_segment
from pryv.errors import ERRORS, ApiError, ServerError, api_error
from pryv.types import Stream

Node = Mapping[str, Any]
Tree = Node | Iterable[Node]

_UNCHANGED_ID: Final = re.compile(r":.+|[\w.~]+(-[\w.~]+)*", re.ASCII)
"""Ids that the platform accepts unchanged; it replaces other characters (`slugify` in open-pryv.io)."""

_WAITS: Final = RetryPolicy(attempts=8, backoff=0.1, max_backoff=1)
"""The number and length of the waits for streams that other processes create, while no new stream appears."""


def ensure(account: Account, tree: Tree, timeout: CallTimeout) -> list[Stream]:
    """Create the missing streams of a tree, and return the created ones; see `Streams.ensure`.

    If several processes create a stream, the platform refuses all but one: the id or the name is taken, the key is a
    duplicate in its database, or the parent is not visible yet. After each of these errors, the streams are read again.
    """
    wanted = missing = _flattened(tree)
    made: list[Stream] = []
    attempt = 0
    while missing:
        existing = _existing(account, timeout)
        count = len(missing)
        missing = [stream for stream in missing if stream["id"] not in existing]
        attempt = attempt + 1 if len(missing) == count else 1
        _refuse_taken_names(missing, existing)
        try:
            for stream in missing:
                created = _create(account, stream, timeout)
                made.append(created)
        except ApiError as error:
            if attempt == _WAITS.attempts or not _may_be_race(error, wanted, existing):
                raise
            time.sleep(_WAITS.wait(attempt))
        else:
            break
    return made


def _flattened(tree: Tree) -> list[dict[str, Any]]:
    """Return the streams of a tree as parameters of `streams.create`, parents first.

    Raises:
        TypeError: a value in it has the wrong type.
        ValueError: a stream has an id that the platform would change, the id of another stream, or another parent.
    """
    streams: dict[str, dict[str, Any]] = {}
    names: set[tuple[object, str]] = set()
    for stream in _flat([tree] if isinstance(tree, Mapping) else tree, None):
        stream_id = stream["id"]
        path_segment(stream_id)  # refuses what no path can hold
        if not _UNCHANGED_ID.fullmatch(stream_id):
            raise ValueError(f"the platform would change the characters of the stream id {stream_id!r}")
        if stream_id in streams:
            raise ValueError(f"the stream id {stream_id!r} is in the tree twice")
        place = stream.get("parentId"), stream["name"]
        if place in names:
            raise ValueError(f"the stream {stream_id!r} has the name of a sibling")
        streams[stream_id] = stream
        names.add(place)
    return list(streams.values())


def _flat(nodes: Iterable[Node], parent_id: str | None) -> Iterator[dict[str, Any]]:
    if isinstance(nodes, (str, bytes)) or not isinstance(nodes, Iterable):
        raise TypeError(f"streams are a list of dicts, not {type(nodes).__name__}")
    for node in nodes:
        if not isinstance(node, Mapping):
            raise TypeError(f"a stream is a dict, not {type(node).__name__}")
        require(id=node.get("id"), name=node.get("name"))
        if parent_id is not None and node.get("parentId", parent_id) != parent_id:
            raise ValueError(f"the stream {node['id']!r} is below {parent_id!r}, and has another parentId")
        stream = {key: value for key, value in node.items() if key != "children"}
        yield stream if parent_id is None else {**stream, "parentId": parent_id}
        yield from _flat(node.get("children") or (), node["id"])


def _existing(account: Account, timeout: CallTimeout) -> dict[str, Node]:
    """Return all streams by their ids, those in the trash included."""
    label, query = "streams.get", [("state", "all")]
    result = with_members(
        account.call("GET", "streams", label=label, query=query, idempotent=True, timeout=timeout), label, streams=list
    )
    return {stream["id"]: stream for stream in _streams(result["streams"])}


def _streams(found: object) -> Iterator[Node]:
    """Yield all streams of a tree from the platform."""
    remaining = [found]
    while remaining:
        siblings = remaining.pop()
        for stream in siblings if isinstance(siblings, list) else ():
            if isinstance(stream, dict) and isinstance(stream.get("id"), str):
                yield stream
                remaining.append(stream.get("children"))


def _refuse_taken_names(missing: Iterable[Node], existing: Mapping[str, Node]) -> None:
    """Refuse streams that have the name of a sibling, before any stream is created.

    Raises:
        ItemAlreadyExistsError: as the platform would raise it.
    """
    for stream in missing:
        parent_id, name = stream.get("parentId"), stream["name"]
        if any(other.get("parentId") == parent_id and other.get("name") == name for other in existing.values()):
            message = f'A stream with name "{name}" already exists'
            error = {"id": ERRORS.ITEM_ALREADY_EXISTS, "message": message, "data": {"name": name}}
            raise api_error(error, method="streams.create")


def _create(account: Account, stream: Node, timeout: CallTimeout) -> Stream:
    method = "streams.create"
    return cast(
        "Stream",
        member(account.call("POST", "streams", label=method, data=stream, timeout=timeout), "stream", dict, method),
    )


def _may_be_race(error: ApiError, wanted: Iterable[Node], existing: Mapping[str, Node]) -> bool:
    """Return whether the cause of an error may be another process that creates the same streams."""
    if error.id == ERRORS.UNKNOWN_REFERENCED_RESOURCE:
        known = {None, *existing, *(stream["id"] for stream in wanted)}
        return all(stream.get("parentId") in known for stream in wanted)
    return error.id == ERRORS.ITEM_ALREADY_EXISTS or isinstance(error, ServerError)
