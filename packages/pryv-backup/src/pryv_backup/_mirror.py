"""The copy of the account's events from which a backup is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import attrs

from pryv_monitor import Anchor, Mirror, MirrorTransaction
from pryv_monitor.mirrors import Item

Mask = Callable[[Any, str], Item]
"""Changes an item, given as its data and their text."""


@attrs.frozen
class MaskedMirror:
    """A mirror that gets each item only after a function has changed it, such as one that removes secrets.

    Attributes:
        mirror: The mirror that keeps the data. The backup has locked it.
        mask: Changes an item.
        owner: The anchor that says which account the backup is of, in case the mirror was removed.
    """

    mirror: Mirror
    mask: Mask
    owner: Anchor | None = None

    def lock(self) -> AbstractContextManager[None]:
        """Do nothing: the mirror is locked."""
        return nullcontext()

    def load(self) -> Anchor | None:
        """Return the mirror's anchor; if there is none, one from which the whole account is read again."""
        anchor = self.mirror.load()
        if anchor is None and self.owner is not None:
            return attrs.evolve(self.owner, generation=0, reached=None, streams=None)
        return anchor

    def begin(self, anchor: Anchor, now: float) -> MaskedTransaction:
        """Begin a transaction of the mirror."""
        return MaskedTransaction(self.mirror.begin(anchor, now), self.mask)


@attrs.frozen
class MaskedTransaction:
    """A transaction of a mirror, with items that were changed.

    Attributes:
        transaction: The mirror's transaction.
        mask: Changes an item.
    """

    transaction: MirrorTransaction
    mask: Mask

    def apply(self, kind: Any, items: Sequence[Item]) -> list[Any]:
        """Apply the changed items."""
        return self.transaction.apply(kind, [self.mask(data, text) for data, text in items])

    def needs_full_read(self) -> bool:
        """Return whether the whole scope must be read again."""
        return self.transaction.needs_full_read()

    def dropped(self) -> Iterator[list[Any]]:
        """Drop the events that were not seen, and yield their deletions."""
        return self.transaction.dropped()

    def commit(self, anchor: Anchor) -> Anchor:
        """Commit."""
        return self.transaction.commit(anchor)

    def rollback(self) -> None:
        """Undo what was applied since the last commit."""
        self.transaction.rollback()
