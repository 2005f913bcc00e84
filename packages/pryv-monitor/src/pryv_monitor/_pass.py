"""One pass: all that changed since the last one, delivered and then committed."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from typing import Any

import attrs

from pryv_monitor._json import Item
from pryv_monitor._ledger import Ledger
from pryv_monitor._reader import Reader
from pryv_monitor._source import Source
from pryv_monitor.anchor import Anchor
from pryv_monitor.changes import Kind, SyncReport
from pryv_monitor.errors import AnchorError, AnchorMismatchError
from pryv_monitor.scope import END, START

WINDOW = 10_000
"""Events after which reading the whole scope is committed."""


Batch = tuple[Kind, list[Any]]
"""New items of one kind."""


class Pass(Iterator[Batch]):
    """The new changes of one pass, in batches.

    A batch counts as delivered when the one after it is asked for, and the pass is committed when it ends. Closed
    before, or failed, it leaves nothing behind but the windows of a first reading that were committed before.

    Args:
        source: What to read.
        ledger: Where to write down what was delivered.
        reader: What to read with.
        overlap: How many seconds late a change may become visible.
        round: How often the whole scope is to have been read, at least.

    Attributes:
        report: What the pass did, once it has ended.
    """

    report: SyncReport

    def __init__(self, source: Source, ledger: Ledger, reader: Reader, overlap: float, *, round: int = 1) -> None:
        self._source = source
        self._ledger = ledger
        self._reader = reader
        self._overlap = overlap
        self._counts: dict[Kind, int] = {"event": 0, "eventDelete": 0, "streams": 0}
        self._duplicates = 0
        self._round = round
        self._batches = self._run()

    def __next__(self) -> Batch:
        return next(self._batches)

    def close(self) -> None:
        """End the pass; what it has not committed is not delivered."""
        self._batches.close()

    def _run(self) -> Generator[Batch, None, None]:
        begin = time.monotonic()
        try:
            yield from self._once()
            while (anchor := self._saved()).reached is not None:
                yield from self._once()
        finally:
            self._ledger.rollback()
        self.report = SyncReport(
            events=self._counts["event"],
            event_deletions=self._counts["eventDelete"],
            streams_changed=self._counts["streams"] > 0,
            duplicates=self._duplicates,
            anchor=anchor,
            seconds=time.monotonic() - begin,
        )

    def _once(self) -> Generator[Batch, None, None]:
        anchor = self._ledger.load()
        if anchor is not None and anchor.fingerprint != self._source.fingerprint:
            raise AnchorMismatchError("the anchor belongs to another account or scope; reset it to start over")
        streams, now = self._source.streams(self._reader)
        if anchor is None or anchor.round < self._round or (anchor.reached is not None and now < anchor.began):
            anchor = self._start_over(now, anchor)
        self._ledger.begin(anchor, now)
        if anchor.reached is not None:  # from here on, the next pass reads all deletions of what this one delivers
            anchor = attrs.evolve(anchor, delivering=True)
            self._ledger.save(anchor)
        yield from self._new("streams", [streams])
        if anchor.reached is not None:
            anchor = yield from self._whole(anchor, anchor.reached)
        yield from self._changed(anchor, now)
        finishing = anchor.reached is not None
        anchor = attrs.evolve(anchor, since=now, reached=None, synced=time.time(), delivering=False)
        if self._ledger.in_doubt():
            anchor = self._start_over(now, anchor)
        elif finishing:
            yield from self._left()
        self._ledger.save(anchor)

    def _saved(self) -> Anchor:
        anchor = self._ledger.load()
        if anchor is None:
            raise AnchorError("the anchor store does not keep what it is given")
        return anchor

    def _start_over(self, now: float, before: Anchor | None) -> Anchor:
        """Return the anchor from which the whole scope is read, and after it what changed since the one before."""
        floor = self._source.scope.floor
        anchor = before or Anchor(self._source.fingerprint, since=now, round=0)
        if floor is None:
            anchor = attrs.evolve(anchor, reached=START, began=now)
        else:  # what changed since then is the whole of it
            anchor = attrs.evolve(anchor, since=floor, reached=END, began=min(floor, now))
        return attrs.evolve(anchor, round=anchor.round + 1, streams=None, remembered={})

    def _whole(self, anchor: Anchor, start: float) -> Generator[Batch, None, Anchor]:
        """Read all events by their time, committing window by window; what changes meanwhile is read afterwards."""
        if start == END:
            return anchor
        latest, uncommitted = start, 0
        for events in self._source.whole(self._reader, start):
            times = [event["time"] for event, _ in events]
            if uncommitted >= WINDOW and times[0] > latest:
                anchor = attrs.evolve(anchor, reached=times[0])
                self._ledger.save(anchor)
                uncommitted = 0
            yield from self._new("event", [item for item in events if item[0]["time"] >= start])
            latest = max(latest, times[-1])
            uncommitted += len(events)
        return anchor

    def _changed(self, anchor: Anchor, now: float) -> Generator[Batch, None, None]:
        """Read what was changed or deleted since the anchor; events that were seen as they are in `_whole`, no more."""
        is_whole = anchor.reached is not None
        clock_fell = (anchor.began if is_whole else now) < anchor.since
        seen_until = anchor.began - self._overlap if is_whole else START
        for items in self._source.changed(self._reader, START if clock_fell else anchor.since - self._overlap):
            events = [item for item in items if "deleted" not in item[0]]
            unseen = [item for item in events if item[0].get("modified", math.inf) > seen_until]
            self._duplicates += len(events) - len(unseen)
            yield from self._new("event", unseen)
            yield from self._new("eventDelete", [item for item in items if "deleted" in item[0]])

    def _left(self) -> Generator[Batch, None, None]:
        """Let go of events that the reading of the whole scope did not come across: they left it without a trace."""
        for deletions in self._ledger.left():
            self._counts["eventDelete"] += len(deletions)
            yield "eventDelete", deletions

    def _new(self, kind: Kind, items: list[Item]) -> Generator[Batch, None, None]:
        if not items:
            return
        new = self._ledger.apply(kind, items)
        self._counts[kind] += len(new)
        if kind != "streams":
            self._duplicates += len(items) - len(new)
        if new:
            yield kind, new
