"""How large and how slow a response may be."""

from __future__ import annotations

import math
from typing import Any

import attrs

MIB = 1 << 20


def _check_size(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"Limits.{field.name} is a whole number of bytes or None, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"Limits.{field.name} is at least 1 byte; None turns it off")


def _check_rate(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"Limits.{field.name} is a number of bytes per second, not {type(value).__name__}")
    if not (0 <= value < math.inf):
        raise ValueError(f"Limits.{field.name} is at least 0 bytes per second; 0 turns it off")


@attrs.frozen(kw_only=True)
class Limits:
    """Bounds on the memory and time that responses can cost, from the platform or a server in its place.

    A response that exceeds a size raises `ResponseTooLargeError`. `None` turns the limit off.

    Attributes:
        response: Bytes of a response held in memory, after decompression. Its text and its parsed JSON together may
            take 4 times as many, by an estimate. It holds for a download returned as bytes too, but not for one to a
            destination, nor for streamed events.
        event: Bytes of one streamed event, after decompression.
        frame: Bytes of one WebSocket message.
        rate: The least bytes per second of a response, averaged over the read timeout. Only the time spent waiting for
            data counts. A slower response counts as timed out. 0 turns the limit off.

    Raises:
        TypeError: a limit has the wrong type.
        ValueError: a limit is out of range.
    """

    response: int | None = attrs.field(default=64 * MIB, validator=_check_size)
    event: int | None = attrs.field(default=10 * MIB, validator=_check_size)
    frame: int | None = attrs.field(default=16 * MIB, validator=_check_size)
    rate: float = attrs.field(default=16, validator=_check_rate)


_MARKS = {b"{": 200, b"[": 100, b",": 45, b":": 30, b'"': 10}
"""The memory, in bytes, that is used per character of a JSON text once the text is parsed.

Measured: the estimate is up to twice the true size for real data, and at least 0.6 of it for every structure tried
(nested lists, empty lists, objects with one key, keys that are all different…).
"""
_OTHERS = bytes(set(range(256)) - set(b"".join(_MARKS)))
_FIRST_BYTES_BEYOND_16_BIT = [bytes((byte,)) for byte in range(0xF0, 0xF5)]


def parsed_size(body: bytes) -> int:
    """Estimate the bytes of memory that a JSON text and its parsed form take together."""
    width = 1 if body.isascii() else 4 if any(byte in body for byte in _FIRST_BYTES_BEYOND_16_BIT) else 2
    marks = body.translate(None, _OTHERS)
    return 2 * width * len(body) + sum(cost * marks.count(mark) for mark, cost in _MARKS.items())


class Pace:
    """Checks the rate of a response after each window: `seconds` spent waiting for data."""

    def __init__(self, rate: float, seconds: float | None) -> None:
        self._rate = rate
        self._window = math.inf if seconds is None else seconds
        self._waited = 0.0
        self._size = 0

    def add(self, size: int, waited: float) -> None:
        """Count bytes that arrived, and the seconds spent waiting for them.

        Raises:
            TooSlowError: the bytes of this window came below the rate.
        """
        self._size += size
        self._waited += waited
        if self._waited >= self._window:
            if self._size < self._rate * self._waited:
                raise TooSlowError
            self._waited, self._size = 0.0, 0


class TooSlowError(TimeoutError):
    """The response came below the least rate."""


def checked_limits(limits: Limits) -> Limits:
    """Return `limits`.

    Raises:
        TypeError: they are not `Limits`.
    """
    if not isinstance(limits, Limits):
        raise TypeError(f"limits are a pryv.Limits, not {type(limits).__name__}")
    return limits
