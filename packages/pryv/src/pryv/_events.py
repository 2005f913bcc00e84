"""Reading events as they arrive, at constant memory."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterator, Mapping
from types import TracebackType
from typing import Any

import attrs

from pryv._transport.account import Account
from pryv._transport.answers import error_of
from pryv._transport.members import MalformedError, Members, TooLargeError
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv._transport.urls import query_pairs
from pryv.errors import PryvConnectionError, PryvProtocolError, PryvStreamError, ResponseTooLargeError
from pryv.types import Event, Meta

_LABEL = "GET events"
_SECTIONS = _EVENTS, _DELETIONS = "events", "eventDeletions"
_LATEST = sys.float_info.max
"""The latest time an event can have, in seconds: the platform takes any number."""


@attrs.frozen
class StreamedEvents:
    """What a streamed read leaves: counts and the answer's `meta`.

    Attributes:
        events_count: Events read.
        event_deletions_count: Deletions read, `None` if they were not asked for.
        meta: The answer's `meta`.
    """

    events_count: int
    event_deletions_count: int | None
    meta: Meta


def open_ended(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `events.get` parameters with each missing time bound open, unless there is a `limit`."""
    params = dict(params or {})
    if params.get("limit") is None:
        for bound, value in (("fromTime", -_LATEST), ("toTime", _LATEST)):
            if params.get(bound) is None:
                params[bound] = value
    return params


class EventStream(Iterator[Event]):
    """The events of one read, then its deletions if asked for, yielded as they arrive.

    The request is made when the first one is asked for. `close()`, or leaving a `with` block, ends the read early.

    Attributes:
        text: The JSON text of the item yielded last, as the platform sent it, until the next is asked for.
        events_count: Events yielded so far.
        event_deletions_count: Deletions yielded so far, `None` if they were not asked for.
        meta: The answer's `meta`, `None` until the last event was yielded.
    """

    def __init__(self, account: Account, params: Mapping[str, Any] | None, timeout: CallTimeout = DEFAULT) -> None:
        if not isinstance(params, (Mapping, type(None))):
            raise TypeError(f"params is a dict, not {type(params).__name__}")
        self._account = account
        self._timeout = timeout
        self._query = query_pairs(open_ended(params))
        self.events_count = 0
        self.event_deletions_count = 0 if (params or {}).get("includeDeletions") else None
        self.meta: Meta | None = None
        self._members: Members | None = None
        self._items = self._read()

    @property
    def text(self) -> str:
        """The JSON text of the item yielded last, as the platform sent it, until the next is asked for."""
        return "" if self._members is None else self._members.text

    def __next__(self) -> Event:
        return next(self._items)

    def __enter__(self) -> EventStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the read and free its connection."""
        self._items.close()

    def summary(self) -> StreamedEvents:
        """Return the counts and the `meta` of a read that has come to its end.

        Raises:
            ValueError: it has not.
        """
        if self.meta is None:
            raise ValueError("the events have not been read to their end")
        return StreamedEvents(self.events_count, self.event_deletions_count, self.meta)

    def _read(self) -> Generator[Event, None, None]:
        answer = self._account.send("GET", "events", query=self._query, safe=True, stream=True, timeout=self._timeout)
        if answer.status != 200:
            raise error_of(answer, _LABEL, self._account.token)
        limit = self._account.http.limits.event
        broken: str | None = None
        too_large = False
        with contextlib.closing(answer.chunks()) as chunks:
            try:
                yield from self._parsed(chunks, limit)
            except PryvConnectionError as error:
                broken = str(error)
            except (MalformedError, UnicodeDecodeError):
                broken = f"{_LABEL}: the answer was cut short or is malformed"
            except TooLargeError:
                too_large = True
        if too_large:
            raise ResponseTooLargeError(f"{_LABEL}: an event is larger than {limit} bytes (Limits.event)")
        if broken is not None and "html" in answer.headers.get("Content-Type", ""):
            raise PryvProtocolError(f"{_LABEL}: the answer is a page, and not the API's")
        if broken is None and not isinstance(self.meta, dict):
            broken = f"{_LABEL}: the answer has no meta"
        if broken is not None:
            raise PryvStreamError(broken, events_seen=self.events_count + (self.event_deletions_count or 0))

    def _parsed(self, chunks: Iterator[bytes], limit: int | None) -> Iterator[Event]:
        self._members = Members(chunks, _SECTIONS, limit)
        for key, value in self._members:
            if key == _EVENTS:
                self.events_count += 1
                yield value
            elif key == "meta":
                self.meta = value
            elif key == _DELETIONS and self.event_deletions_count is not None:
                self.event_deletions_count += 1
                yield value
