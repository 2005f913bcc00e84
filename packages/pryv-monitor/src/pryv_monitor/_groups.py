"""Items in groups of a size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")


def grouped(parts: Iterable[tuple[K, list[T]]], size: int) -> Iterator[tuple[K, list[T]]]:
    """Yield the items of parts in groups of `size`. A group is smaller at the end, and before items of another kind."""
    group: list[T] = []
    kind: K | None = None
    for next_kind, items in parts:
        if group and kind is not None and next_kind != kind:
            yield kind, group
            group = []
        kind = next_kind
        group += items
        while len(group) >= size:
            yield kind, group[:size]
            group = group[size:]
    if group and kind is not None:
        yield kind, group
