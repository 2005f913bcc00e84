"""The values of some members of events, read some events at a time."""

from __future__ import annotations

import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pryv._transport.rows import RowDecoder

Events = Sequence[Mapping[str, Any]]
Values = Mapping[str, Sequence[Any]]
"""The values of each member, `None` for events without it."""

_AT_ONCE = 64
"""Events that are alive at the same time, so that they stay in the processor's cache."""
_DELETED = "deleted"


class RowSource(ABC):
    """Events that can be read as rows."""

    @abstractmethod
    def _take_rows(self, most: int, enough: int, decoder: RowDecoder | None) -> list[Any]:
        """Return the next events, none only at the end.

        Args:
            most: The most events to return.
            enough: The number of events after which no more are read.
            decoder: Its rows may take the place of events.
        """


def member_reader(events: Iterable[Mapping[str, Any]], members: Iterable[str]) -> Callable[[int], Values]:
    """Return a function that reads up to a number of events, and returns the values of their members.

    It leaves out deletions, and returns an empty dict at the end.
    """
    names = list(dict.fromkeys((_DELETED, *members)))
    take, columns = _source(events, names)

    def read(most: int) -> Values:
        while items := take(most):
            values = dict(zip(names, columns(items), strict=True))
            is_kept = [deleted is None for deleted in values[_DELETED]]
            if all(is_kept):
                return values
            if any(is_kept):
                return {name: list(itertools.compress(column, is_kept)) for name, column in values.items()}
        return {}

    return read


def _source(
    events: Iterable[Mapping[str, Any]], names: list[str]
) -> tuple[Callable[[int], list[Any]], Callable[[list[Any]], list[Sequence[Any]]]]:
    """Return a function that takes up to a number of events, and one that returns the values of their members."""
    of_dicts = functools.partial(_columns, names)
    if not isinstance(events, RowSource):
        rest = iter(events)
        return lambda most: list(itertools.islice(rest, min(most, _AT_ONCE))), of_dicts
    decoder = _row_decoder(names)
    take = functools.partial(events._take_rows, enough=_AT_ONCE, decoder=decoder)
    return take, decoder.columns if decoder else of_dicts


def _row_decoder(names: list[str]) -> RowDecoder | None:
    """Return a decoder of rows, `None` if msgspec is not installed or cannot find these members."""
    try:
        from pryv._transport.rows import RowDecoder

        return RowDecoder(names)
    except (ImportError, ValueError):
        return None


def _columns(names: list[str], events: Events) -> list[Sequence[Any]]:
    try:
        return [_column(name, events) for name in names]
    except (TypeError, AttributeError):
        for event in events:
            if not isinstance(event, Mapping):
                raise TypeError(f"an event is a dict, not {type(event).__name__}") from None
        raise


def _column(name: str, events: Events) -> list[Any]:
    try:
        return list(map(itemgetter(name), events))
    except KeyError:
        return [event.get(name) for event in events]
