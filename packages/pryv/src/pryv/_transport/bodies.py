"""What requests send: small bodies at once, others block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import attrs

BLOCK = 1 << 18
"""Bytes of a body sent at once, as far as it is not small."""
_SMALL = 1 << 14
"""Bytes that a socket takes without waiting."""


class Content(Protocol):
    """What a body is made of: its length in bytes, and blocks of bytes."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...


Body = bytes | Content | None
"""A request's body: bytes, or what can be read from its beginning by each try."""


@attrs.frozen
class Outgoing:
    """A body sent in blocks, with a time limit for each (`None`: without one)."""

    content: bytes | Content = attrs.field(repr=False)
    seconds: float | None

    def __len__(self) -> int:
        return len(self.content)

    def __iter__(self) -> Iterator[bytes]:
        if isinstance(self.content, bytes):
            return _blocks(self.content)
        return iter(self.content)


def outgoing(body: Body, seconds: float | None) -> bytes | Outgoing | None:
    """Return what to send for a body: in blocks of `seconds` each, or as it is where it is small."""
    if body is None or (isinstance(body, bytes) and len(body) <= _SMALL):
        return body
    return Outgoing(body, seconds)


def _blocks(content: bytes) -> Iterator[bytes]:
    return (content[start : start + BLOCK] for start in range(0, len(content), BLOCK))
