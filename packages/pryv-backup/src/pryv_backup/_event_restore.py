"""Events, their attachments and points, from a backup into an account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from pryv import ERRORS, ApiError, Call
from pryv_backup import _files
from pryv_backup._documents import Documents
from pryv_backup._errors import BackupError
from pryv_backup._folder import BackupFolder
from pryv_backup._layout import Named, attachments_of, is_series
from pryv_backup._new_event import new_event, problem
from pryv_backup._reports import Failure
from pryv_backup._target import Target, concerns_one_item


@attrs.define
class EventRestore:
    """The restore of the events.

    Attributes:
        archive: The backup.
        target: The account.
        has_attachments: Whether attachments are sent.
        keeps_times: Whether `clientData` get the times.
        ids: The new ids of events, by their ids in the backup, where they differ.
        left_out: The number of events that are fields of the account.
    """

    archive: BackupFolder
    target: Target
    has_attachments: bool
    keeps_times: bool
    ids: dict[str, str] = attrs.field(factory=dict)
    left_out: int = 0
    _series: dict[str, str] = attrs.field(factory=dict)
    """The ids of series in the account, with those in the backup."""
    _trashed: list[str] = attrs.field(factory=list)
    _refused: dict[str, Any] = attrs.field(factory=dict)
    _deleted: set[str] = attrs.field(factory=set)
    _unsure: set[str] = attrs.field(factory=set)
    """The ids of events that existed, of which it matters whether this restore has created them."""

    def create(self) -> None:
        """Create the events, each with its attachments at once."""
        self._deleted = {deletion["id"] for deletion in Documents(self.target.connection).deletions()}
        for number, (call, result) in enumerate(self.target.connection.iter_api(self._event_calls()), 1):
            self._count_event(call.params["id"], result.get("error"))
            self.target.progress("events", number)
        self._look_for_refused()

    def _event_calls(self) -> Iterator[Call]:
        """Yield calls for the events without attachments, and create the others meanwhile."""
        for event in self.archive.events():
            sent = new_event(event, self._deleted, keep_times=self.keeps_times)
            if not sent["streamIds"]:
                self.left_out += 1
                continue
            if sent["id"] != event["id"]:
                self.ids[event["id"]] = sent["id"]
            if event.get("trashed"):
                self._trashed.append(sent["id"])
            if is_series(event):
                self._series[sent["id"]] = event["id"]
            if reason := problem(sent):
                self.target.failed.append(Failure(f"event {event['id']}", reason))
                continue
            attachments = attachments_of(event) if self.has_attachments else []
            if not attachments or not self._create_with_files(event, attachments, sent):
                yield Call("events.create", sent)

    def _create_with_files(self, event: dict[str, Any], attachments: list[Named], sent: dict[str, Any]) -> bool:
        """Create an event with the attachments that are undamaged; return whether there is one."""
        with ExitStack() as stack:
            files = [file for item in attachments if (file := self._file(event["id"], item, stack)) is not None]
            if not files:
                return False
            with self.target.noting(f"event {sent['id']}"):
                try:
                    self.target.connection.create_event_with_files(sent, files)
                    error = None
                except ApiError as refusal:
                    if not concerns_one_item(refusal):
                        raise
                    error = {"id": refusal.id, "message": refusal.message, "data": refusal.data}
                self._count_event(sent["id"], error)
                if error:
                    self._add_missing(sent["id"], files)
        return True

    def _add_missing(self, event_id: str, files: list[tuple[str, BinaryIO]]) -> None:
        """Attach the files that an event of this restore does not have: they were damaged when it was created."""
        [(_, result)] = self.target.connection.iter_api([Call("events.getOne", {"id": event_id})])
        event = result.get("event") or {}
        if not self.target.state.is_own(event):
            return
        found = Counter((item.get("fileName"), item.get("integrity")) for item in event.get("attachments") or ())
        for name, file in files:
            file.seek(0)
            key = name, _files.entry_of_stream(file).integrity
            found[key] -= 1
            if found[key] < 0:
                file.seek(0)
                self.target.connection.add_attachment(event_id, file, name)

    def _file(self, event_id: str, attachment: Named, stack: ExitStack) -> tuple[str, BinaryIO] | None:
        """Open an attachment, if it is as the platform has described it."""
        with self.target.noting(f"attachment {event_id}/{attachment.data['id']}"):
            file = stack.enter_context(_opened(self.archive.path, attachment))
            _check_integrity(file, attachment.data)
            name = attachment.data.get("fileName")
            return (name if isinstance(name, str) and name not in ("", ".", "..") else attachment.data["id"]), file
        return None

    def _count_event(self, event_id: str, error: Any) -> None:
        if error and error.get("id") != ERRORS.ITEM_ALREADY_EXISTS:
            self._refused[event_id] = error
        elif not self.target.count("event", event_id, error):
            self._unsure.add(event_id)

    def _look_for_refused(self) -> None:
        """Count the events that were refused: they may exist, in a stream that is in the trash now."""
        refused, self._refused = self._refused, {}
        calls = (Call("events.getOne", {"id": key}) for key in refused)
        for call, result in self.target.connection.iter_api(calls):
            key = call.params["id"]
            exists = "event" in result and "deleted" not in result["event"]
            if exists:
                self._count_event(key, {"id": ERRORS.ITEM_ALREADY_EXISTS})
            else:
                self.target.fail("event", key, refused[key])

    def _own_events(self, ids: list[str]) -> list[str]:
        """Return those of the events that this restore has created, now or before it was stopped."""
        calls = (Call("events.getOne", {"id": key}) for key in ids if key in self._unsure)
        results = self.target.connection.iter_api(calls)
        others = {
            call.params["id"]
            for call, result in results
            if not self.target.state.is_own(result.get("event") or {}) or result["event"].get("trashed")
        }
        missing = {failure.what.partition(" ")[2] for failure in self.target.failed}
        return [key for key in ids if key not in others and key not in missing]

    def send_points(self) -> None:
        """Send the points of the series that this restore has created. Points sent twice are there once."""
        for number, event_id in enumerate(self._own_events(list(self._series)), 1):
            with self.target.noting(f"series {event_id}"):
                points = self.archive.points(self._series[event_id])
                if points.fields:
                    self.target.connection.add_points_to_hf_event(event_id, points.fields, points.rows())
            self.target.progress("series", number)

    def trash(self) -> None:
        """Put the events into the trash that were in it, if this restore has created them."""
        self.target.trash("event", self._own_events(self._trashed))


def _opened(root: Path, attachment: Named) -> BinaryIO:
    """Open the file of an attachment.

    Raises:
        FileNotFoundError: the backup does not have it.
        BackupError: it is not a regular file.
    """
    for path in filter(None, (attachment.path, attachment.old_path)):
        with suppress(FileNotFoundError):
            return _files.open_regular(root, path)
    raise FileNotFoundError("the backup does not have the file")


def _check_integrity(file: BinaryIO, attachment: dict[str, Any]) -> None:
    """Check the size and the digest of a file, and return to its begin.

    Raises:
        BackupError: one of them differs.
    """
    found = _files.entry_of_stream(file)
    file.seek(0)
    is_same_size = attachment.get("size", found.size) == found.size
    if not is_same_size or attachment.get("integrity", found.integrity) != found.integrity:
        raise BackupError("the file is damaged: its size or its digest is not that of the attachment")
