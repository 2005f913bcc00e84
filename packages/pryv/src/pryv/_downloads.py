"""Download attachments, and check their size and checksum."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
from collections.abc import Mapping
from typing import Any, BinaryIO, TypeVar

from pryv._destinations import Destination, opened, write_all
from pryv._transport.account import Account
from pryv._transport.http import Response
from pryv._transport.redact import redact
from pryv._transport.results import error_of
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import path_segment
from pryv.errors import ERRORS, IntegrityError, ResponseTooLargeError, UnknownResourceError

DestinationT = TypeVar("DestinationT", bound=Destination)

_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
"""Ask for the file without a content coding: some servers declare a compressed file (`a.gz`) as a coded response."""

_ALGORITHMS = ("sha512", "sha384", "sha256")
"""The algorithms of Subresource Integrity (https://www.w3.org/TR/SRI/), the strongest first."""


def download(
    account: Account,
    event_id: str,
    attachment: Mapping[str, Any] | str,
    destination: DestinationT | None,
    timeout: CallTimeout,
) -> DestinationT | bytes:
    """Download an attachment; see `Connection.download_attachment`."""
    event_path = f"events/{path_segment(event_id)}"
    path = f"{event_path}/{path_segment(attachment.get('id', '') if isinstance(attachment, Mapping) else attachment)}"
    limit = account.http.limits.response if destination is None else None
    with opened(io.BytesIO() if destination is None else destination) as file:
        if isinstance(attachment, str):
            attachment = _find_attachment(account, event_path, attachment, timeout)
        check = _Check(attachment, redact(f"GET {path}", *account.secrets), limit)
        _fetch(account, path, check, file, timeout)
        check.finish()
        return file.getvalue() if destination is None else destination  # type: ignore[attr-defined]


def _find_attachment(account: Account, event_path: str, attachment_id: str, timeout: CallTimeout) -> Mapping[str, Any]:
    """Return the description of an attachment in its event."""
    body = account.call("GET", event_path, idempotent=True, timeout=timeout)
    event = body.get("event")
    attachments = event.get("attachments") if isinstance(event, Mapping) else None
    for item in attachments if isinstance(attachments, list) else []:
        if isinstance(item, Mapping) and item.get("id") == attachment_id:
            return item
    label = redact(f"GET {event_path}", *account.secrets)
    raise UnknownResourceError("the event has no such attachment", id=ERRORS.UNKNOWN_RESOURCE, method=label)


def _fetch(account: Account, path: str, check: _Check, file: BinaryIO, timeout: CallTimeout) -> None:
    def read(response: Response) -> None:
        """Read the response to one attempt, without the bytes that earlier attempts received."""
        is_file_itself = response.headers.get("Content-Length") == str(check.size)
        skipped = check.received
        with contextlib.closing(response.chunks(decoded=not is_file_itself)) as chunks:
            for chunk in chunks:
                new = chunk[skipped:]
                skipped -= len(chunk) - len(new)
                check.add(new)
                write_all(file, new)

    response = account.send("GET", path, headers=_HEADERS, idempotent=True, read=read, timeout=timeout)
    if response.status != 200:
        raise account.failed(error_of(response, *account.secrets))


class _Check:
    """Compares the bytes that arrive with the size and the checksum of the attachment, if it has them.

    Args:
        announced: The attachment, as described in its event.
        label: The name of the request in messages.
        limit: The most bytes of a file that is held in memory; `None` for one that is not.

    Attributes:
        label: The name of the request in messages.
        size: The size of the attachment, if it is known.
        received: Bytes that were received.

    Raises:
        ResponseTooLargeError: the size of the attachment exceeds the limit.
    """

    def __init__(self, announced: Mapping[str, Any], label: str, limit: int | None) -> None:
        self.label = label
        self.size = announced.get("size")
        self._limit = limit
        self.received = 0
        algorithm, self._digests = _strongest(str(announced.get("integrity") or ""))
        self._hash = hashlib.new(algorithm)
        if isinstance(self.size, int):
            self._check_limit(self.size)

    def add(self, chunk: bytes) -> None:
        """Count and hash the next bytes, before they are written.

        Raises:
            IntegrityError: the file is larger than the size of the attachment.
            ResponseTooLargeError: the file exceeds the limit for one in memory.
        """
        self.received += len(chunk)
        if isinstance(self.size, int) and self.received > self.size:
            raise IntegrityError(f"{self.label}: more than the {self.size} bytes of the attachment were received")
        self._check_limit(self.received)
        self._hash.update(chunk)

    def _check_limit(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise ResponseTooLargeError(
                f"{self.label}: the file is larger than {self._limit} bytes (Limits.response); "
                "this limit does not apply to a download to a destination"
            )

    def finish(self) -> None:
        """Check the size and the checksum of the whole file.

        Raises:
            IntegrityError: one of them differs.
        """
        if self.size is not None and self.received != self.size:
            raise IntegrityError(f"{self.label}: {self.received} bytes were received, the attachment has {self.size}")
        if self._digests and base64.b64encode(self._hash.digest()).decode() not in self._digests:
            raise IntegrityError(f"{self.label}: the {self._hash.name} checksum is not that of the attachment")


def _strongest(integrity: str) -> tuple[str, list[str]]:
    """Return the strongest algorithm in a text such as `sha256-BASE64 sha512-BASE64`, and the digests it names."""
    hashes = [item.partition("-") for item in integrity.split()]
    for algorithm in _ALGORITHMS:
        digests = [digest.partition("?")[0] for name, _, digest in hashes if name == algorithm]
        if digests:
            return algorithm, digests
    return "sha256", []
