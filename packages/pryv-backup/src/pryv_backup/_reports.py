"""The reports of a backup, of its verification and of a restore."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class Failure:
    """Something that could not be copied.

    Attributes:
        what: Its kind and id, such as `attachment EVENT/FILE`.
        reason: The message of the error.
    """

    what: str
    reason: str


@attrs.frozen
class BackupReport:
    """The report of a backup.

    Attributes:
        events: Events that are new or changed since the last backup.
        deletions: Deletions that are new since the last backup.
        attachments: Attachments downloaded.
        series: Series written, because their points are new or changed.
        bytes: Bytes written.
        seconds: How long it took.
        incremental: Whether the folder had a backup before.
        complete: Whether the folder has all that the token may read.
        unreadable: What the token may not read, such as `account`.
        failed: What the token may read, but could not be read. The next backup tries again.
    """

    events: int
    deletions: int
    attachments: int
    series: int
    bytes: int
    seconds: float
    incremental: bool
    complete: bool
    unreadable: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()


@attrs.frozen
class Verification:
    """The result of a verification: paths in the folder, with `/` on each system.

    Attributes:
        ok: Whether every file of the manifest is as it was written, and there are no others.
        mismatches: Files with other content than the manifest says, and those that are not regular files.
        missing: Files that are in the manifest only.
        extra: Files that are not in the manifest.
    """

    ok: bool
    mismatches: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


@attrs.frozen
class RestoreReport:
    """The report of a restore.

    Attributes:
        created: Streams and events created.
        skipped: Streams and events whose ids existed.
        failed: What could not be restored. The next restore tries again.
        not_restored: What the backup has, and the API cannot restore.
        ids: The new ids of events, by their ids in the backup, where the platform does not accept those.
    """

    created: int
    skipped: int
    failed: tuple[Failure, ...] = ()
    not_restored: tuple[str, ...] = ()
    ids: Mapping[str, str] = attrs.field(factory=dict, repr=False)
