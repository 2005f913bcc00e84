"""Attached files received, checked against what the platform announced."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import io
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, TypeVar

from pryv._transport.account import Account
from pryv._transport.answers import error_of
from pryv._transport.redact import redact
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import path_segment
from pryv.errors import ERRORS, IntegrityError, UnknownResourceError

Destination = str | os.PathLike[str] | BinaryIO
DestinationT = TypeVar("DestinationT", bound=Destination)

_ALGORITHMS = ("sha512", "sha384", "sha256")
"""Those of Subresource Integrity, the strongest first."""


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
    if destination is None:
        buffer = io.BytesIO()
        download(account, event_id, attachment, buffer, timeout)
        return buffer.getvalue()
    with _opened(destination) as file:
        if isinstance(attachment, str):
            attachment = _announced(account, event_path, attachment, timeout)
        _fetch(account, path, attachment, file, timeout)
    return destination


def _announced(account: Account, event_path: str, attachment_id: str, timeout: CallTimeout) -> Mapping[str, Any]:
    """Return what an event tells of one of its attachments."""
    body = account.call("GET", event_path, safe=True, timeout=timeout)
    event = body.get("event")
    attachments = event.get("attachments") if isinstance(event, Mapping) else None
    for item in attachments if isinstance(attachments, list) else []:
        if isinstance(item, Mapping) and item.get("id") == attachment_id:
            return item
    label = redact(f"GET {event_path}", account.token)
    raise UnknownResourceError("the event has no such attachment", id=ERRORS.UNKNOWN_RESOURCE, method=label)


def _fetch(account: Account, path: str, announced: Mapping[str, Any], file: BinaryIO, timeout: CallTimeout) -> None:
    label = redact(f"GET {path}", account.token)
    check = _Check(announced, label)
    answer = account.send("GET", path, headers={"Accept": "*/*"}, safe=True, stream=True, timeout=timeout)
    if answer.status != 200:
        raise account.noted(error_of(answer, label, account.token))
    with contextlib.closing(answer.chunks()) as chunks:
        for chunk in chunks:
            check.add(chunk)
            if file.write(chunk) not in (len(chunk), None):
                raise OSError("the destination did not take all that was written")
    check.finish()


class _Check:
    """Holds the bytes that arrive against the size and the checksums announced, as far as there are any."""

    def __init__(self, announced: Mapping[str, Any], label: str) -> None:
        self._label = label
        self._size = announced.get("size")
        self._received = 0
        algorithm, self._digests = _strongest(str(announced.get("integrity") or ""))
        self._hash = hashlib.new(algorithm)

    def add(self, chunk: bytes) -> None:
        """Take the next bytes into account."""
        self._received += len(chunk)
        self._hash.update(chunk)

    def finish(self) -> None:
        """Tell whether what arrived is what was announced.

        Raises:
            IntegrityError: it is not.
        """
        if self._size is not None and self._received != self._size:
            raise IntegrityError(f"{self._label}: {self._received} bytes came, {self._size} were announced")
        if self._digests and base64.b64encode(self._hash.digest()).decode() not in self._digests:
            raise IntegrityError(f"{self._label}: the {self._hash.name} checksum is not the one announced")


def _strongest(integrity: str) -> tuple[str, list[str]]:
    """Return the strongest algorithm in a text such as `sha256-BASE64 sha512-BASE64`, and the digests it names."""
    hashes = [item.partition("-") for item in integrity.split()]
    for algorithm in _ALGORITHMS:
        digests = [digest.partition("?")[0] for name, _, digest in hashes if name == algorithm]
        if digests:
            return algorithm, digests
    return "sha256", []


@contextlib.contextmanager
def _opened(destination: Destination) -> Iterator[BinaryIO]:
    if isinstance(destination, (str, os.PathLike)):
        with _replacement(os.fsdecode(destination)) as file:
            yield file
    elif hasattr(destination, "write"):
        destination.write(b"")
        yield destination
    else:
        raise TypeError(f"a destination is a path or a binary file object, not {type(destination).__name__}")


@contextlib.contextmanager
def _replacement(path: str) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of `path` if the block comes to its end, and vanishes otherwise.

    Who may read the file that was there may read the new one.
    """
    target = os.path.realpath(path)
    if os.path.isdir(target) or not os.path.basename(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise ValueError(f"not a file that can be replaced: {path!r}; open it and give the file object")
    temporary = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}.part")
    try:
        created = open(temporary, "xb")  # noqa: SIM115  (closed below)
    except OSError as error:
        error.filename = path  # the other is not known outside
        raise
    try:
        with created as file:
            with contextlib.suppress(FileNotFoundError):
                shutil.copymode(target, temporary)
            yield file
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
