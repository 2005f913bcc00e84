"""Restore a backup into an account."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pryv import Connection
from pryv.addons import require_callback
from pryv_backup._event_restore import EventRestore
from pryv_backup._folder import BackupFolder, read
from pryv_backup._manifest import Manifest
from pryv_backup._reports import RestoreReport
from pryv_backup._restore_state import RestoreState, state_file
from pryv_backup._secrets import unmasked
from pryv_backup._stream_restore import StreamRestore
from pryv_backup._target import Target

ON_CONFLICT: Final = ("skip", "fail")
_NOT_RESTORABLE: Final = {
    "account.json": "the account",
    "accesses.json": "accesses",
    "webhooks.json": "webhooks",
    "audit_logs.json": "the audit log",
    "event-deletions.json": "deletions",
}


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
    if progress is not None:
        require_callback(progress, "progress")
    archive = read(folder)
    file = state_file(archive.path, connection) if state is None else Path(os.fsdecode(state))
    target = Target(
        connection, RestoreState.begin(file, connection), progress or (lambda *_: None), on_conflict == "fail"
    )
    stream_restore = StreamRestore(archive, target)
    event_restore = EventRestore(archive, target, attachments, keep_times)
    if streams:
        stream_restore.create()
    if events:
        event_restore.create()
        if series:
            event_restore.send_points()
        event_restore.trash()
    if streams:
        stream_restore.trash()
    if profile:
        _update_profiles(archive, target)
    if not target.failed:
        target.state.end()
    return RestoreReport(
        created=target.created,
        skipped=target.skipped,
        failed=tuple(target.failed),
        not_restored=tuple(_not_restored(archive, event_restore)),
        ids=event_restore.ids,
    )


def _update_profiles(archive: BackupFolder, target: Target) -> None:
    """Update the private and the public profile; secrets that the backup does not have stay as they are."""
    manifest = Manifest.read(archive.path)
    for name in ("private", "public"):
        file = f"profile_{name}.json"
        if (archive.path / file).exists():
            profile = archive.document(file).get("profile") or {}
            with target.noting(f"profile {name}"):
                if manifest is None or not manifest.secrets:
                    profile = unmasked(profile, target.connection.get(f"profile/{name}").get("profile"))
                target.connection.put(f"profile/{name}", {key: profile[key] for key in profile if key != "mfa"})


def _not_restored(archive: BackupFolder, events: EventRestore) -> list[str]:
    """Return what the backup has, and the API cannot restore."""
    found = [text for name, text in _NOT_RESTORABLE.items() if (archive.path / name).exists()]
    if events.left_out:
        found.append(f"{events.left_out} fields of the account")
    if not events.keeps_times:
        found.append("the times when events were created and changed")
    return found
