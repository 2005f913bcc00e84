"""The streams and the latest changes, read with one request.

A batch of `streams.get` and `events.get` costs half of what the two calls cost. It is limited to `MOST` changes, as
the platform keeps the results of a batch in memory, and refuses more than 100,000
(`RESULT_TO_OBJECT_MAX_ARRAY_SIZE` in https://github.com/pryv/open-pryv.io). If there are more changes, or the platform
does not respond as it should, two requests read them instead, the second of which is streamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

from pryv import (
    ApiError,
    Call,
    Connection,
    InvalidAccessTokenError,
    PryvConnectionError,
    PryvError,
    PryvStreamError,
    RateLimitedError,
    ServerError,
)
from pryv.addons import stream_batch
from pryv_monitor._groups import grouped
from pryv_monitor._json import Item, encode
from pryv_monitor._reader import Reader
from pryv_monitor._scope import Scope
from pryv_monitor._shape import KINDS, checked, checked_tree
from pryv_monitor.anchor import Anchor
from pryv_monitor.changes import Kind

MOST: Final = 2000
"""Events, and deletions, that are read with one request."""
_DAY: Final = 86_400
_BUSY: Final = frozenset((429, 502, 503, 504))
"""Statuses of a platform that is busy, or down: other requests would fail too."""
_BROKEN: Final = (PryvConnectionError, PryvStreamError)
"""A response that was cut short, or not in time: the next one may be complete."""
_STREAMS, _EVENTS = 0, 1
"""The numbers of the calls in the batch."""


def suits(anchor: Anchor, now: float) -> bool:
    """Return whether one request may read what changed since an anchor.

    Two requests are made directly for a day after the platform did not respond properly to one, and after a pass that
    had too many changes for one.

    Args:
        anchor: Where the reading starts from.
        now: The local time, in seconds.
    """
    is_refused = anchor.refused is not None and 0 <= now - anchor.refused < _DAY
    return anchor.reached is None and anchor.changes < MOST and not is_refused


class OneRequest:
    """A reading with one request.

    Args:
        connection: The account.
        scope: What to read.
        since: The time, in seconds, after which changes are read.
        size: How many events or deletions are yielded at once.

    Attributes:
        changes: The number of events and deletions that were read.
        server_time: The platform's time, in seconds, when it responded, if everything was read; otherwise `None`.
        is_refused: Whether the platform did not respond as it should, and would not to the next one either.
    """

    def __init__(self, connection: Connection, scope: Scope, since: float, size: int) -> None:
        self._connection = connection
        self._params = scope.changed_within(since, MOST)
        self._expected = set(KINDS) if self._params.get("includeDeletions") else {"events"}
        self._size = size
        self._counts: Counter[str] = Counter()
        self.server_time: float | None = None
        self.is_refused = False

    @property
    def changes(self) -> int:
        """The number of events and deletions that were read."""
        return self._counts.total()

    def parts(self, reader: Reader) -> Iterator[tuple[Kind, list[Item]]]:
        """Yield the tree of streams, then events and deletions some at a time, as far as the response has them.

        See `Call batch <https://pryv.github.io/reference/#call-batch>`__ in the API reference.

        Raises:
            PryvError: the platform cannot be reached, or refused the access.
        """
        return reader.read(self._parts)

    def _parts(self) -> Iterator[tuple[Kind, list[Item]]]:
        try:
            for kind, items in grouped(self._read(), self._size):
                if kind != "streams":
                    self._counts[kind] += len(items)
                yield kind, items if kind == "streams" else checked(kind, items)
        except PryvError as error:
            if _would_recur(error):
                raise
            self.is_refused = not isinstance(error, _BROKEN)
            self.server_time = None
        if max(self._counts.values(), default=0) >= MOST:
            self.server_time = None

    def _read(self) -> Iterator[tuple[Kind, list[Item]]]:
        """Yield the tree of streams, then events and deletions, and set how the reading ended."""
        calls = [Call("streams.get", {"state": "all"}), Call("events.get", self._params)]
        response = stream_batch(self._connection, calls, {"streams", *KINDS})
        tree: list[Any] | None = None
        found: set[str] = set()
        with closing(iter(response)) as parts:
            for number, key, items in parts:
                if key == "error":
                    self.is_refused = items[0][0].get("id") != "too-many-results"
                    return
                if (number, key) == (_STREAMS, "streams"):
                    tree = [*(tree or ()), *(stream for stream, _ in items)]
                elif number == _EVENTS and key in KINDS and tree is not None:
                    if not found:
                        yield "streams", [(checked_tree(tree), encode(tree))]
                    found.add(key)
                    yield KINDS[key], items
        self.is_refused = not found >= self._expected
        if not self.is_refused:
            self.server_time = response.server_time


def _would_recur(error: PryvError) -> bool:
    """Return whether other requests would fail in the same way, or the platform asks to wait with them."""
    if isinstance(error, PryvConnectionError):
        return not error.sent
    if isinstance(error, (RateLimitedError, ServerError)) and error.retry_after is not None:
        return True
    return isinstance(error, InvalidAccessTokenError) or (isinstance(error, ApiError) and error.status in _BUSY)
