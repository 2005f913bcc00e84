"""The tree of an account's streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pryv_sandbox.model.system_streams import AUDIT, CMC_APPS, SHARED_SECRETS, SYSTEM_STREAMS, is_account_stream

Stream = dict[str, Any]


def _sibling_order(stream: Stream) -> tuple[int, str]:
    """By name; the audit log comes first, the fields of the account last, in their given order."""
    if is_account_stream(stream["id"]):
        return 2, ""
    return int(stream["id"] != AUDIT), stream["name"]


class StreamTree:
    """The streams of an account by id and by parent, with the system streams.

    Attributes:
        has_trashed: whether any of them is in the trash.
        has_deleted: whether any has been deleted; events in the trash may still refer to it.
    """

    def __init__(self, streams: Iterable[Stream], *, has_deleted: bool) -> None:
        self._by_id: dict[str, Stream] = dict(SYSTEM_STREAMS)
        self._by_id.update((stream["id"], stream) for stream in streams)
        self._children: dict[str | None, list[Stream]] = {}
        for stream in sorted(self._by_id.values(), key=_sibling_order):
            self._children.setdefault(stream["parentId"], []).append(stream)

        self.has_deleted = has_deleted
        self.has_trashed = any(stream.get("trashed") for stream in self._by_id.values())

    def get(self, stream_id: str) -> Stream | None:
        """The stream with this id."""
        if stream_id not in self._by_id and (stream_id.startswith((AUDIT, SHARED_SECRETS)) or stream_id == CMC_APPS):
            return {"id": stream_id, "name": stream_id.removeprefix(AUDIT), "parentId": None, "trashed": False}
        return self._by_id.get(stream_id)

    def children(self, parent_id: str | None) -> list[Stream]:
        """The children of this stream (``None``: the roots), by name."""
        return self._children.get(parent_id, [])

    def lineage(self, stream_id: str) -> Iterator[str]:
        """The stream's id, then its parent's, up to the root."""
        current: str | None = stream_id
        while current is not None:
            yield current
            stream = self._by_id.get(current)
            current = stream["parentId"] if stream else None

    def expand(self, stream_id: str, *, trashed: bool = True, excluded: frozenset[str] = frozenset()) -> Iterator[str]:
        """The ids of the stream and of all below it, without excluded branches; without trash unless ``trashed``."""
        stream = self._by_id.get(stream_id)
        if stream is None or stream_id in excluded or (stream.get("trashed") and not trashed):
            return
        yield stream_id
        for child in self.children(stream_id):
            yield from self.expand(child["id"], trashed=trashed, excluded=excluded)
