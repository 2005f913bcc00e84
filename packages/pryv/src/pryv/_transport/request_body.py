"""The bodies of requests: small ones are sent at once, others block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import attrs

BLOCK = 1 << 18
"""Bytes of one block."""
_SMALL = 1 << 14
"""Bytes that a socket's buffer takes without waiting."""


class Content(Protocol):
    """A body that is read from its beginning by each attempt: its length in bytes, and blocks of bytes."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...


Body = bytes | Content | None
"""The body of a request."""


@attrs.frozen
class LimitedBody:
    """A body sent in blocks, with a time limit in seconds for each (`None`: no limit)."""

    content: bytes | Content = attrs.field(repr=False)
    seconds: float | None

    def __len__(self) -> int:
        return len(self.content)

    def __iter__(self) -> Iterator[bytes]:
        if isinstance(self.content, bytes):
            return _blocks(self.content)
        return iter(self.content)


def limited_body(body: Body, seconds: float | None) -> bytes | LimitedBody | None:
    """Return a body in blocks with a time limit each; a small body is returned as it is."""
    if body is None or (isinstance(body, bytes) and len(body) <= _SMALL):
        return body
    return LimitedBody(body, seconds)


def _blocks(content: bytes) -> Iterator[bytes]:
    return (content[start : start + BLOCK] for start in range(0, len(content), BLOCK))
