"""Restore a backup into an account."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs

from pryv import ERRORS, ApiError, Call, Connection, InvalidAccessTokenError
from pryv.addons import api_error, is_transient
from pryv_backup import _files
from pryv_backup._documents import Documents
from pryv_backup._errors import BackupError
from pryv_backup._folder import BackupFolder, read
from pryv_backup._layout import Named, attachments_of, is_series
from pryv_backup._manifest import Manifest
from pryv_backup._reports import Failure, RestoreReport
from pryv_backup._restore_state import RestoreState, state_file
from pryv_backup._secrets import unmasked

_KEPT_ID: Final = re.compile(r"[a-z][a-z0-9]{23}|c[a-z0-9-]{24}")
"""The ids that `events.create` accepts."""
_EVENT_FIELDS: Final = ("type", "time", "duration", "content", "description", "clientData")
_STREAM_FIELDS: Final = ("id", "name", "parentId", "clientData")
ON_CONFLICT: Final = ("skip", "fail")
_NOT_RESTORABLE: Final = {
    "account.json": "the account",
    "accesses.json": "accesses",
    "webhooks.json": "webhooks",
    "audit_logs.json": "the audit log",
    "event-deletions.json": "deletions",
}
_TIMES: Final = ("created", "createdBy", "modified", "modifiedBy")


def restore(
    folder: str | os.PathLike[str],
    connection: Connection,
    *,
    streams: bool = True,
    events: bool = True,
    attachments: bool = True,
    series: bool = True,
    profile: bool = False,
    on_conflict: str = "skip",
    keep_times: bool = False,
    state: str | os.PathLike[str] | None = None,
    progress: Callable[[str, int], object] | None = None,
) -> RestoreReport:
    """Restore a backup into an account, an empty or a used one.

    Streams and events get the ids that they had. An event whose id the platform does not accept, such as that of an
    event that was deleted, gets another one, which is the same each time. What exists with the same id stays as it is,
    so a second restore creates nothing again. A restore that was stopped, or had failures, continues when it is started
    again: it also adds the attachments that were missing or damaged.

    Args:
        folder: The folder of the backup, or one above it that has no other backup.
        connection: The account.
        streams: Whether to create streams.
        events: Whether to create events.
        attachments: Whether to send their attachments.
        series: Whether to send the points of series.
        profile: Whether to update the private and the public profile.
        on_conflict: What happens to a stream or event whose id exists: `skip` counts it, `fail` adds it to `failed`
            too.
        keep_times: Whether the `clientData` of an event get the times when it was created and changed, and by whom, as
            `restored`: the platform sets these anew.
        state: The file that keeps when the restore began, until it has ended without failures; by default
            `~/.local/state/pryv-backup/restore-….json`, named by the folder and the account.
        progress: A callback for the progress: it gets `streams`, `events`, `series` or `trash`, and how many there are
            so far.

    Returns:
        The report.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `on_conflict` is unknown.
        BackupError: there is no backup, or a file of it is damaged.
        PryvError: the platform cannot be reached, or refused.
        OSError: a file cannot be read, or the state cannot be written.
    """
    if not isinstance(connection, Connection):
        raise TypeError(f"a backup is restored to a pryv.Connection, not {type(connection).__name__}")
    if on_conflict not in ON_CONFLICT:
        raise ValueError(f"on_conflict is one of {', '.join(ON_CONFLICT)}, not {on_conflict!r}")
    archive = read(folder)
    file = state_file(archive.path, connection) if state is None else Path(os.fsdecode(state))
    run = _Restore(
        archive,
        connection,
        RestoreState.begin(file, connection),
        has_attachments=attachments,
        has_series=series,
        fails_on_conflict=on_conflict == "fail",
        keeps_times=keep_times,
        progress=progress or (lambda *_: None),
    )
    if streams:
        run.create_streams()
    if events:
        run.create_events()
        run.send_points()
        run.trash_events()
    if streams:
        run.trash_streams()
    if profile:
        run.update_profiles()
    if not run.failed:
        run.state.end()
    return run.report()


@attrs.define
class _Restore:
    """One restore.

    Attributes:
        archive: The backup.
        connection: The account.
        state: When the restore began.
        has_attachments: Whether attachments are sent.
        has_series: Whether the points of series are sent.
        fails_on_conflict: Whether an id that exists is a failure.
        keeps_times: Whether `clientData` get the times.
        progress: The callback.
    """

    archive: BackupFolder
    connection: Connection
    state: RestoreState
    has_attachments: bool
    has_series: bool
    fails_on_conflict: bool
    keeps_times: bool
    progress: Callable[[str, int], object]
    created: int = 0
    skipped: int = 0
    failed: list[Failure] = attrs.field(factory=list)
    ids: dict[str, str] = attrs.field(factory=dict)
    left_out: int = 0
    _series: dict[str, str] = attrs.field(factory=dict)
    """The ids of series in the account, with those in the backup."""
    _trashed: list[str] = attrs.field(factory=list)
    _refused: dict[str, Any] = attrs.field(factory=dict)
    _deleted: set[str] = attrs.field(factory=set)
    _unsure: set[str] = attrs.field(factory=set)
    """The ids of events that existed, of which it matters whether this restore has created them."""

    # ---- streams

    def create_streams(self) -> None:
        """Create the streams, parents first."""
        existing = {stream["id"] for stream in _flat(self.connection.streams.list({"state": "all"}))}
        calls = (
            Call("streams.create", {key: stream[key] for key in _STREAM_FIELDS if stream.get(key) is not None})
            for stream in self._streams()
            if not self._exists(stream["id"], existing)
        )
        for number, (call, result) in enumerate(self.connection.iter_api(calls), 1):
            error = result.get("error")
            is_name_taken = "name" in ((error or {}).get("data") or {})
            self._count("stream", call.params["id"], error, is_other=is_name_taken)
            self.progress("streams", number)

    def _exists(self, stream_id: str, existing: Collection[str]) -> bool:
        """Return whether a stream exists, and count it then: an app may use it, and not be allowed to create one."""
        if stream_id in existing:
            self._count("stream", stream_id, {"id": ERRORS.ITEM_ALREADY_EXISTS, "message": "It exists."})
        return stream_id in existing

    def trash_streams(self) -> None:
        """Put the streams into the trash that were in it, if this restore has created them."""
        found = {stream["id"]: stream for stream in _flat(self.connection.streams.list({"state": "all"}))}
        ids = [stream["id"] for stream in self._streams() if stream.get("trashed")]
        self._trash("stream", [key for key in ids if key in found and self.state.is_own(found[key])])

    def _streams(self) -> Iterator[Any]:
        return (stream for stream in _flat(self.archive.streams()) if not _is_of_the_platform(stream["id"]))

    # ---- events

    def create_events(self) -> None:
        """Create the events, each with its attachments at once."""
        self._deleted = {deletion["id"] for deletion in Documents(self.connection).deletions()}
        for number, (call, result) in enumerate(self.connection.iter_api(self._event_calls()), 1):
            self._count_event(call.params["id"], result.get("error"))
            self.progress("events", number)
        self._look_for_refused()

    def _event_calls(self) -> Iterator[Call]:
        """Yield calls for the events without attachments, and create the others meanwhile."""
        for event in self.archive.events():
            stream_ids = [key for key in event.get("streamIds") or () if not _is_of_the_platform(key)]
            if not stream_ids:
                self.left_out += 1
                continue
            sent = self._new_event(event, stream_ids)
            if sent["id"] != event["id"]:
                self.ids[event["id"]] = sent["id"]
            if event.get("trashed"):
                self._trashed.append(sent["id"])
            if is_series(event):
                self._series[sent["id"]] = event["id"]
            problem = _problem(sent)
            if problem:
                self.failed.append(Failure(f"event {event['id']}", problem))
                continue
            attachments = attachments_of(event) if self.has_attachments else []
            if not attachments or not self._create_with_files(event, attachments, sent):
                yield Call("events.create", sent)

    def _new_event(self, event: dict[str, Any], stream_ids: list[str]) -> dict[str, Any]:
        left_out = ("content", "duration") if is_series(event) else ()
        fields: dict[str, Any] = {key: event[key] for key in _EVENT_FIELDS if key in event and key not in left_out}
        if self.keeps_times:
            times = {key: event[key] for key in _TIMES if key in event}
            fields["clientData"] = {**(fields.get("clientData") or {}), "restored": times}
        return {"id": restored_id(event["id"], self._deleted), "streamIds": stream_ids, **fields}

    def _create_with_files(self, event: dict[str, Any], attachments: list[Named], sent: dict[str, Any]) -> bool:
        """Create an event with the attachments that are undamaged; return whether there is one."""
        with ExitStack() as stack:
            files = [file for item in attachments if (file := self._file(event["id"], item, stack)) is not None]
            if not files:
                return False
            with self._noting(f"event {sent['id']}"):
                try:
                    self.connection.create_event_with_files(sent, files)
                    error = None
                except ApiError as refusal:
                    if isinstance(refusal, InvalidAccessTokenError) or is_transient(refusal):
                        raise
                    error = {"id": refusal.id, "message": refusal.message, "data": refusal.data}
                self._count_event(sent["id"], error)
                if error:
                    self._add_missing(sent["id"], files)
        return True

    def _add_missing(self, event_id: str, files: list[tuple[str, BinaryIO]]) -> None:
        """Attach the files that an event of this restore does not have: they were damaged when it was created."""
        [(_, result)] = self.connection.iter_api([Call("events.getOne", {"id": event_id})])
        event = result.get("event") or {}
        if not self.state.is_own(event):
            return
        found = Counter((item.get("fileName"), item.get("integrity")) for item in event.get("attachments") or ())
        for name, file in files:
            file.seek(0)
            key = name, _files.entry_of_stream(file).integrity
            found[key] -= 1
            if found[key] < 0:
                file.seek(0)
                self.connection.add_attachment(event_id, file, name)

    def _file(self, event_id: str, attachment: Named, stack: ExitStack) -> tuple[str, BinaryIO] | None:
        """Open an attachment, if it is as the platform has described it."""
        with self._noting(f"attachment {event_id}/{attachment.data['id']}"):
            path = self.archive.attachment_of(event_id, attachment).relative_to(self.archive.path)
            file = stack.enter_context(_files.open_regular(self.archive.path, path.as_posix()))
            _check_integrity(file, attachment.data)
            name = attachment.data.get("fileName")
            return (name if isinstance(name, str) and name not in ("", ".", "..") else attachment.data["id"]), file
        return None

    def _count_event(self, event_id: str, error: Any) -> None:
        if error and error.get("id") != ERRORS.ITEM_ALREADY_EXISTS:
            self._refused[event_id] = error
        elif not self._count("event", event_id, error):
            self._unsure.add(event_id)

    def _look_for_refused(self) -> None:
        """Count the events that were refused: they may exist, in a stream that is in the trash now."""
        refused, self._refused = self._refused, {}
        calls = (Call("events.getOne", {"id": key}) for key in refused)
        for call, result in self.connection.iter_api(calls):
            key = call.params["id"]
            exists = "event" in result and "deleted" not in result["event"]
            if exists:
                self._count_event(key, {"id": ERRORS.ITEM_ALREADY_EXISTS})
            else:
                self._fail("event", key, refused[key])

    def _own_events(self, ids: list[str]) -> list[str]:
        """Return those of the events that this restore has created, now or before it was stopped."""
        calls = (Call("events.getOne", {"id": key}) for key in ids if key in self._unsure)
        results = self.connection.iter_api(calls)
        others = {
            call.params["id"]
            for call, result in results
            if not self.state.is_own(result.get("event") or {}) or result["event"].get("trashed")
        }
        missing = {failure.what.partition(" ")[2] for failure in self.failed}
        return [key for key in ids if key not in others and key not in missing]

    # ---- series, trash, profiles

    def send_points(self) -> None:
        """Send the points of the series that this restore has created. Points sent twice are there once."""
        if not self.has_series:
            return
        for number, event_id in enumerate(self._own_events(list(self._series)), 1):
            with self._noting(f"series {event_id}"):
                points = self.archive.points(self._series[event_id])
                if points.fields:
                    self.connection.add_points_to_hf_event(event_id, points.fields, points.rows())
            self.progress("series", number)

    def trash_events(self) -> None:
        """Put the events into the trash that were in it, if this restore has created them."""
        self._trash("event", self._own_events(self._trashed))

    def _trash(self, kind: str, ids: list[str]) -> None:
        calls = (Call(f"{kind}s.update", {"id": key, "update": {"trashed": True}}) for key in ids)
        for number, (call, result) in enumerate(self.connection.iter_api(calls), 1):
            if "error" in result:
                self._fail(kind, call.params["id"], result["error"])
            self.progress("trash", number)

    def update_profiles(self) -> None:
        """Update the private and the public profile; secrets that the backup does not have stay as they are."""
        manifest = Manifest.read(self.archive.path)
        for name in ("private", "public"):
            file = f"profile_{name}.json"
            if (self.archive.path / file).exists():
                profile = self.archive.document(file).get("profile") or {}
                with self._noting(f"profile {name}"):
                    if manifest is None or not manifest.secrets:
                        profile = unmasked(profile, self.connection.get(f"profile/{name}").get("profile"))
                    self.connection.put(f"profile/{name}", {key: profile[key] for key in profile if key != "mfa"})

    # ---- the report

    def report(self) -> RestoreReport:
        """Return the report."""
        found = [text for name, text in _NOT_RESTORABLE.items() if (self.archive.path / name).exists()]
        if self.left_out:
            found.append(f"{self.left_out} fields of the account")
        if not self.keeps_times:
            found.append("the times when events were created and changed")
        return RestoreReport(
            created=self.created,
            skipped=self.skipped,
            failed=tuple(self.failed),
            not_restored=tuple(found),
            ids=self.ids,
        )

    def _count(self, kind: str, id: str, error: Any, *, is_other: bool = False) -> bool:
        """Count an item, and return whether it was created.

        Args:
            kind: Its kind.
            id: Its id.
            error: The error that the platform returned, if any.
            is_other: Whether another item exists, not this one.
        """
        if not error:
            self.created += 1
            return True
        if error.get("id") == ERRORS.ITEM_ALREADY_EXISTS and not is_other:
            self.skipped += 1
            if not self.fails_on_conflict:
                return False
        self._fail(kind, id, error)
        return False

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Note a failure of one item; others, such as a connection that breaks, end the restore."""
        try:
            yield
        except (ApiError, BackupError, FileNotFoundError, TypeError, ValueError) as error:
            if isinstance(error, InvalidAccessTokenError) or is_transient(error):
                raise
            self.failed.append(Failure(what, str(error)))

    def _fail(self, kind: str, id: str, error: Any) -> None:
        self.failed.append(Failure(f"{kind} {id}", str(api_error(error))))


def restored_id(event_id: str, deleted: Collection[str] = ()) -> str:
    """Return the id that an event gets: its own, if the platform accepts it, otherwise always the same other one.

    Args:
        event_id: Its id in the backup.
        deleted: The ids that events of the account had; the platform does not accept them again.
    """
    while not _KEPT_ID.fullmatch(event_id) or event_id in deleted:
        event_id = f"r{hashlib.sha256(event_id.encode('utf-8', 'surrogatepass')).hexdigest()[:23]}"
    return event_id


def _problem(event: dict[str, Any]) -> str | None:
    """Return why an event cannot be sent: `json` reads more than JSON has in UTF-8."""
    try:
        json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return "a lone surrogate has no UTF-8 form"
    except ValueError:
        return "a number is not finite"
    return None


def _is_of_the_platform(stream_id: str) -> bool:
    return stream_id.startswith((":", "."))


def _flat(tree: Any) -> Iterator[Any]:
    """Yield the streams of a tree, parents first."""
    left = list(reversed(tree))
    while left:
        stream = left.pop()
        yield stream
        left += reversed(stream.get("children") or [])


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
