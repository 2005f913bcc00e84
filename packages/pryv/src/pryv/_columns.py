"""Events as columns: each keeps the values of one field, compactly, until they become a frame."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from pryv._event_values import as_float, as_texts, is_number, string_items

Values = Sequence[Any]
_NONE = type(None)
_NUMBERS = {int, float, _NONE}
_TEXTS = {str, _NONE}
_OF_JSON = {*_NUMBERS, *_TEXTS, bool, list, dict}
_FLOATS = {int, float}
_FIRST_MOMENT, _LAST_MOMENT = -62_135_596_800, 253_402_300_800
"""The beginnings of the years 1 and 10000, in seconds since 1970."""


class Coded(NamedTuple):
    """The different values of a column, and the number of each event's value among them."""

    different: list[Any]
    codes: Any


class Column(Protocol):
    """Values of events.

    Attributes:
        kind: `text`, `number`, `time`, `list` or `flag`.
    """

    kind: str

    def add(self, values: Values) -> None:
        """Add the values of some events."""

    def take(self) -> Any:
        """Return the values and forget them: an array of NumPy, `Coded`, or a list with `None` for null."""


class Field:
    """A column with the values at a path such as `content.systolic`, `None` where there is none.

    Attributes:
        member: The member of the events that is first in the path.
    """

    def __init__(self, path: str, column: Column) -> None:
        self.member, *self._keys = path.split(".")
        self._column = column

    @property
    def kind(self) -> str:
        """The kind of the column."""
        return self._column.kind

    def add(self, members: Mapping[str, Values]) -> None:
        """Add the values of some events."""
        values = members[self.member]
        for key in self._keys:
            values = [value.get(key) if isinstance(value, dict) else None for value in values]
        self._column.add(values)

    def take(self) -> Any:
        """Return the values of the column and forget them."""
        return self._column.take()


class Numbers:
    """Numbers, as float64; NaN is null. A value that is no number is null, or refused if the column has a `path`."""

    kind = "number"

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self._numbers = array("d")

    def add(self, values: Values) -> None:
        """Add the values of some events."""
        types = set(map(type, values))
        other = None if self._path is None else _other_than_numbers(values, types)
        if other is not None:
            raise ValueError(f"{self._path}: a value of type {type(other).__name__} in a column of numbers")
        self._numbers += _floats(values, types)

    def take(self) -> Any:
        """Return the numbers."""
        numbers, self._numbers = self._numbers, array("d")
        return np.frombuffer(numbers, dtype=np.float64)


class Times(Numbers):
    """Seconds since 1970 as UTC timestamps of microseconds; a time outside the years 1 to 9999 is null."""

    kind = "time"

    def take(self) -> Any:
        """Return the timestamps."""
        return timestamps(super().take())


class Flags:
    """True where a value is `True`, otherwise False."""

    kind = "flag"

    def __init__(self) -> None:
        self._flags = bytearray()

    def add(self, values: Values) -> None:
        """Add the values of some events."""
        self._flags += bytes([value is True for value in values] if any(values) else len(values))

    def take(self) -> Any:
        """Return the flags."""
        flags, self._flags = self._flags, bytearray()
        return np.frombuffer(flags, dtype=bool)


class Texts:
    """Strings, made from values by `form`."""

    kind = "text"

    def __init__(self, form: Callable[[Values], list[str | None]] = as_texts) -> None:
        self._form = form
        self._values: list[str | None] = []

    def add(self, values: Values) -> None:
        """Add the values of some events."""
        self._values += values if set(map(type, values)) <= _TEXTS else self._form(values)

    def take(self) -> list[str | None]:
        """Return the strings."""
        values, self._values = self._values, []
        return values


class Lists:
    """Lists of strings. Events have few different ones: each is stored once, and events have its number."""

    kind = "list"

    def __init__(self) -> None:
        self._codes = array("q")
        self._numbers: dict[tuple[str, ...] | None, int] = {}

    def add(self, values: Values) -> None:
        """Add the values of some events."""
        numbers = self._numbers
        try:
            lists = map(tuple, values) if set(map(type, values)) == {list} else map(string_items, values)
            codes = list(map(numbers.__getitem__, lists))
        except (KeyError, TypeError):  # not seen before, or not a list of strings
            codes = [numbers.setdefault(string_items(value), len(numbers)) for value in values]
        self._codes.extend(codes)

    def take(self) -> Coded:
        """Return the lists."""
        different = [None if ids is None else list(ids) for ids in self._numbers]
        coded = Coded(different, np.frombuffer(self._codes, np.int64))
        self._codes, self._numbers = array("q"), {}
        return coded


class Inferred:
    """The values at a path: numbers if all are numbers or null and one at least is a number, otherwise text.

    The first `take` decides.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._values: list[Any] = []
        self._chosen: Column | None = None
        self.kind = "text"

    def add(self, values: Values) -> None:
        """Add the values of some events."""
        if self._chosen is None:
            self._values += values
        else:
            self._chosen.add(values)

    def take(self) -> Any:
        """Return the values."""
        if self._chosen is None:
            values, self._values = self._values, []
            types = set(map(type, values))
            if types - {_NONE} and _other_than_numbers(values, types) is None:
                self._chosen = Numbers(self._path)
                self.kind = self._chosen.kind
                return np.frombuffer(_floats(values, types))
            self._chosen = Texts()
            return as_texts(values)
        return self._chosen.take()


def as_numbers(values: list[Any]) -> Any:
    """Return an array of integers or floats, `None` if there are other values, or integers beyond 64 bits."""
    types = set(map(type, values))
    if not types <= _NUMBERS:
        return None
    try:
        return np.array(values, dtype=np.int64 if types == {int} else np.float64)
    except OverflowError:
        return None


def timestamps(seconds: Any) -> Any:
    """Return seconds since 1970 as an array of timestamps of microseconds."""
    seconds = np.asarray(seconds, dtype=np.float64)
    inside = (seconds >= _FIRST_MOMENT) & (seconds < _LAST_MOMENT)  # NaN is not
    known = np.where(inside, seconds, 0.0)
    whole = np.floor(known)
    moments = whole.astype(np.int64) * 1_000_000 + np.rint((known - whole) * 1e6).astype(np.int64)
    return np.where(inside, moments, np.iinfo(np.int64).min).view("datetime64[us]")


def _floats(values: Values, types: set[type]) -> array[float]:
    """Return values of these types as floats, NaN for what is no number."""
    if types <= {_NONE}:
        return array("d", [math.nan]) * len(values)
    try:
        if types <= _FLOATS:
            return array("d", values)
        if types <= _OF_JSON:
            return array("d", [value if type(value) in _FLOATS else math.nan for value in values])
    except OverflowError:
        pass
    return array("d", map(as_float, values))


def _other_than_numbers(values: Values, types: set[type]) -> Any:
    """Return the first of some values of these types that is neither a number nor `None`; `None` if all are."""
    if types <= _NUMBERS:
        return None
    return next((value for value in values if not (value is None or is_number(value))), None)
