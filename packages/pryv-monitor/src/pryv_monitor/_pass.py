"""One pass: all that changed since the last one, delivered and then committed.

Why no change is lost: a pass reads what was changed after `Anchor.since`, less the overlap, by the times that the
platform gave the changes (`modified`). It sets `since`, for the next pass, to a time of the platform that was known
before the platform searched for changes:

- with two requests, the time in the response with the streams;
- with one request, the time in the last response of the pass before (`Anchor.latest`), because the platform takes the
  time in the response to a batch when it has carried out all calls.

A change that could not be read yet when the platform searched becomes visible after that moment, so its time is not
before `since`, less the overlap: the next pass reads it. What both passes read makes no difference the second time. If
the platform's clock is behind `latest`, everything is read again.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import Any

import attrs

from pryv_monitor._json import Item
from pryv_monitor._one_request import suits
from pryv_monitor._reader import Reader
from pryv_monitor._scope import END, START
from pryv_monitor._setup import Setup
from pryv_monitor.anchor import Anchor
from pryv_monitor.changes import Kind, SyncReport
from pryv_monitor.protocols import MirrorTransaction

WINDOW = 10_000
"""Events after which reading the whole scope is committed."""


Batch = tuple[Kind, list[Any]]
"""New items of one kind."""


class Pass(Iterator[Batch]):
    """The new changes of one pass, in batches.

    A batch counts as delivered when the next one is asked for, and the pass is committed when it ends. If it fails, or
    is closed before its end, only the windows of a full reading that were committed before remain of it.

    Args:
        setup: What to read, and the mirror, which is locked.
        reader: What to read with.
        anchor: The anchor committed last; `None` if there is none.
        generation: The least generation that the anchor has after the pass: a later one than now means a full reading.
        is_listened_to: Whether somebody is called for events.
    """

    def __init__(
        self,
        setup: Setup,
        reader: Reader,
        anchor: Anchor | None,
        generation: int,
        is_listened_to: Callable[[], bool],
    ) -> None:
        self._setup = setup
        self._reader = reader
        self._anchor = anchor
        self._generation = generation
        self._is_listened_to = is_listened_to
        self._counts: Counter[str] = Counter()
        self._begin = time.monotonic()
        self._batches = self._run()

    def __next__(self) -> Batch:
        return next(self._batches)

    def close(self) -> None:
        """End the pass; what it has not committed is not delivered."""
        self._batches.close()

    def report(self) -> SyncReport:
        """Return the report of the pass, after its end.

        Raises:
            RuntimeError: it has read nothing yet.
        """
        if self._anchor is None:
            raise RuntimeError("the pass has read nothing yet")
        return SyncReport(
            events=self._counts["event"],
            event_deletions=self._counts["eventDelete"],
            streams_changed=self._counts["streams"] > 0,
            duplicates=self._counts["duplicate"],
            anchor=self._anchor,
            seconds=time.monotonic() - self._begin,
        )

    def _run(self) -> Generator[Batch, None, None]:
        is_whole = False
        while not is_whole:
            reading = self._new_reading()
            yield from reading.batches()
            self._anchor = reading.anchor
            is_whole = reading.anchor.reached is None

    def _new_reading(self) -> _Reading:
        setup, anchor, begun = self._setup, self._anchor, time.time()
        source = setup.source
        streams: Item | None = None
        if anchor is not None:
            anchor = source.owner.checked(anchor, self._reader)
        if anchor is not None and anchor.generation >= self._generation and suits(anchor, begun):
            now = anchor.latest
        else:
            streams, now = source.streams(self._reader)
            if anchor is None:
                anchor = source.owner.new_anchor(now, self._reader)
            if anchor.generation < self._generation or (anchor.reached is not None and now < anchor.began):
                anchor = source.scope.start_over(anchor, now)
        transaction = setup.mirror.begin(anchor, now)
        return _Reading(
            setup, self._reader, transaction, anchor, begun, now, streams, self._is_listened_to, self._counts
        )


@attrs.define
class _Reading:
    """Reads what changed since an anchor, or the whole scope, into a transaction.

    Attributes:
        setup: What to read.
        reader: What to read with.
        transaction: Where to keep what was delivered.
        anchor: Where the reading starts from; later, what was committed last.
        begun: The local time, in seconds, when the reading began.
        now: A time of the platform, in seconds, that was known before the changes are read: the next pass starts from
            it. It is that of the response before.
        streams: The tree of streams; `None` if it is read together with the changes.
        is_listened_to: Whether somebody is called for events.
        counts: How many items of each kind were delivered, and how many were read again, as `duplicate`.
        changes: How many events and deletions were read.
    """

    setup: Setup
    reader: Reader
    transaction: MirrorTransaction
    anchor: Anchor
    begun: float
    now: float
    streams: Item | None
    is_listened_to: Callable[[], bool]
    counts: Counter[str]
    changes: int = 0

    def batches(self) -> Generator[Batch, None, None]:
        """Yield the new changes, and commit them."""
        try:
            yield from self._read()
        except BaseException:
            self.transaction.rollback()
            raise

    def _read(self) -> Generator[Batch, None, None]:
        latest = (yield from self._at_once()) if self.streams is None else None
        if latest is None:
            latest = yield from self._one_by_one()
        needs_full_read = self.transaction.needs_full_read()
        if self.anchor.reached is not None and not needs_full_read:
            for deletions in self.transaction.dropped():
                self.counts["eventDelete"] += len(deletions)
                yield "eventDelete", deletions
        anchor = attrs.evolve(
            self.anchor,
            since=self.now,
            latest=latest,
            reached=None,
            begun=self.begun,
            synced=time.time(),
            changes=self.changes,
            delivering=False,
        )
        self._commit(self.setup.source.scope.start_over(anchor, self.now) if needs_full_read else anchor)

    def _at_once(self) -> Generator[Batch, None, float | None]:
        """Yield what changed, read with one request; return the platform's time, `None` if something is missing."""
        request = self.setup.source.one_request(self.anchor.since - self.setup.overlap)
        for kind, items in request.parts(self.reader):
            yield from self._new(kind, items)
        self.changes = request.changes
        if request.is_refused:
            self.anchor = attrs.evolve(self.anchor, refused=self.begun)
        if request.server_time is None or request.server_time < self.anchor.latest:
            return None
        return request.server_time

    def _one_by_one(self) -> Generator[Batch, None, float]:
        """Yield what changed, or the whole scope, read with one request for each; return the platform's time."""
        if self.streams is None:
            self.streams, self.now = self.setup.source.streams(self.reader)
        start, self.changes = self.anchor.reached, 0
        if start is not None:  # from here on, the next pass reads all deletions of what this one delivers
            self._commit(attrs.evolve(self.anchor, delivering=self.anchor.delivering or self._marks_delivery()))
        yield from self._new("streams", [self.streams])
        if start is not None:
            yield from self._whole(start)
        yield from self._changed()
        return self.setup.source.server_time

    def _whole(self, start: float) -> Generator[Batch, None, None]:
        """Yield all events by their time, and commit window by window; what changes meanwhile is read afterwards."""
        if start == END:
            return
        latest, uncommitted = start, 0
        for events in self.setup.source.whole(self.reader, start):
            first, last = events[0][0]["time"], events[-1][0]["time"]
            if uncommitted >= WINDOW and first > latest:
                self._commit(attrs.evolve(self.anchor, reached=first))
                uncommitted = 0
            yield from self._new("event", [item for item in events if item[0]["time"] >= start])
            latest = max(latest, last)
            uncommitted += len(events)

    def _changed(self) -> Generator[Batch, None, None]:
        """Yield what was changed or deleted since the anchor, but for events that `_whole` has read as they are."""
        anchor = self.anchor
        is_full = anchor.reached is not None
        clock_fell = anchor.began < anchor.since if is_full else self.now < anchor.latest
        seen_until = anchor.began - self.setup.overlap if is_full else START
        since = START if clock_fell else anchor.since - self.setup.overlap
        for kind, items in self.setup.source.changed(self.reader, since):
            self.changes += len(items)
            unseen = items if kind == "eventDelete" else [item for item in items if _modified(item) > seen_until]
            self.counts["duplicate"] += len(items) - len(unseen)
            yield from self._new(kind, unseen)

    def _new(self, kind: Kind, items: list[Item]) -> Generator[Batch, None, None]:
        """Apply items of one kind, and yield those that make a difference."""
        if not items:
            return
        new = self.transaction.apply(kind, items)
        if new and not self.anchor.delivering and self._marks_delivery():
            self.transaction.rollback()  # nothing that made a difference
            self._commit(attrs.evolve(self.anchor, delivering=True))
            new = self.transaction.apply(kind, items)
        self.counts[kind] += len(new)
        if kind != "streams":
            self.counts["duplicate"] += len(items) - len(new)
        if new:
            yield kind, new

    def _marks_delivery(self) -> bool:
        """Return whether the anchor has to say that changes are delivered before they are committed."""
        return self.setup.keeps_copy and self.is_listened_to()

    def _commit(self, anchor: Anchor) -> None:
        self.setup.listeners.call("commit", anchor)
        self.anchor = self.transaction.commit(anchor)


def _modified(event: Item) -> float:
    """Return the time of change of an event; infinity if it has none, as events of mapped data stores may have."""
    modified: float | None = event[0].get("modified")
    return math.inf if modified is None else modified
