"""A backup: the account is copied into a mirror, from which the files of the archive are written."""

from __future__ import annotations

import base64
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import attrs

from pryv import ApiError, Connection, IntegrityError, InvalidAccessTokenError, Series
from pryv.addons import is_transient
from pryv_backup import _files
from pryv_backup._documents import Documents, known_tokens, write_items, write_json
from pryv_backup._errors import BackupError
from pryv_backup._files import Entry, HashingWriter
from pryv_backup._layout import (
    ATTACHMENTS,
    DELETIONS,
    FAR,
    MANIFEST,
    SERIES,
    STATE,
    STREAMS,
    attachments_of,
    events_file,
    is_events_file,
    is_series,
    series_file,
)
from pryv_backup._manifest import Manifest
from pryv_backup._mirror import LockedMirror
from pryv_backup._reports import BackupReport, Failure
from pryv_backup._secrets import Secrets
from pryv_monitor import Anchor, AnchorCorruptError, AnchorMismatchError, Monitor, SQLiteMirror, SyncReport

Progress = Callable[[str, int], object]
"""Gets what is copied (`events`, `attachments`, `series`, `audit`) and how many there are so far."""

_MIRRORS: Final = {False: "mirror.db", True: "mirror-with-secrets.db"}
_ROWS: Final = 500


@attrs.frozen
class Options:
    """What a backup copies; see `backup`."""

    attachments: bool = True
    series: bool = True
    trashed: bool = True
    deletions: bool = True
    audit: bool = True
    webhooks: bool = True
    access_history: bool = False
    secrets: bool = False


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
        folder: The folder: a new or empty one, or one with a backup of this account. It is made if its parent exists,
            and only its owner can use it.
        attachments: Whether to copy attachments.
        series: Whether to copy the points of series events. They are read in each backup, because the platform does not
            report which of them changed.
        trashed: Whether to copy events in the trash.
        deletions: Whether to copy the ids of deleted events.
        audit: Whether to copy the audit log.
        webhooks: Whether to copy webhooks.
        access_history: Whether to copy the former versions of accesses.
        secrets: Whether to keep tokens and recovery codes, which are otherwise replaced by empty texts.
        progress: A callback for the progress.
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
    options = Options(
        bool(attachments),
        bool(series),
        bool(trashed),
        bool(deletions),
        bool(audit),
        bool(webhooks),
        bool(access_history),
        bool(secrets),
    )
    root = Path(os.path.abspath(os.fsdecode(folder)))
    _prepare(root)
    mirror = SQLiteMirror(root / STATE / _MIRRORS[options.secrets])
    other = root / STATE / _MIRRORS[not options.secrets]
    if other.exists():
        SQLiteMirror(other).reset()
    try:
        with mirror.lock():
            _make_private(root / STATE)
            run = _Run(connection, root, options, Manifest.read(root), mirror, progress or (lambda *_: None))
            return run.run(full=full, adopt=adopt, error_tolerance=error_tolerance)
    except AnchorCorruptError:
        raise BackupError(f"{root / STATE} is damaged: remove it, and the next run reads everything again") from None


def _prepare(root: Path) -> None:
    """Make the folder if there is none.

    Raises:
        BackupError: it has something else in it.
    """
    found = set(os.listdir(root)) if root.is_dir() else set()
    if found and STATE not in found:
        manifest = Manifest.read(root)
        if manifest is None or manifest.anchor is None:
            raise BackupError(f"{root}: not empty, and no backup that can be continued; choose an empty folder")
    _files.make_directory(root)
    _files.make_directory(root / STATE)


def _make_private(directory: Path) -> None:
    """Take the permissions of others from files, such as the file of the lock."""
    for name in os.listdir(directory):
        os.chmod(directory / name, _files.PRIVATE_FILE)


class _Run:
    """One backup into a folder that is locked.

    Args:
        connection: The account.
        root: The folder.
        options: What is copied.
        before: The manifest of the last backup.
        mirror: The copy of the events, which is locked.
        progress: The callback.
    """

    def __init__(
        self,
        connection: Connection,
        root: Path,
        options: Options,
        before: Manifest | None,
        mirror: SQLiteMirror,
        progress: Progress,
    ) -> None:
        self._connection = connection
        self._root = root
        self._options = options
        self._before = before or Manifest({})
        self._incremental = before is not None
        self._mirror = mirror
        self._progress = progress
        self._documents = Documents(connection)
        self._secrets = Secrets(())
        self._entries: dict[str, Entry] = {}
        self._stages: set[str] = set()
        self._counts: dict[str, int] = {}
        self._failed: list[Failure] = []
        self._bytes = 0
        self._downloaded = 0
        self._series_written = 0

    def run(self, *, full: bool, adopt: bool, error_tolerance: float) -> BackupReport:
        """Make the backup."""
        begin = time.monotonic()
        self._remove_temporary()
        accesses = self._documents.accesses()
        if not self._options.secrets:
            self._secrets = Secrets(known_tokens(self._connection, accesses))
        is_written = self._has_files_of(self._mirror.load())
        synced = self._sync(full=full, adopt=adopt, error_tolerance=error_tolerance)
        self._write_streams()
        if not (is_written and _is_empty(synced)):
            self._write_events()
        self._write_deletions()
        self._write_documents(accesses)
        self._write_audit()
        self._copy_content()
        self._finish()
        return BackupReport(
            events=synced.events,
            deletions=max(0, self._counts.get("deletions", 0) - self._before.counts.get("deletions", 0)),
            attachments=self._downloaded,
            series=self._series_written,
            bytes=self._bytes,
            seconds=time.monotonic() - begin,
            incremental=self._incremental,
            complete=not self._failed,
            unreadable=tuple(self._documents.unreadable),
            failed=tuple(self._failed),
        )

    def _sync(self, *, full: bool, adopt: bool, error_tolerance: float) -> SyncReport:
        owner = self._before.anchor and Anchor.loads(self._before.anchor)
        monitor = Monitor(self._connection, mirror=LockedMirror(self._mirror, self._masked, owner or None))
        try:
            if adopt:
                monitor.adopt()
            return monitor.sync(full=full, error_tolerance=error_tolerance)
        except AnchorMismatchError as error:
            if error.differs == "access":
                message = "was made with another access to this account; to continue with this access, adopt it"
            else:
                message = "has the backup of another account; choose another folder"
            raise BackupError(f"{self._root} {message}") from None

    def _masked(self, data: Any, text: str) -> tuple[Any, str]:
        return (data, text) if self._options.secrets else self._secrets.item(data, text)

    # ---- the documents

    def _write_streams(self) -> None:
        tree = self._mirror.streams()
        self._counts["streams"] = sum(1 for _ in _flat(tree))
        self._write(STREAMS, lambda file: write_json(file, {"streams": tree, "meta": {}}))

    def _write_events(self) -> None:
        self._stages.add("events")
        self._counts["events"] = 0
        has_far = False
        for name, events in itertools.groupby(self._events(), key=_file_of):
            if name == FAR:  # both the earliest and the latest
                has_far = True
            else:
                self._write_items(name, "events", events)
        if has_far:
            self._write_items(FAR, "events", (event for event in self._events() if _file_of(event) == FAR))

    def _has_files_of(self, anchor: Anchor | None) -> bool:
        """Return whether the files of events are those of the mirror in the state of an anchor."""
        before = self._before
        if anchor is None or before.anchor != anchor.dumps() or before.trashed != self._options.trashed:
            return False
        files = {path: entry for path, entry in before.entries.items() if _stage_of(path) == "events"}
        return all(_files.size_of(self._root / path) == entry.size for path, entry in files.items())

    def _events(self) -> Iterator[dict[str, Any]]:
        params: dict[str, Any] = {"state": "all" if self._options.trashed else "default", "sortAscending": True}
        return self._mirror.events(params)

    def _write_deletions(self) -> None:
        if self._options.deletions:
            self._write_items(DELETIONS, "deletions", self._documents.deletions(), "eventDeletions")

    def _write_documents(self, accesses: dict[str, Any]) -> None:
        documents = {**accesses, **self._documents.account()}
        if self._options.webhooks:
            documents |= self._documents.webhooks()
        for name, body in documents.items():
            self._write_document(name, body)
        if self._options.access_history:
            for name, body in self._documents.histories(accesses.get("accesses.json", {}).get("accesses") or ()):
                self._write_document(name, body)

    def _write_document(self, name: str, body: Any) -> None:
        masked = body if self._options.secrets else self._secrets.document(body)
        self._write(name, lambda file: write_json(file, masked))

    def _write_audit(self) -> None:
        if self._options.audit:
            events = self._documents.audit()
            masked = events if self._options.secrets else map(self._secrets.document, events)
            self._write_items("audit_logs.json", "audit", masked, "events")

    def _write_items(self, name: str, counted: str, items: Iterable[Any], key: str = "events") -> None:
        def fill(file: HashingWriter) -> None:
            count = write_items(file, key, self._counting(counted, items))
            self._counts[counted] = self._counts.get(counted, 0) + count

        self._write(name, fill)

    def _counting(self, counted: str, items: Iterable[Any]) -> Iterator[Any]:
        before = self._counts.get(counted, 0)
        for count, item in enumerate(items, before + 1):
            yield item
            self._progress(counted, count)

    # ---- attachments and series

    def _copy_content(self) -> None:
        if self._options.attachments:
            self._begin(ATTACHMENTS, "attachments")
        if self._options.series:
            self._begin(SERIES, "series")
        for event in self._events():
            if self._options.attachments:
                self._copy_attachments(event)
            if self._options.series and is_series(event):
                self._copy_series(event["id"])

    def _begin(self, stage: str, counted: str) -> None:
        self._stages.add(stage)
        self._counts[counted] = 0

    def _copy_attachments(self, event: dict[str, Any]) -> None:
        for named in attachments_of(event):
            with self._noting(f"attachment {event['id']}/{named.data['id']}"):
                self._copy_attachment(event["id"], named.data, named.path)
                if named.old_path is not None:
                    self._link(named.path, named.old_path)
                self._count("attachments")

    def _copy_attachment(self, event_id: str, attachment: dict[str, Any], path: str) -> None:
        known = self._known_attachment(attachment, path)
        if known is not None:
            self._entries[path] = known
            return

        def fill(file: HashingWriter) -> None:
            self._connection.download_attachment(event_id, attachment, cast(BinaryIO, file))

        self._write(path, fill)
        self._downloaded += 1

    def _known_attachment(self, attachment: dict[str, Any], path: str) -> Entry | None:
        """Return the entry of an attachment that is in the folder as a whole."""
        size = _files.size_of(self._root / path)
        known = self._before.entries.get(path)
        if size is None or size != attachment.get("size"):
            return None
        if known is not None and known.size == size:
            return known
        found = _files.entry_of(self._root, path)  # of a run that was killed
        digest = base64.b64encode(bytes.fromhex(found.digest)).decode()
        return found if attachment.get("integrity") == f"sha256-{digest}" else None

    def _link(self, path: str, old_name: str) -> None:
        """Give an attachment the name that account-backup gives it too."""
        source, target = self._root / path, self._root / old_name
        self._entries[old_name] = self._entries[path]
        with suppress(FileNotFoundError):
            if os.path.samestat(os.lstat(source), os.lstat(target)):
                return
            target.unlink()
        try:
            os.link(source, target)
        except OSError:  # the file system has no links
            with _files.open_regular(self._root, path) as file:
                _files.write(self._root, old_name, lambda copy: _copy(file, copy))

    def _copy_series(self, event_id: str) -> None:
        path = series_file(event_id)
        with self._noting(f"series {event_id}"):
            series = self._connection.get_hf_points(event_id)
            self._series_written += self._write(path, lambda file: _write_points(file, series))
            self._count("series")

    def _count(self, counted: str) -> None:
        self._counts[counted] += 1
        self._progress(counted, self._counts[counted])

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Note a failure of one item that another attempt does not mend at once; others end the backup."""
        try:
            yield
        except (ApiError, IntegrityError, ValueError) as error:
            if isinstance(error, InvalidAccessTokenError) or is_transient(error):
                raise
            self._failed.append(Failure(what, str(error)))

    # ---- files

    def _write(self, path: str, fill: Callable[[HashingWriter], object]) -> bool:
        """Write a file, and return whether its content is new."""
        directory = path.rpartition("/")[0]
        if directory:
            _files.make_directory(self._root / directory)
        entry, is_new = _files.write(self._root, path, fill)
        self._entries[path] = entry
        self._stages.add(path)
        self._bytes += entry.size if is_new else 0
        return is_new

    def _remove_temporary(self) -> None:
        """Remove the unfinished files of a run that was killed."""
        for path in list(_files.paths(self._root, without=[STATE])):
            name = path.rpartition("/")[2]
            if name.startswith(".") and name.endswith(".part"):
                os.unlink(self._root / path)

    def _finish(self) -> None:
        """Remove files of what is no longer in the account, keep those of what was not copied, write the manifest."""
        for path in list(_files.paths(self._root, without=[STATE, MANIFEST])):
            if path in self._entries:
                continue
            if _stage_of(path) in self._stages:
                os.unlink(self._root / path)
            elif path in self._before.entries:
                self._entries[path] = self._before.entries[path]
        anchor = self._mirror.load()
        manifest = Manifest(
            self._entries,
            {**self._before.counts, **self._counts},
            tuple(self._documents.unreadable),
            None if anchor is None else anchor.dumps(),
            self._options.secrets,
            self._options.trashed,
            self._connection.endpoint,
        )
        _files.write(self._root, MANIFEST, lambda file: file.write(manifest.dumps(time.time()).encode()))


def _stage_of(path: str) -> str:
    """Return the part of a backup that writes a file."""
    directory, _, name = path.rpartition("/")
    if directory in (ATTACHMENTS, SERIES):
        return directory
    return "events" if is_events_file(name) and not directory else path


def _is_empty(report: SyncReport) -> bool:
    return not (report.events or report.event_deletions or report.streams_changed)


def _file_of(event: dict[str, Any]) -> str:
    return events_file(event["time"])


def _flat(tree: Iterable[Any]) -> Iterator[Any]:
    left = list(tree)
    while left:
        stream = left.pop()
        left += stream.get("children") or ()
        yield stream


def _copy(source: Any, target: HashingWriter) -> None:
    while block := source.read(1 << 20):
        target.write(block)


def _write_points(file: HashingWriter, series: Series) -> None:
    """Write the points of a series as the platform sends them."""
    fields = json.dumps(series.fields)
    file.write(f'{{"format":"flatJSON","fields":{fields},"points":['.encode())
    rows, separator = series.rows(), ""
    while block := list(itertools.islice(rows, _ROWS)):
        file.write(f"{separator}\n{json.dumps(block)[1:-1]}".encode())
        separator = ","
    file.write(b"\n]}\n")
