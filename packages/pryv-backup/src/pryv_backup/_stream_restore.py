"""Streams, from a backup into an account."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import attrs

from pryv import ERRORS, Call
from pryv_backup._folder import BackupFolder
from pryv_backup._new_event import is_of_the_platform
from pryv_backup._target import Target

_FIELDS: Final = ("id", "name", "parentId", "clientData")


@attrs.frozen
class StreamRestore:
    """The restore of the streams.

    Attributes:
        archive: The backup.
        target: The account.
    """

    archive: BackupFolder
    target: Target

    def create(self) -> None:
        """Create the streams, parents first."""
        existing = {stream["id"] for stream in self._existing()}
        calls = (
            Call("streams.create", {key: stream[key] for key in _FIELDS if stream.get(key) is not None})
            for stream in self._streams()
            if not self._exists(stream["id"], existing)
        )
        for number, (call, result) in enumerate(self.target.connection.iter_api(calls), 1):
            error = result.get("error")
            is_name_taken = "name" in ((error or {}).get("data") or {})
            self.target.count("stream", call.params["id"], error, is_other=is_name_taken)
            self.target.progress("streams", number)

    def trash(self) -> None:
        """Put the streams into the trash that were in it, if this restore has created them."""
        existing = {stream["id"]: stream for stream in self._existing()}
        ids = [stream["id"] for stream in self._streams() if stream.get("trashed")]
        own = [key for key in ids if key in existing and self.target.state.is_own(existing[key])]
        self.target.trash("stream", own)

    def _exists(self, stream_id: str, existing: Collection[str]) -> bool:
        """Return whether a stream exists, and count it then: an app may use it, and not be allowed to create one."""
        if stream_id in existing:
            self.target.count("stream", stream_id, {"id": ERRORS.ITEM_ALREADY_EXISTS, "message": "It exists."})
        return stream_id in existing

    def _existing(self) -> Iterator[Any]:
        return _flat(self.target.connection.streams.list({"state": "all"}))

    def _streams(self) -> Iterator[Any]:
        return (stream for stream in _flat(self.archive.streams()) if not is_of_the_platform(stream["id"]))


def _flat(tree: Any) -> Iterator[Any]:
    """Yield the streams of a tree, parents first."""
    left = list(reversed(tree))
    while left:
        stream = left.pop()
        yield stream
        left += reversed(stream.get("children") or [])
