"""The query of ``events.get``, in SQL, page by page."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from pryv_sandbox.model.content_query import Condition, dump_conditions, parse_conditions
from pryv_sandbox.model.streams_query import StreamsQuery
from pryv_sandbox.model.system_streams import Store

Row = tuple[float, str]
"""An event's time, and the event as JSON text."""

_NOW_TOLERANCE = 5
_DAY = 24 * 3600
_DEFAULT_LIMIT = 20
_LAST_KEY = 2**63 - 1
_FEW = 1000


@dataclass(frozen=True)
class EventsQuery:
    """The parameters of ``events.get``, with their defaults."""

    streams: list[StreamsQuery]
    types: list[str]
    conditions: list[Condition]
    from_time: float | None
    to_time: float | None
    modified_since: float | None
    state: str
    running: bool
    ascending: bool
    skip: int
    limit: int | None
    now: float

    @classmethod
    def of(cls, params: dict[str, Any], streams: list[StreamsQuery], now: float) -> EventsQuery:
        """The query in the parameters of a call at the time ``now``."""
        from_time, to_time, modified_since = (_time(params, key) for key in ("fromTime", "toTime", "modifiedSince"))
        limit = params.get("limit")
        if from_time is None and to_time is None and limit is None:
            limit = _DEFAULT_LIMIT
        elif from_time is None and to_time is not None:
            from_time = to_time - _DAY
        elif from_time is not None and to_time is None:
            to_time = now
        return cls(
            streams=streams,
            types=params.get("types") or [],
            conditions=[
                *parse_conditions(params.get("content") or [], "content"),
                *parse_conditions(params.get("clientData") or [], "clientData"),
            ],
            from_time=from_time,
            to_time=to_time,
            modified_since=modified_since,
            state=params.get("state", "default"),
            running=params.get("running", False),
            ascending=params.get("sortAscending", False),
            skip=int(params.get("skip") or 0),
            limit=None if limit is None else int(limit),
            now=now,
        )

    def sql(self, store: Store) -> tuple[str, list[Any]]:
        """The condition on the rows of a store in ``events``; ``read_events`` adds a descending ``to_time``."""
        streams = [query.sql() for query in self.streams if query.store == store]
        clauses = ["deleted IS NULL", f"({' OR '.join(sql for sql, _ in streams)})" if streams else "FALSE"]
        values = [value for _, values in streams for value in values]
        if self.state != "all":
            clauses.append("trashed" if self.state == "trashed" else "NOT trashed")
        if self.types:
            clauses.append(f"({' OR '.join('type GLOB ?' for _ in self.types)})")
            values += self.types
        if self.modified_since is not None:
            clauses.append("modified > ?")
            values.append(self.modified_since)
        if self.to_time is not None and self.ascending:
            clauses.append("time <= ?")
            values.append(self.to_time)
        if self.running:
            clauses.append("end_time IS NULL")
        elif self.from_time is not None:
            clauses.append("(end_time >= ? OR end_time IS NULL)" if self._includes_now() else "end_time >= ?")
            values.append(self.from_time)
        if self.conditions:
            clauses.append("meets(doc, ?)")
            values.append(dump_conditions(self.conditions))
        return " AND ".join(clauses), values

    def _includes_now(self) -> bool:
        now = self.now - _NOW_TOLERANCE
        return self.from_time is not None and self.from_time <= now and (self.to_time is None or self.to_time >= now)

    def matches_field(self, event: dict[str, Any]) -> bool:
        """Whether an event for a field of the account matches."""
        return (
            any(query.store == "account" and query.matches(event["streamIds"]) for query in self.streams)
            and self.state != "trashed"
            and not self.running
            and (not self.types or event["type"] in self.types)
            and (self.from_time is None or event["time"] >= self.from_time)
            and (self.to_time is None or event["time"] < self.to_time)
            and (self.modified_since is None or event["modified"] >= self.modified_since)
            and all(condition.matches(event) for condition in self.conditions)
        )


def _time(params: dict[str, Any], key: str) -> float | None:
    """A time as the database compares it; integers of SQLite end at 2^63."""
    return None if params.get(key) is None else float(params[key])


async def read_events(
    db: sqlite3.Connection, user: int, store: Store, query: EventsQuery, page_size: int, render: Callable[[str], str]
) -> AsyncIterator[list[Row]]:
    """The events of a store that match, page by page; ``render`` changes the text of those with attachments."""
    where, values = query.sql(store)
    index = "events_by_time"
    if query.modified_since is not None and _few_modified(db, user, store, query.modified_since):
        index = "events_by_modified"
    start = None if query.ascending or query.to_time is None else (query.to_time, _LAST_KEY)
    scan = _Scan(f"{index} WHERE user = ? AND store = ? AND {where}", [user, store, *values], "time", query.ascending)
    size = page_size if query.limit is None else min(page_size, max(0, query.skip) + query.limit)
    async for page in scan.pages(db, size, start):
        yield [(time, render(doc) if attached else doc) for time, _, doc, attached in page]


async def read_deletions(
    db: sqlite3.Connection, user: int, query: EventsQuery, page_size: int
) -> AsyncIterator[list[Row]]:
    """The deletions in the account since ``modifiedSince`` of the query, page by page."""
    values = [user, query.modified_since]
    scan = _Scan("events_by_deleted WHERE user = ? AND deleted > ?", values, "deleted", query.ascending)
    async for page in scan.pages(db, page_size, None):
        yield [(time, doc) for time, _, doc, _ in page]


def _few_modified(db: sqlite3.Connection, user: int, store: Store, since: float) -> bool:
    """Whether so few events have changed that it is faster to find these first, and to sort them by time."""
    changed = "SELECT 1 FROM events INDEXED BY events_by_modified WHERE user = ? AND store = ? AND modified > ? LIMIT ?"
    (count,) = db.execute(f"SELECT count(*) FROM ({changed})", (user, store, since, _FEW)).fetchone()
    return bool(count < _FEW)


@dataclass(frozen=True)
class _Scan:
    """A scan of ``events`` along an index. Each page is a query that starts where the last one ended."""

    source: str
    values: list[Any]
    order_by: str
    ascending: bool

    async def pages(
        self, db: sqlite3.Connection, size: int, start: tuple[float, int] | None
    ) -> AsyncIterator[list[tuple[float, int, str, int]]]:
        """The rows after ``start`` (a time and a key), or all."""
        direction, beyond = ("ASC", ">") if self.ascending else ("DESC", "<")
        base = f"SELECT {self.order_by}, key, doc, attached FROM events INDEXED BY {self.source}"
        end = f" ORDER BY {self.order_by} {direction}, key {direction} LIMIT {size}"
        place = start
        while True:
            after = f" AND ({self.order_by}, key) {beyond} (?, ?)" if place else ""
            rows = db.execute(base + after + end, (*self.values, *(place or ()))).fetchall()
            if rows:
                yield rows
            if len(rows) < size:
                return
            place = rows[-1][:2]
            await asyncio.sleep(0)


async def merge(fields: list[Row], pages: AsyncIterator[list[Row]], *, ascending: bool) -> AsyncIterator[list[Row]]:
    """The pages, with the fields of the account, which have one time, inserted in their place."""
    async for page in pages:
        if fields:
            time = fields[0][0]
            place = next((i for i, row in enumerate(page) if (row[0] >= time if ascending else row[0] <= time)), None)
            if place is not None:
                page[place:place] = fields
                fields = []
        yield page
    if fields:
        yield fields


async def skip_and_limit(pages: AsyncIterator[list[Row]], skip: int, limit: int | None) -> AsyncIterator[list[str]]:
    """The texts of the rows after the first ``skip``, at most ``limit`` of them."""
    left = limit
    if left is not None and left <= 0:
        return
    async for page in pages:
        texts = [text for _, text in page[skip:][:left]]
        skip = max(0, skip - len(page))
        if texts:
            yield texts
        if left is not None:
            left -= len(texts)
            if left == 0:
                return
