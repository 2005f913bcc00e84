"""The protocols of mirrors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pryv_monitor._json import Item
from pryv_monitor.anchor import Anchor
from pryv_monitor.changes import Kind


class Mirror(Protocol):
    """A copy of a scope that keeps its anchor too. `SQLiteMirror` is one.

    `pryv_monitor.testing.check_mirror` checks another. A monitor locks the mirror, loads the anchor once, and begins a
    transaction for each reading. It keeps the anchor that a commit returned, and loads it again only after a pass that
    failed.
    """

    def lock(self) -> AbstractContextManager[None]:
        """Keep other monitors off the mirror while in the context. It does not wait.

        A mirror may allow several workers; then the second commit raises `ContendedError`.

        Raises:
            AnchorLockedError: another monitor has locked it.
        """
        ...

    def load(self) -> Anchor | None:
        """Return the anchor committed last, `None` if there is none.

        Raises:
            AnchorError: it cannot be read, or is damaged.
        """
        ...

    def begin(self, anchor: Anchor, now: float) -> MirrorTransaction:
        """Begin a transaction; the one before it has ended.

        Args:
            anchor: Where the reading starts from. It is not committed by this.
            now: A time of the platform, in seconds, that was known before the reading began.

        Raises:
            AnchorError: the mirror cannot be read.
        """
        ...


class MirrorTransaction(Protocol):
    """The changes of one reading to a mirror. Readers of the mirror see them only after the commit.

    It may be committed several times, and used after a commit or a rollback. It may hold changes in memory until the
    commit: a monitor commits at least every 10,000 events while it reads the whole scope.
    """

    def apply(self, kind: Kind, items: Sequence[Item]) -> list[Any]:
        """Apply items of one kind, and return the data of those that make a difference.

        - `event`: a difference is an event that is new, or not equal to the one kept. If an id comes twice, the last
          one counts. An event that differs counts as seen in `anchor.generation`; in a full reading (`anchor.reached`
          is not `None`), every event does.
        - `eventDelete`: a difference is the deletion of an event that was kept. If
          `anchor.delivering` was set at the start, so is every deletion not returned before, because callbacks may have
          received the event.
        - `streams`: one item, the whole tree. It differs if it is not equal to the one kept, or if none was kept.

        Args:
            kind: What they are.
            items: At least one pair of data and its JSON text, exactly as the platform sent it.

        Raises:
            AnchorError: they cannot be written.
        """
        ...

    def needs_full_read(self) -> bool:
        """Return whether events may have come, moved or gone with streams, which the platform does not report.

        That is so if an event kept is in a stream that the streams applied no longer have, and if they have one that
        was not there before, but was made before `anchor.since`. A stream of the same id is another one if its
        `created` differs or, with `anchor.by_stream`, its parent. `pryv_monitor.mirrors.StreamChanges` compares them.
        The monitor then reads the whole scope again.
        """
        ...

    def dropped(self) -> Iterator[list[Any]]:
        """Drop the events not seen in `anchor.generation`, and yield deletions, `{"id": …}`, of them in batches.

        A monitor calls this at the end of a full reading that it does not repeat, before its commit.

        Raises:
            AnchorError: they cannot be dropped.
        """
        ...

    def commit(self, anchor: Anchor) -> Anchor:
        """Commit what was applied, together with the anchor.

        Where nothing made a difference since the last commit, a mirror may keep the anchor that it has: the next pass
        reads what this one has read again. It should keep one for an hour at most, and commit one after deletions: the
        platform reports those of the whole account, and would report more and more of them again.

        Returns:
            The anchor from which the next reading starts.

        Raises:
            ContendedError: another worker has committed since this transaction began. Nothing is committed.
            AnchorError: it cannot be written. Nothing is committed.
        """
        ...

    def rollback(self) -> None:
        """Undo what was applied since the last commit.

        If the anchor committed last has `delivering`, listeners may know the events that were returned since then. A
        mirror may keep the ids of those that are new, for `apply` and `dropped` to return their deletion, and commit
        the anchor without `delivering`. Otherwise the next transaction begins with it, and returns more deletions.
        """
