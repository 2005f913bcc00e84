"""Where a pass writes down what it has delivered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import attrs

from pryv_monitor._json import Item, encode, essence, is_account_field
from pryv_monitor.anchor import Anchor
from pryv_monitor.changes import Kind
from pryv_monitor.stores import AnchorStore


class Ledger(AnchorStore, Protocol):
    """An anchor store that tells new changes from those delivered before.

    What `apply` is given between two calls of `save` counts as delivered from the second on; `rollback` undoes it.
    """

    def begin(self, anchor: Anchor, now: float) -> None:
        """Begin a pass that starts from `anchor` at the platform's time `now`."""

    def apply(self, kind: Kind, items: Sequence[Item]) -> list[Any]:
        """Take in items of one kind and return those that are new, without their texts."""
        ...

    def in_doubt(self) -> bool:
        """Tell whether events may have changed in a way that only reading the whole scope shows."""
        ...

    def left(self) -> Iterator[list[Any]]:
        """Drop the events not taken in since the whole scope began to be read; yield deletions that tell of them."""
        ...

    def rollback(self) -> None:
        """Forget what was taken in since the last `save`."""


class Remembering:
    """A ledger over a plain anchor store: what the next pass will read again is remembered in the anchor."""

    def __init__(self, store: AnchorStore, overlap: float) -> None:
        self._store = store
        self._overlap = overlap

    def lock(self) -> AbstractContextManager[None]:
        """Lock the store."""
        return self._store.lock()

    def load(self) -> Anchor | None:
        """Return the store's anchor."""
        return self._store.load()

    def reset(self) -> None:
        """Reset the store."""
        self._store.reset()

    def begin(self, anchor: Anchor, now: float) -> None:
        """Begin with what the anchor remembers."""
        self._now = now
        self._streams = anchor.streams
        self._remembered = dict(anchor.remembered)
        self._read_again = (now if anchor.reached is None else anchor.began) - self._overlap

    def apply(self, kind: Kind, items: Sequence[Item]) -> list[Any]:
        """Return the items not remembered, and remember them."""
        return [item[0] for item in items if self._is_new(kind, item)]

    def _is_new(self, kind: Kind, item: Item) -> bool:
        data, text = item
        if kind == "streams":
            before, self._streams = self._streams, _digest(text)
            return self._streams != before
        stamp = data.get("modified", self._now) if kind == "event" else data["deleted"]
        if stamp <= self._read_again and not self._remembered:
            return True
        if is_account_field(data["id"]):
            key = self._key_without_stamp(data["id"], encode(essence(data)))
        elif kind == "event" and "modified" not in data:
            key = self._key_without_stamp(data["id"], text)
        else:
            key = _digest(text)
        is_new = key not in self._remembered
        if stamp > self._read_again:
            self._remembered[key] = stamp
        return is_new

    def _key_without_stamp(self, event_id: str, text: str) -> str:
        """Return the key of an event whose text tells no time of change, and forget its other texts.

        It may change back to one of them.
        """
        prefix = f"{_digest(event_id)}:"
        key = prefix + _digest(text)
        if key not in self._remembered:
            for other in [other for other in self._remembered if other.startswith(prefix)]:
                del self._remembered[other]
        return key

    def in_doubt(self) -> bool:
        """Tell that there is no doubt: what no time of change shows cannot be known here."""
        return False

    def left(self) -> Iterator[list[Any]]:
        """Yield nothing: which events there were is not known here."""
        yield from ()

    def save(self, anchor: Anchor) -> None:
        """Save the anchor with what the pass after it will read again."""
        read_again = (anchor.since if anchor.reached is None else anchor.began) - self._overlap
        remembered = {digest: stamp for digest, stamp in self._remembered.items() if stamp > read_again}
        self._store.save(attrs.evolve(anchor, streams=self._streams, remembered=remembered))

    def rollback(self) -> None:
        """Do nothing: the next pass begins with what was saved."""


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
