"""Trees of streams."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any

import attrs

from pryv_monitor.anchor import Anchor

Stream = dict[str, Any]
_Key = tuple[str, float | None, str | None]
"""What is compared of a stream: its id, when it was created, and where it is. Streams that the platform makes have no
time that counts: it may be new at each read, or that of an update of the platform."""


@attrs.define
class StreamChanges:
    """The streams that came and went while a reading applied trees of streams.

    The platform reports no change of the events that come and go with a stream. A stream that was deleted and made
    again is another one: the time when it was created differs. In a scope of some streams, so is one that was moved.

    Attributes:
        anchor: Where the reading starts from.
        reveals_events: Whether a stream came that was made before the last complete pass, such as one that was moved to
            where the access may read it: its events may be older, too.
        gone: The ids of the streams that are gone.
    """

    anchor: Anchor
    reveals_events: bool = attrs.field(default=False, init=False)
    gone: set[str] = attrs.field(factory=set, init=False)
    _gone: set[_Key] = attrs.field(factory=set, init=False)

    def add(self, before: Iterable[Stream], after: Iterable[Stream]) -> None:
        """Add the difference between two trees.

        Args:
            before: The streams of the tree that was applied last; none, if this is the first tree of all.
            after: The streams of the next tree.
        """
        old, new = set(map(self._key, before)), set(map(self._key, after))
        self._gone = (self._gone | old) - new
        self.gone = {stream_id for stream_id, *_ in self._gone}
        self.reveals_events |= bool(old) and any(map(self._is_older, new - old))

    def _key(self, stream: Stream) -> _Key:
        stream_id, created = stream["id"], stream.get("created")
        has_time = isinstance(created, (int, float)) and not stream_id.startswith(":")
        return stream_id, created if has_time else None, stream.get("parentId") if self.anchor.by_stream else None

    def _is_older(self, key: _Key) -> bool:
        _, created, _ = key
        return created is not None and created < self.anchor.since


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
