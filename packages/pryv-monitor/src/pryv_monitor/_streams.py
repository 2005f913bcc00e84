"""Trees of streams."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any

Stream = dict[str, Any]


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
