"""The data that a pass reads from the platform."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pryv import Connection
from pryv.addons import event_batches
from pryv_monitor._groups import grouped
from pryv_monitor._identity import Owner
from pryv_monitor._json import Item, encode
from pryv_monitor._one_request import OneRequest
from pryv_monitor._reader import Reader
from pryv_monitor._scope import Scope
from pryv_monitor._shape import KINDS, checked, checked_tree, is_number
from pryv_monitor.changes import Kind

_BATCH = 100
"""Events in a batch. SQLite before 3.32 takes at most 999 values in a statement, and each event needs up to four.

See https://sqlite.org/limits.html#max_variable_number.
"""


class Source:
    """Reads the streams and events of one scope with a connection.

    Attributes:
        server_time: The platform's time, in seconds, in the response that was read last.
    """

    def __init__(self, connection: Connection, scope: Scope) -> None:
        self.connection = connection
        self.scope = scope
        self.owner = Owner(connection, scope)
        self.server_time = 0.0

    def streams(self, reader: Reader) -> tuple[Item, float]:
        """Return the tree of streams, and the platform's time when it was read.

        See `Get streams <https://pryv.github.io/reference/#get-streams>`__ in the API reference.

        Raises:
            PryvError: the call failed; see *Errors and retries*.
        """
        body = reader.call(lambda: self.connection.get("streams", {"state": "all"}))
        tree = checked_tree(body.get("streams"))
        self.server_time = body["meta"]["serverTime"]
        return (tree, encode(tree)), self.server_time

    def one_request(self, since: float) -> OneRequest:
        """Return a reading of the streams, and of what changed after `since`, with one request."""
        return OneRequest(self.connection, self.scope, since, _BATCH)

    def whole(self, reader: Reader, reached: float) -> Iterator[list[Item]]:
        """Yield batches of all events from the time `reached` on, the earliest first.

        Raises:
            PryvError: the call failed; see *Errors and retries*.
        """
        for _, events in self._batches(reader, self.scope.whole(reached)):
            yield events

    def changed(self, reader: Reader, since: float) -> Iterator[tuple[Kind, list[Item]]]:
        """Yield batches of what changed after `since`: events, and deletions, if they are in the scope.

        Raises:
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._batches(reader, self.scope.changed(since))

    def _batches(self, reader: Reader, params: dict[str, Any]) -> Iterator[tuple[Kind, list[Item]]]:
        return reader.read(lambda: self._read(params))

    def _read(self, params: dict[str, Any]) -> Iterator[tuple[Kind, list[Item]]]:
        """Yield batches of events and of deletions. They are distinguished by the section of the response they are in.

        The platform takes the time in the response at its end.
        """
        with self.connection.iter_events(params) as stream:
            parts = ((KINDS[section], items) for section, items in event_batches(stream))
            for kind, items in grouped(parts, _BATCH):
                yield kind, checked(kind, items)
            meta = stream.meta
        server_time = None if meta is None else meta.get("serverTime")
        if server_time is not None and is_number(server_time):
            self.server_time = max(self.server_time, server_time)
