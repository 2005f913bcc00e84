"""The tree of streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def flat(tree: Any) -> Iterator[Any]:
    """Yield the streams of a tree, parents first."""
    left = list(reversed(tree))
    while left:
        stream = left.pop()
        yield stream
        left += reversed(stream.get("children") or [])


def is_tree(tree: Any) -> bool:
    """Return whether data are a list of streams, each with an id and with a list of streams below it, if any."""
    left = [tree]
    while left:
        streams = left.pop()
        if not isinstance(streams, list):
            return False
        for stream in streams:
            if not isinstance(stream, dict) or not isinstance(stream.get("id"), str):
                return False
            left.append(stream.get("children") or [])
    return True
