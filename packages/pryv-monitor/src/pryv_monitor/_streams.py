"""Trees of streams."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

Stream = dict[str, Any]


def flattened(tree: Iterable[Stream]) -> Iterator[Stream]:
    """Yield the streams of a tree, parents first, without their children but with a key that tells there is a list."""
    for stream in tree:
        yield {**stream, "children": []}
        yield from flattened(stream.get("children", ()))


def nested(streams: Iterable[Stream]) -> list[Stream]:
    """Return the tree of streams that come parents first."""
    by_id: dict[str, Stream] = {}
    roots: list[Stream] = []
    for stream in streams:
        by_id[stream["id"]] = stream
        parent = by_id.get(stream.get("parentId") or "")
        (roots if parent is None else parent["children"]).append(stream)
    return roots


def family(
    tree: Sequence[Stream], stream_ids: Iterable[str], *, trashed: bool, without: Container[str]
) -> frozenset[str]:
    """Return the ids of streams and of all below them; of these, not the branches to leave out.

    Branches in the trash are left out too, if not asked for. An id that ends with `!`, and one that is not in the tree,
    stands for the stream alone; `*` is above all.
    """
    members: set[str] = set()
    for stream_id in stream_ids:
        found = tree if stream_id == "*" else [stream for stream in _walk(tree) if stream["id"] == stream_id]
        members.update(_below(found, trashed, without) if found else [stream_id.removesuffix("!")])
    return frozenset(members)


def _walk(tree: Iterable[Stream]) -> Iterator[Stream]:
    for stream in tree:
        yield stream
        yield from _walk(stream.get("children", ()))


def _below(streams: Iterable[Stream], trashed: bool, without: Container[str]) -> Iterator[str]:
    for stream in streams:
        if stream["id"] not in without and (trashed or not stream.get("trashed")):
            yield stream["id"]
            yield from _below(stream.get("children", ()), trashed, without)
