"""The changes that a monitor without a mirror stores, so that it delivers each change once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import attrs

from pryv_monitor._json import Item, encode, is_account_field, stable_fields
from pryv_monitor.anchor import Anchor
from pryv_monitor.changes import Kind
from pryv_monitor.stores import AnchorStore


class DeduplicatingMirror:
    """A mirror that keeps no copy: its anchor remembers the changes that the next pass reads again.

    Args:
        store: Keeps the anchor.
        overlap: The seconds before the last pass at which the next one begins to read.
    """

    def __init__(self, store: AnchorStore, overlap: float) -> None:
        self._store = store
        self._overlap = overlap

    def lock(self) -> AbstractContextManager[None]:
        """Lock the store."""
        return self._store.lock()

    def load(self) -> Anchor | None:
        """Return the store's anchor."""
        return self._store.load()

    def begin(self, anchor: Anchor, now: float) -> DeduplicatingTransaction:
        """Begin with what the anchor remembers."""
        return DeduplicatingTransaction(self._store, self._overlap, anchor, now)


class DeduplicatingTransaction:
    """One reading of a monitor without a mirror."""

    def __init__(self, store: AnchorStore, overlap: float, anchor: Anchor, now: float) -> None:
        self._store = store
        self._overlap = overlap
        self._now = now
        self._read_again = self._read_again_after(anchor, now)
        self._restore(anchor)

    def apply(self, kind: Kind, items: Sequence[Item]) -> list[Any]:
        """Return the items not remembered, and remember them."""
        return [item[0] for item in items if self._is_new(kind, item)]

    def needs_full_read(self) -> bool:
        """Return `False`: the events of a stream are not known without a copy."""
        return False

    def dropped(self) -> Iterator[list[Any]]:
        """Yield nothing: the former events are not known without a copy."""
        yield from ()

    def commit(self, anchor: Anchor) -> Anchor:
        """Save the anchor with the changes that the next pass reads again."""
        read_again = self._read_again_after(anchor, anchor.since)
        remembered = {key: stamp for key, stamp in self._remembered.items() if stamp > read_again}
        anchor = attrs.evolve(anchor, streams=self._streams, remembered=remembered)
        self._store.save(anchor)
        self._restore(anchor)
        return anchor

    def rollback(self) -> None:
        """Forget what was applied since the last commit."""
        self._restore(self._saved)

    def _restore(self, anchor: Anchor) -> None:
        self._saved = anchor
        self._streams = anchor.streams
        self._remembered = dict(anchor.remembered)

    def _read_again_after(self, anchor: Anchor, now: float) -> float:
        """Return the time of change after which the next reading begins."""
        return (now if anchor.reached is None else anchor.began) - self._overlap

    def _is_new(self, kind: Kind, item: Item) -> bool:
        data, text = item
        if kind == "streams":
            before, self._streams = self._streams, _digest(text)
            return self._streams != before
        stamp = data.get("modified" if kind == "event" else "deleted")
        has_stamp = stamp is not None
        stamp = stamp if has_stamp else self._now
        if stamp <= self._read_again and not self._remembered:
            return True
        if is_account_field(data["id"]):
            key = self._key_without_stamp(data["id"], encode(stable_fields(data)))
        elif kind == "event" and not has_stamp:
            key = self._key_without_stamp(data["id"], text)
        else:
            key = _digest(text)
        is_new = key not in self._remembered
        if stamp > self._read_again:
            self._remembered[key] = stamp
        return is_new

    def _key_without_stamp(self, event_id: str, text: str) -> str:
        """Return the key of an event whose text has no time of change, and forget its other texts.

        It may change back to one of them.
        """
        prefix = f"{_digest(event_id)}:"
        key = prefix + _digest(text)
        if key not in self._remembered:
            for other in [other for other in self._remembered if other.startswith(prefix)]:
                del self._remembered[other]
        return key


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
