"""Trees of streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def family(tree: Iterable[Stream], stream_id: str, *, trashed: bool) -> frozenset[str]:
    """Return the ids of a stream and of all below it; those in the trash, and all below, only if asked for.

    An id that ends with `!` stands for the stream alone.
    """
    alone = stream_id.removesuffix("!")
    if alone != stream_id:
        return frozenset((alone,))
    return frozenset(found["id"] for found in _walk(tree, trashed=trashed, inside=stream_id))


def everyone(tree: Iterable[Stream], *, trashed: bool) -> frozenset[str]:
    """Return the ids of all streams."""
    return frozenset(found["id"] for found in _walk(tree, trashed=trashed, inside=None))


def _walk(tree: Iterable[Stream], *, trashed: bool, inside: str | None) -> Iterator[Stream]:
    for stream in tree:
        if stream.get("trashed") and not trashed:
            continue
        reached = None if stream["id"] == inside else inside
        if reached is None:
            yield stream
        yield from _walk(stream.get("children", ()), trashed=trashed, inside=reached)
