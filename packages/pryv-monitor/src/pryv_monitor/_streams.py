"""Trees of streams."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any

import attrs

Stream = dict[str, Any]
_Key = tuple[str, float | None]
"""The id of a stream, and the time when it was created, if it has one."""


@attrs.define
class StreamChanges:
    """The streams that came and went while a reading applied trees of streams.

    The platform reports no change of the events that come and go with a stream. A stream that was deleted and made
    again is another one: the time when it was created differs.

    Attributes:
        since: The platform's time, in seconds, that was known before the last complete pass read the streams.
        reveals_events: Whether a stream came that is older than that, such as one that was moved to a place that the
            access may read: its events may be older, too.
        gone: The ids of the streams that are gone.
    """

    since: float
    reveals_events: bool = attrs.field(default=False, init=False)
    gone: set[str] = attrs.field(factory=set, init=False)
    _gone: set[_Key] = attrs.field(factory=set, init=False)

    def add(self, before: Iterable[Stream], after: Iterable[Stream]) -> None:
        """Add the difference between two trees.

        Args:
            before: The streams of the tree that was applied last; none, if this is the first tree of all.
            after: The streams of the next tree.
        """
        old, new = _keys(before), _keys(after)
        self._gone = (self._gone | old) - new
        self.gone = {stream_id for stream_id, _ in self._gone}
        self.reveals_events |= bool(old) and any(self._is_older(*key) for key in new - old)

    def _is_older(self, stream_id: str, created: float | None) -> bool:
        return created is not None and created < self.since and not stream_id.startswith(":")


def _keys(streams: Iterable[Stream]) -> set[_Key]:
    times = ((stream["id"], stream.get("created")) for stream in streams)
    return {(stream_id, time if isinstance(time, (int, float)) else None) for stream_id, time in times}


def flattened(tree: Iterable[Stream]) -> Iterator[Stream]:
    """Yield the streams of a tree, parents first, each with an empty list of children."""
    for stream in _walk(tree):
        yield {**stream, "children": []}


def nested(streams: Iterable[Stream]) -> list[Stream]:
    """Return the tree of streams that are given parents first."""
    by_id: dict[str, Stream] = {}
    roots: list[Stream] = []
    for stream in streams:
        parent_id = stream.get("parentId")
        parent = by_id.get(parent_id) if isinstance(parent_id, str) else None
        by_id[stream["id"]] = whole = {**stream, "children": []}
        (roots if parent is None else parent["children"]).append(whole)
    return roots


def family(
    tree: Sequence[Stream], stream_ids: Iterable[str], *, trashed: bool, without: Container[str]
) -> frozenset[str]:
    """Return the ids of streams and of their descendants.

    Branches in `without` are left out, and those in the trash unless `trashed` is set. An id that ends with `!`, or is
    not in the tree, stands for that stream alone; `*` stands for all.
    """
    by_id = {stream["id"]: stream for stream in _walk(tree)}
    members: set[str] = set()

    def takes(stream: Stream) -> bool:
        return stream["id"] not in without and (trashed or not stream.get("trashed"))

    for stream_id in stream_ids:
        if stream_id == "*":
            members.update(stream["id"] for stream in _walk(tree, takes))
        elif stream_id in by_id:
            members.update(stream["id"] for stream in _walk([by_id[stream_id]], takes))
        else:
            members.add(stream_id.removesuffix("!"))
    return frozenset(members)


def _walk(tree: Iterable[Stream], takes: Callable[[Stream], bool] = lambda _: True) -> Iterator[Stream]:
    """Yield streams, parents first, without branches that are not taken. A tree may be deeper than Python's stack."""
    branches = [iter(tree)]
    while branches:
        stream = next(branches[-1], None)
        if stream is None:
            branches.pop()
        elif takes(stream):
            yield stream
            branches.append(iter(stream.get("children", ())))
