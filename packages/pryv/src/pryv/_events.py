"""Read events as they arrive, in constant memory."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import attrs

from pryv._display import public_names
from pryv._event_members import RowSource
from pryv._long_queries import DELETIONS, EVENTS, Item, merged, split
from pryv._transport import json
from pryv._transport.account import Account
from pryv._transport.blocks import fastest_decoder
from pryv._transport.members import MalformedError, Members, TooLargeError
from pryv._transport.redact import redact
from pryv._transport.results import error_among, error_of
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv._transport.urls import query_pairs
from pryv.errors import PryvConnectionError, PryvProtocolError, PryvStreamError, ResponseTooLargeError
from pryv.types import Event, Meta

if TYPE_CHECKING:
    from pryv._transport.rows import RowDecoder

_LABEL = "GET events"
_LONGEST_QUERY = 200
"""Characters of a query that are shown."""
Batch = tuple["_Read", str, list[Any]]
_SECTIONS = frozenset((EVENTS, DELETIONS))
_OTHERS = frozenset(("meta", "error"))
_LATEST = sys.float_info.max
"""The latest time an event can have, in seconds: the platform accepts any number."""


@attrs.frozen
class StreamedEvents:
    """The summary of a streamed read.

    Attributes:
        events_count: The number of events.
        event_deletions_count: The number of deletions, `None` if they were not requested.
        meta: The response's `meta`.
    """

    events_count: int
    event_deletions_count: int | None
    meta: Meta


def open_ended(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `events.get` parameters without time bounds by default, unless there is a `limit`."""
    params = dict(params or {})
    if params.get("limit") is None:
        for bound, value in (("fromTime", -_LATEST), ("toTime", _LATEST)):
            if params.get(bound) is None:
                params[bound] = value
    return params


class _Read:
    """One request for events and the response to it.

    Attributes:
        ended: Whether all items were yielded.
    """

    def __init__(self, account: Account, params: Mapping[str, Any], timeout: CallTimeout) -> None:
        self._account = account
        self._query = query_pairs(params)
        self._timeout = timeout
        self._members: Members | None = None
        self._others: dict[str, Any] = {}
        self.ended = False

    @property
    def meta(self) -> Meta | None:
        """The response's `meta`, once it was read."""
        return self._others.get("meta")

    @property
    def text(self) -> str:
        """The JSON text of the item yielded last, until the next one is requested."""
        return "" if self._members is None else self._members.text

    @property
    def sections(self) -> set[str]:
        """The sections that the response has, as far as it was read."""
        return set() if self._members is None else self._members.found

    def with_texts(self, items: list[Any]) -> list[tuple[Any, str]]:
        """Take all items of the batch yielded last, each with its JSON text."""
        return [] if self._members is None else self._members.with_texts(items)

    def read_rows(self, decoder: RowDecoder) -> None:
        """Read the blocks that follow as rows."""
        if self._members is not None:
            self._members.decoder = decoder

    def read_dicts(self) -> None:
        """Read the rest of the batch yielded last, and all that follows, as dicts."""
        if self._members is not None:
            self._members.decoder = fastest_decoder()
            self._members.reread()

    def batches(self) -> Generator[Batch, None, None]:
        """Yield batches of events and deletions: this read, the name of the section, the items, the next one last."""
        response = self._account.send(
            "GET", "events", query=self._query, idempotent=True, stream=True, timeout=self._timeout
        )
        if response.status != 200:
            raise self._account.failed(error_of(response, *self._account.secrets))
        limit = self._account.http.limits.event
        broken: str | None = None
        too_large = False
        with contextlib.closing(response.chunks()) as chunks:
            try:
                yield from self._parsed(chunks, limit)
            except PryvConnectionError as error:
                broken = str(error)
            except (MalformedError, UnicodeDecodeError):
                broken = f"{_LABEL}: the response was cut short or is malformed"
            except TooLargeError:
                too_large = True
        if too_large:
            raise ResponseTooLargeError(f"{_LABEL}: an event is larger than {limit} bytes (Limits.event)")
        if broken is not None and "html" in response.headers.get("Content-Type", ""):
            raise self._account.failed(PryvProtocolError(f"{_LABEL}: the response is an HTML page, not JSON"))
        if broken is None and not isinstance(self.meta, dict):
            broken = f"{_LABEL}: the response has no meta"
        if broken is not None:
            raise self._account.failed(PryvStreamError(broken))
        reported = error_among(self._others, response, *self._account.secrets)
        if reported is not None:
            raise self._account.failed(reported)
        self._account.keep_endpoint(response.moved_to)
        self.ended = True

    def _parsed(self, chunks: Iterator[bytes], limit: int | None) -> Iterator[Batch]:
        self._members = Members(chunks, _SECTIONS, limit)
        for key, values in self._members.batches():
            if key in _SECTIONS:
                if not self._members.decoder.objects.issuperset(map(type, values)):
                    raise MalformedError
                yield self, key, values
            elif key in _OTHERS:
                self._others[key] = values.pop()


def _batches(reads: list[_Read], query: Mapping[str, Any]) -> Generator[Batch, None, None]:
    """Yield the items of one read, or of the reads that a query was split into, in batches.

    This is not a method, so that the generator does not refer to the `EventStream`. Without that reference cycle, an
    `EventStream` that is no longer used frees its connections at once.
    """
    with contextlib.ExitStack() as reading:
        sources = [reading.enter_context(contextlib.closing(read.batches())) for read in reads]
        if len(sources) == 1:
            yield from sources[0]
        else:
            for read, section, item in merged([_one_by_one(source) for source in sources], query):
                yield read, section, [item]


def _one_by_one(batches: Iterator[Batch]) -> Iterator[Item]:
    for read, section, items in batches:
        while items:
            yield read, section, items.pop()


class EventStream(Iterator[Event], RowSource):
    """The events of a query, then its deletions if they were requested, yielded as they arrive.

    The request is sent when the first event is read. `close()`, or the end of a `with` block, ends the read early.
    A query that is too long for one request is sent as several requests at once.

    Attributes:
        events_count: Events yielded so far.
        event_deletions_count: Deletions yielded so far, `None` if they were not requested.
    """

    def __init__(self, account: Account, params: Any, timeout: CallTimeout = DEFAULT) -> None:
        query_pairs(params)  # refuses names that are not strings
        self._params = json.plain(dict(params or {}))
        query = open_ended(self._params)
        self._reads = [_Read(account, part, timeout) for part in split(query, f"{account.endpoint}events")]
        self._last = self._reads[0]
        self._account = account
        self._batches = _batches(self._reads, query)
        self._has_deletions = bool(query.get("includeDeletions")) and query.get("modifiedSince") is not None
        self._section = EVENTS
        self._batch: list[Event] = []
        self.events_count = 0
        self.event_deletions_count = 0 if query.get("includeDeletions") else None

    @property
    def text(self) -> str:
        """The JSON text of the item yielded last, as the platform sent it, until the next one is requested."""
        return self._last.text

    @property
    def meta(self) -> Meta | None:
        """The response's `meta`; `None` until the last item was yielded."""
        return self._reads[0].meta if all(read.ended for read in self._reads) else None

    def __repr__(self) -> str:
        query = redact(repr(self._params), *self._account.secrets)[:_LONGEST_QUERY]
        counts = f"{self.events_count:,} events"
        if self.event_deletions_count is not None:
            counts += f" and {self.event_deletions_count:,} deletions"
        return f"<EventStream {query}: {counts}{'' if self.meta else ' so far'}>"

    __dir__ = public_names

    def __next__(self) -> Event:
        batch = self._batch or self._next_batch()
        if self._section == EVENTS:
            self.events_count += 1
        else:
            self.event_deletions_count = (self.event_deletions_count or 0) + 1
        return batch.pop()

    def _take_rows(self, most: int, enough: int, decoder: RowDecoder | None) -> list[Any]:
        """Return the next items; see `RowSource`."""
        if decoder is None or len(self._reads) > 1:
            return self._take(most, enough)
        read = self._reads[0]
        read.read_rows(decoder)
        try:
            return self._take(most, enough)
        finally:
            read.read_dicts()

    def _take(self, most: int, enough: int) -> list[Any]:
        items: list[Any] = []
        with contextlib.suppress(StopIteration):
            while len(items) < min(most, enough):
                batch = self._batch or self._next_batch()
                start = max(0, len(batch) + len(items) - most)
                some = batch[start:]
                del batch[start:]
                self._count(len(some))
                items += reversed(some)
        return items

    def batches_with_texts(self) -> Iterator[tuple[str, list[tuple[Event, str]]]]:
        """Yield the items that remain, some at a time and each with its text, and the section they are in.

        Raises:
            PryvStreamError: the response was cut short or is malformed, or lacks a section.
        """
        is_one_read = len(self._reads) == 1
        while True:
            try:
                batch = self._batch or self._next_batch()
            except StopIteration:
                self._require_sections()
                return
            items = self._last.with_texts(batch) if is_one_read else [(batch.pop(), self.text)]
            self._count(len(items))
            yield self._section, items

    def _require_sections(self) -> None:
        """Check that all responses have events, or the deletions that the first one was asked for.

        With deletions, the platform leaves out the events if no stream is left, as for an app whose streams are gone:
        https://github.com/pryv/open-pryv.io/blob/master/components/api-server/src/methods/helpers/eventsGetUtils.ts.
        """
        expected = [DELETIONS if self._has_deletions else EVENTS, *(EVENTS for _ in self._reads[1:])]
        for section, read in zip(expected, self._reads, strict=True):
            if section in read.sections:
                continue
            error = PryvStreamError(f"{_LABEL}: the response has no {section}")
            error.events_seen = self.events_count + (self.event_deletions_count or 0)
            raise self._account.failed(error)

    def _count(self, number: int) -> None:
        """Count items that are yielded."""
        if self._section == EVENTS:
            self.events_count += number
        else:
            self.event_deletions_count = (self.event_deletions_count or 0) + number

    def _next_batch(self) -> list[Event]:
        """Return the next items that were asked for."""
        try:
            while True:
                read, section, batch = next(self._batches)
                if section == EVENTS or self.event_deletions_count is not None:
                    self._last, self._section, self._batch = read, section, batch
                    return batch
        except PryvStreamError as error:
            error.events_seen = self.events_count + (self.event_deletions_count or 0)
            raise

    def __enter__(self) -> EventStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the read and free its connection."""
        self._batch.clear()
        self._batches.close()

    def summary(self) -> StreamedEvents:
        """Return the counts and the `meta` of a read that is complete.

        Raises:
            ValueError: the read is not complete.
        """
        if self.meta is None:
            raise ValueError("the events have not been read to the end")
        return StreamedEvents(self.events_count, self.event_deletions_count, self.meta)
