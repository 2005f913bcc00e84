"""Streams, from a backup into an account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

from pryv import ERRORS, Call
from pryv_backup._folder import BackupFolder
from pryv_backup._new_event import is_of_the_platform, problem
from pryv_backup._reports import Failure
from pryv_backup._target import Target
from pryv_backup._tree import flat

_FIELDS: Final = ("id", "name", "parentId", "clientData")
_EXISTS: Final = {"id": ERRORS.ITEM_ALREADY_EXISTS, "message": "It exists."}


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
        for number, (call, result) in enumerate(self.target.connection.iter_api(self._calls()), 1):
            error = result.get("error")
            is_name_taken = "name" in ((error or {}).get("data") or {})
            self.target.count("stream", call.params["id"], error, is_other=is_name_taken)
            self.target.progress("streams", number)

    def _calls(self) -> Iterator[Call]:
        """Yield calls for the missing streams: an app may use one that exists, and not be allowed to create it."""
        existing = {stream["id"] for stream in self._existing()}
        for stream in self._streams():
            sent = {key: stream[key] for key in _FIELDS if stream.get(key) is not None}
            if stream["id"] in existing:
                self.target.count("stream", stream["id"], _EXISTS)
            elif reason := problem(sent):
                self.target.failed.append(Failure(f"stream {stream['id']}", reason))
            else:
                yield Call("streams.create", sent)

    def trash(self) -> None:
        """Put the streams into the trash that were in it, if this restore has created them."""
        existing = {stream["id"]: stream for stream in self._existing()}
        ids = [stream["id"] for stream in self._streams() if stream.get("trashed")]
        own = [key for key in ids if key in existing and self.target.state.is_own(existing[key])]
        self.target.trash("stream", own)

    def _existing(self) -> Iterator[Any]:
        return flat(self.target.connection.streams.list({"state": "all"}))

    def _streams(self) -> Iterator[Any]:
        return (stream for stream in flat(self.archive.streams()) if not is_of_the_platform(stream["id"]))
