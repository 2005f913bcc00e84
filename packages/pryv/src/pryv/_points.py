"""The points of a series as they are read: in arrays, as lists of floats take six times the memory."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator
from types import NoneType
from typing import Any, Union

import attrs

from pryv._transport.limits import Limits, parsed_size
from pryv._transport.members import MalformedError, Members, TooLargeError

_BLOCK = 4096
"""Rows that are packed into one block."""
_LARGE = 1 << 20
"""Characters of rows after which they are packed, even if they are fewer than a block."""
_PARSED = 4
"""Values that are not numbers may take this many times `Limits.response`."""
_EXACT = 2**53
"""A float represents all whole numbers up to this one exactly."""
_KINDS = {float: 0, int: 1, NoneType: 2}


class Points:
    """Rows of values, packed by column and block; all rows have the same length.

    Attributes:
        width: The number of values in a row.
        unpacked: An estimate of the memory, in bytes, of the blocks with values that are not numbers.
    """

    def __init__(self) -> None:
        self.width = 0
        self.unpacked = 0
        self._blocks: list[list[_Column]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[list[Any]]:
        for columns in self._blocks:
            yield from map(list, zip(*map(_values, columns), strict=True))

    def add(self, rows: list[Any]) -> None:
        """Add rows.

        Raises:
            MalformedError: a row is not a list, or has another length.
        """
        self.width = self.width or (len(rows[0]) if isinstance(rows[0], list) else 0)
        if not self.width or not all(isinstance(row, list) and len(row) == self.width for row in rows):
            raise MalformedError
        columns = [_packed(values) for values in zip(*rows, strict=True)]
        if any(isinstance(column, list) for column in columns):
            self.unpacked += parsed_size(json.dumps(rows).encode())
        self._blocks.append(columns)
        self._count += len(rows)

    def column(self, index: int) -> list[Any]:
        """Return the values at an index of all rows."""
        return [value for columns in self._blocks for value in _values(columns[index])]


def read_points(chunks: Iterator[bytes], limits: Limits) -> dict[str, Any]:
    """Return a response with its points packed.

    Raises:
        TooLargeError: it is larger than the limits.
        MalformedError: the response is not an object, or its points are not rows of one length.
        UnicodeDecodeError: it is not UTF-8.
    """
    most = math.inf if limits.response is None else limits.response
    response: dict[str, Any] = {}
    points = Points()
    rows: list[Any] = []
    size = 0
    members = Members(_within(chunks, most), ("points",), limits.event)
    for key, value in members:
        if key != "points":
            response[key] = value
            continue
        rows.append(value)
        size += members.size
        if len(rows) == _BLOCK or size > _LARGE:
            points.add(rows)
            rows, size = [], 0
            if points.unpacked > _PARSED * most:
                raise TooLargeError
    if rows:
        points.add(rows)
    return {**response, "points": points} if members.found else response


def _within(chunks: Iterator[bytes], most: float) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise TooLargeError
        yield chunk


@attrs.frozen
class _Mixed:
    """Floats, whole numbers and nulls, stored as floats and the kind of each."""

    numbers: array[float]
    kinds: bytes

    def tolist(self) -> list[Any]:
        return [
            number if kind == 0 else int(number) if kind == 1 else None
            for number, kind in zip(self.numbers, self.kinds, strict=True)
        ]


_Column = Union["array[float]", "array[int]", _Mixed, list[Any]]  # before 3.12, array[float] fails at run time


def _packed(values: tuple[Any, ...]) -> _Column:
    kinds = set(map(type, values))
    if kinds == {float}:
        return array("d", values)
    if kinds == {int} and min(values) >= -(2**63) and max(values) < 2**63:
        return array("q", values)
    if kinds <= _KINDS.keys() and all(-_EXACT <= value <= _EXACT for value in values if type(value) is int):
        numbers = array("d", [0.0 if value is None else value for value in values])
        return _Mixed(numbers, bytes(_KINDS[type(value)] for value in values))
    return list(values)


def _values(column: _Column) -> list[Any]:
    return column if isinstance(column, list) else column.tolist()
