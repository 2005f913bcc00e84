"""How large a response may be, and how slow."""

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
    """What the platform, or whatever answers in its place, can make a program hold in memory or wait for.

    A response that exceeds a size raises `ResponseTooLargeError`. `None` turns the limit off.

    Attributes:
        response: Bytes of a response held in memory, after decompression. Of a streamed read only `event` counts, of a
            download to a path or a file object only the announced size.
        event: Bytes of one streamed event, after decompression.
        frame: Bytes of one WebSocket message.
        rate: Bytes per second that a response has to bring, averaged over the read timeout; only the time spent
            waiting for it counts. Below it, the response counts as timed out. 0 turns the limit off.

    Raises:
        TypeError: a limit is of another type.
        ValueError: a limit is out of range.
    """

    response: int | None = attrs.field(default=64 * MIB, validator=_check_size)
    event: int | None = attrs.field(default=10 * MIB, validator=_check_size)
    frame: int | None = attrs.field(default=16 * MIB, validator=_check_size)
    rate: float = attrs.field(default=16, validator=_check_rate)


def checked_limits(limits: Limits) -> Limits:
    """Return `limits`.

    Raises:
        TypeError: they are not `Limits`.
    """
    if not isinstance(limits, Limits):
        raise TypeError(f"limits are a pryv.Limits, not {type(limits).__name__}")
    return limits
