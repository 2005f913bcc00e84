"""The attachments and the points of events."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, BinaryIO, Final, cast

from pryv import (
    ERRORS,
    ApiError,
    Call,
    Connection,
    IntegrityError,
    InvalidAccessTokenError,
    PryvProtocolError,
    ResponseTooLargeError,
    Series,
)
from pryv.addons import is_transient
from pryv_backup import _files
from pryv_backup._archive import Archive
from pryv_backup._files import Entry, HashingWriter
from pryv_backup._layout import ATTACHMENTS, SERIES, Named, attachments_of, is_series, series_file
from pryv_backup._reports import Failure

_STATUSES_OF_ONE_ITEM: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR)
"""Open-pryv.io responds with 500 to a request for the points of a deleted event, or for a file that is missing in its
storage."""
_ROWS: Final = 500


class Content:
    """Copies attachments and points into an archive.

    Args:
        connection: The account.
        archive: The archive.
        progress: A callback: it gets what is copied, and how many there are so far.

    Attributes:
        counts: The numbers of attachments and series in the archive.
        downloaded: The number of attachments that were not in it.
        written: The number of series whose points are new.
        failed: What could not be copied.
    """

    def __init__(self, connection: Connection, archive: Archive, progress: Callable[[str, int], object]) -> None:
        self._connection = connection
        self._archive = archive
        self._progress = progress
        self.counts: dict[str, int] = {}
        self.downloaded = 0
        self.written = 0
        self.failed: list[Failure] = []

    def copy(self, events: Iterable[dict[str, Any]], *, attachments: bool, series: bool) -> None:
        """Copy what belongs to events.

        Raises:
            PryvError: the platform cannot be reached, or refused.
            OSError: a file cannot be written.
        """
        if attachments:
            self._archive.begin(ATTACHMENTS)
            self.counts["attachments"] = 0
        if series:
            self._archive.begin(SERIES)
            self.counts["series"] = 0
        for event in events:
            for named in attachments_of(event) if attachments else ():
                self._copy_attachment(event["id"], named)
            if series and is_series(event):
                self._copy_series(event["id"])

    def _copy_attachment(self, event_id: str, named: Named) -> None:
        file_id = named.data["id"]
        with self._noting(f"attachment {event_id}/{file_id}", named.path, lambda: self._is_gone(event_id, file_id)):
            known = self._known(named)
            if known is not None:
                self._archive.keep(named.path, known)
            else:
                self._archive.write(named.path, lambda file: self._download(event_id, named.data, file))
                self.downloaded += 1
            if named.old_path is not None:
                self._archive.link(named.path, named.old_path)
            self._count("attachments")

    def _download(self, event_id: str, attachment: dict[str, Any], file: HashingWriter) -> None:
        self._connection.download_attachment(event_id, attachment, cast(BinaryIO, file))

    def _known(self, named: Named) -> Entry | None:
        """Return the entry of an attachment that is in the archive as a whole."""
        size = _files.size_of(self._archive.root / named.path)
        known = self._archive.before.entries.get(named.path)
        if size is None or size != named.data.get("size"):
            return None
        if known is not None and known.size == size:
            return known
        found = _files.entry_of(self._archive.root, named.path)  # of a run that was killed
        return found if named.data.get("integrity") == found.integrity else None

    def _copy_series(self, event_id: str) -> None:
        path = series_file(event_id)
        with self._noting(f"series {event_id}", path, lambda: self._is_gone(event_id)):
            series = self._connection.get_hf_points(event_id)
            self.written += self._archive.write(path, lambda file: _write_points(file, series))
            self._count("series")

    def _is_gone(self, event_id: str, file_id: str | None = None) -> bool:
        """Return whether the account has no longer an event, or an attachment of it."""
        [(_, result)] = self._connection.iter_api([Call("events.getOne", {"id": event_id})])
        event = result.get("event") or {}
        if not event:
            return bool(result["error"].get("id") == ERRORS.UNKNOWN_RESOURCE)
        files = [item["id"] for item in event.get("attachments") or ()]
        return event.get("deleted") is not None or (file_id is not None and file_id not in files)

    def _count(self, counted: str) -> None:
        self.counts[counted] += 1
        self._progress(counted, self.counts[counted])

    @contextmanager
    def _noting(self, what: str, path: str, is_gone: Callable[[], bool]) -> Iterator[None]:
        """Note a failure of one item, and keep the file that the last backup has of it; other failures end the run.

        An item that was deleted since the events were read is no failure: the next run has its event without it.
        To ask for that also shows whether the platform fails with everything, or with this item only.
        """
        try:
            yield
        except (ApiError, IntegrityError, PryvProtocolError, ResponseTooLargeError, ValueError) as error:
            may_be_of_one_item = _may_be_of_one_item(error)
            if isinstance(error, InvalidAccessTokenError) or (is_transient(error) and not may_be_of_one_item):
                raise
            if may_be_of_one_item and is_gone():
                return
            self._archive.keep(path)
            self.failed.append(Failure(what, str(error)))


def _may_be_of_one_item(error: Exception) -> bool:
    """Return whether an error may be that of one item, such as a file that is damaged in the platform's storage."""
    if isinstance(error, ApiError):
        return error.status in _STATUSES_OF_ONE_ITEM
    return isinstance(error, (IntegrityError, PryvProtocolError))


def _write_points(file: HashingWriter, series: Series) -> None:
    """Write the points of a series as the platform sends them."""
    fields = json.dumps(series.fields)
    file.write(f'{{"format":"flatJSON","fields":{fields},"points":['.encode())
    rows, separator = series.rows(), ""
    while block := list(itertools.islice(rows, _ROWS)):
        file.write(f"{separator}\n{json.dumps(block)[1:-1]}".encode())
        separator = ","
    file.write(b"\n]}\n")
