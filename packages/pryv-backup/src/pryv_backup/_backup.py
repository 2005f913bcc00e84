"""A backup: the account is copied into a mirror, from which the files of the archive are written."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import attrs

from pryv import Connection
from pryv.addons import require_callback
from pryv_backup import _files
from pryv_backup._archive import DOCUMENTS, EVENTS, Archive
from pryv_backup._content import Content
from pryv_backup._documents import Documents, known_tokens, write_items, write_json
from pryv_backup._errors import BackupError
from pryv_backup._files import Entry
from pryv_backup._layout import AUDIT, DELETIONS, FAR, STATE, STREAMS, events_file
from pryv_backup._manifest import Manifest
from pryv_backup._mirror import MaskedMirror
from pryv_backup._reports import BackupReport
from pryv_backup._secrets import Secrets
from pryv_backup._tree import flat
from pryv_monitor import Anchor, AnchorCorruptError, AnchorMismatchError, Monitor, SQLiteMirror, SyncReport

Progress = Callable[[str, int], object]
"""Gets what is copied (`changes`, `events`, `attachments`, `series`, `audit`) and how many there are so far."""

_FILES: Final = {"deletions": DELETIONS, "audit": AUDIT}
"""The files in which what is counted is."""
_MIRRORS: Final = {False: "mirror.db", True: "mirror-with-secrets.db"}


@attrs.frozen
class Options:
    """What a backup copies; see `backup`."""

    attachments: bool = attrs.field(converter=bool)
    series: bool = attrs.field(converter=bool)
    trashed: bool = attrs.field(converter=bool)
    deletions: bool = attrs.field(converter=bool)
    audit: bool = attrs.field(converter=bool)
    webhooks: bool = attrs.field(converter=bool)
    access_history: bool = attrs.field(converter=bool)
    secrets: bool = attrs.field(converter=bool)


def backup(
    connection: Connection,
    folder: str | os.PathLike[str],
    *,
    attachments: bool = True,
    series: bool = True,
    trashed: bool = True,
    deletions: bool = True,
    audit: bool = True,
    webhooks: bool = True,
    access_history: bool = False,
    secrets: bool = False,
    progress: Progress | None = None,
    full: bool = False,
    adopt: bool = False,
    error_tolerance: float = 0,
) -> BackupReport:
    """Back up an account into a folder, or bring the backup in it up to date.

    After it, the folder is a copy of all that the token may read, as of the moment when it began or later. After a
    backup that was stopped or killed, the next one continues. Each file is replaced as a whole.

    Args:
        connection: The account.
        folder: The folder: a new or empty one, or one with a backup of this account. It is made with its parents,
            and only its owner can use it. A symbolic link to it is followed.
        attachments: Whether to copy attachments.
        series: Whether to copy the points of series events. They are read in each backup, because the platform does not
            report which of them changed.
        trashed: Whether to copy events in the trash.
        deletions: Whether to copy the ids of deleted events.
        audit: Whether to copy the audit log.
        webhooks: Whether to copy webhooks.
        access_history: Whether to copy the former versions of accesses.
        secrets: Whether to keep tokens and recovery codes, which are otherwise replaced by empty texts.
        progress: A callback for the progress: it gets what is copied, such as `events`, and how many there are so far.
        full: Whether to read all events again, and drop those that are gone without a report by the platform.
        adopt: Whether to continue a backup that was made with another access to the same account.
        error_tolerance: Seconds for which the reading of events is retried after transient failures.

    Returns:
        The report. If `complete` is `False`, make the backup again.

    Raises:
        TypeError: an argument has the wrong type.
        BackupError: the folder has something else in it, the backup of another account or access, or a damaged one.
        AnchorLockedError: another backup into the folder is running.
        PryvError: the platform cannot be reached, or refused.
        OSError: a file cannot be written.
    """
    if not isinstance(connection, Connection):
        raise TypeError(f"a backup is made of a pryv.Connection, not {type(connection).__name__}")
    if progress is not None:
        require_callback(progress, "progress")
    options = Options(attachments, series, trashed, deletions, audit, webhooks, access_history, secrets)
    root = Path(os.path.realpath(os.fsdecode(folder)))
    _prepare(root)
    mirror = SQLiteMirror(root / STATE / _MIRRORS[options.secrets])
    other = SQLiteMirror(root / STATE / _MIRRORS[not options.secrets])
    has_other = os.path.exists(other.path)
    try:
        with mirror.lock():
            with other.lock() if has_other else nullcontext():
                _make_private(root / STATE)
                archive = _archive(root, options, has_other=has_other)
                run = _Run(connection, archive, options, mirror, progress or (lambda *_: None))
                report = run.run(full=full, adopt=adopt, error_tolerance=error_tolerance)
            if has_other:
                other.reset()
            return report
    except AnchorCorruptError:
        raise BackupError(f"{root / STATE} is damaged: remove it, and the next run reads everything again") from None


def _prepare(root: Path) -> None:
    """Make the folder if there is none.

    Raises:
        BackupError: it has something else in it.
    """
    others = set(os.listdir(root)) - {STATE} if root.is_dir() else set()
    if others and not any(os.path.exists(root / STATE / name) for name in _MIRRORS.values()):
        manifest = Manifest.read(root)
        if manifest is None or manifest.anchor is None:
            raise BackupError(f"{root}: not empty, and no backup that can be continued; choose an empty folder")
    _files.make_parents(root)
    _files.make_directory(root)
    _files.make_directory(root / STATE)


def _archive(root: Path, options: Options, *, has_other: bool) -> Archive:
    """Return the archive in the folder; what may have secrets is not kept in it by a backup without them.

    Args:
        root: The folder.
        options: What is copied.
        has_other: Whether there is a mirror of a backup with the other choice about secrets, even of one that was
            killed before it wrote a manifest.
    """
    manifest = Manifest.read(root)
    archive = Archive(root, manifest or Manifest({}))
    if not options.secrets and (manifest is None or manifest.secrets or has_other):
        archive.begin(EVENTS)
        archive.begin(DOCUMENTS)
    return archive


def _make_private(directory: Path) -> None:
    """Take the permissions of others from files, such as the file of the lock."""
    for name in os.listdir(directory):
        if _files.size_of(directory / name) is not None:
            os.chmod(directory / name, _files.PRIVATE_FILE)


class _Run:
    """One backup into a folder that is locked.

    Args:
        connection: The account.
        archive: The folder.
        options: What is copied.
        mirror: The copy of the events, which is locked.
        progress: The callback.
    """

    def __init__(
        self, connection: Connection, archive: Archive, options: Options, mirror: SQLiteMirror, progress: Progress
    ) -> None:
        self._connection = connection
        self._archive = archive
        self._options = options
        self._mirror = mirror
        self._progress = progress
        self._documents = Documents(connection)
        self._content = Content(connection, archive, progress)
        self._secrets: Secrets | None = None
        self._counts: Counter[str] = Counter()
        self._read = 0

    def run(self, *, full: bool, adopt: bool, error_tolerance: float) -> BackupReport:
        """Make the backup."""
        begin, options, before = time.monotonic(), self._options, self._archive.before
        self._archive.remove_temporary()
        accesses = self._documents.accesses()
        if not options.secrets:
            self._secrets = Secrets(known_tokens(self._connection, accesses))
        was_written = self._archive.has_events_of(self._anchor(), trashed=options.trashed)
        synced = self._sync(full=full, adopt=adopt, error_tolerance=error_tolerance)
        self._write_streams()
        if was_written and _is_empty(synced):
            self._counts["events"] = before.counts.get("events", 0)
        else:
            self._write_events()
        self._write_documents(accesses)
        self._content.copy(self._events(), attachments=options.attachments, series=options.series)
        self._archive.finish(self._manifest)
        return BackupReport(
            events=synced.events,
            deletions=max(0, self._counts["deletions"] - before.counts.get("deletions", 0)),
            attachments=self._content.downloaded,
            series=self._content.written,
            bytes=self._archive.bytes,
            seconds=time.monotonic() - begin,
            incremental=before.anchor is not None,
            complete=not self._content.failed,
            unreadable=tuple(self._documents.unreadable),
            failed=tuple(self._content.failed),
        )

    def _manifest(self, entries: dict[str, Entry]) -> Manifest:
        counts = self._archive.before.counts
        before = {key: count for key, count in counts.items() if _FILES.get(key, STREAMS) in entries}
        return Manifest(
            entries,
            {**before, **self._counts, **self._content.counts},
            tuple(self._documents.unreadable),
            self._anchor(),
            self._options.secrets,
            self._options.trashed,
            self._connection.endpoint,
        )

    def _anchor(self) -> str:
        anchor = self._mirror.load()
        return "" if anchor is None else anchor.dumps()

    # ---- events

    def _sync(self, *, full: bool, adopt: bool, error_tolerance: float) -> SyncReport:
        text = self._archive.before.anchor
        owner = Anchor.loads(text) if text else None
        monitor = Monitor(self._connection, mirror=MaskedMirror(self._mirror, self._received, owner))
        try:
            if adopt:
                monitor.adopt()
            return monitor.sync(full=full, error_tolerance=error_tolerance)
        except AnchorMismatchError as error:
            if error.differs == "access":
                message = "was made with another access to this account; to continue with this access, adopt it"
            else:
                message = "has the backup of another account; choose another folder"
            raise BackupError(f"{self._archive.root} {message}") from None

    def _received(self, data: Any, text: str) -> tuple[Any, str]:
        """Count what the platform sends, and remove secrets from it."""
        self._read += 1
        self._progress("changes", self._read)
        return (data, text) if self._secrets is None else self._secrets.item(data, text)

    def _events(self) -> Iterator[dict[str, Any]]:
        params: dict[str, Any] = {"state": "all" if self._options.trashed else "default", "sortAscending": True}
        return self._mirror.events(params)

    def _write_events(self) -> None:
        self._archive.begin(EVENTS)
        self._counts["events"] = 0
        has_far = False
        for name, events in itertools.groupby(self._events(), key=_file_of):
            if name == FAR:  # both the earliest and the latest
                has_far = True
            else:
                self._write_items(name, "events", events)
        if has_far:
            self._write_items(FAR, "events", (event for event in self._events() if _file_of(event) == FAR))

    # ---- documents

    def _write_streams(self) -> None:
        tree = self._mirror.streams()
        self._counts["streams"] = sum(1 for _ in flat(tree))
        self._archive.write(STREAMS, lambda file: write_json(file, {"streams": tree, "meta": {}}))

    def _write_documents(self, accesses: dict[str, Any]) -> None:
        options, documents = self._options, {**accesses, **self._documents.account()}
        if options.webhooks:
            documents |= self._documents.webhooks()
        if options.access_history:
            documents |= self._documents.histories(accesses.get("accesses.json", {}).get("accesses") or ())
        for name, body in documents.items():
            self._write_document(name, body)
        if options.deletions:
            self._counts["deletions"] = 0
            self._write_items(DELETIONS, "deletions", self._documents.deletions(), "eventDeletions")
        audit = self._documents.audit() if options.audit else None
        if audit is not None:
            self._counts["audit"] = 0
            self._write_items(AUDIT, "audit", map(self._masked, audit))

    def _write_document(self, name: str, body: Any) -> None:
        self._archive.write(name, lambda file: write_json(file, self._masked(body)))

    def _masked(self, document: Any) -> Any:
        return document if self._secrets is None else self._secrets.document(document)

    def _write_items(self, name: str, counted: str, items: Iterable[Any], key: str = "events") -> None:
        self._archive.write(name, lambda file: write_items(file, key, self._counting(counted, items)))

    def _counting(self, counted: str, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            yield item
            self._counts[counted] += 1
            self._progress(counted, self._counts[counted])


def _is_empty(report: SyncReport) -> bool:
    return not (report.events or report.event_deletions or report.streams_changed)


def _file_of(event: dict[str, Any]) -> str:
    return events_file(event["time"])
