"""Multipart forms with a file that is read while it is sent."""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import attrs

from .media_types import media_type
from .request_body import BLOCK

Bytes = bytes | bytearray | memoryview

_DELIMITER = re.compile(r'[\x00-\x1f\x7f"/\\]')


_LINE_BREAK = b"\r\n"


class SourceError(Exception):
    """Carries an `OSError` of the file through `requests`, which would take it for an error of the network.

    See https://github.com/psf/requests/blob/v2.34.2/src/requests/adapters.py#L710.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error


@attrs.frozen
class Source:
    """The part of a file to send: `size` bytes from `start`."""

    file: BinaryIO
    start: int
    size: int

    def blocks(self) -> Iterator[bytes]:
        """Read the part from its start, in blocks.

        Raises:
            OSError: it cannot be read, or its length has changed.
        """
        self.file.seek(self.start)
        remaining = self.size
        while remaining:
            block = self.file.read(min(BLOCK, remaining))
            if not block:
                raise OSError("the file became shorter while it was sent")
            remaining -= len(block)
            yield block
        if self.file.read(1):
            raise OSError("the file became longer while it was sent")


@contextlib.contextmanager
def opened(source: str | Bytes | BinaryIO) -> Iterator[Source]:
    """Open a path, bytes, or a binary file object so that it can be read more than once.

    A file object is read from its current position, and not closed. A file that cannot seek is copied first, into
    memory if it is small. So is every small file, because files in `/proc` and `/sys` report a wrong length.

    Raises:
        TypeError: it is none of these.
        OSError: it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        file = _as_file(source, stack)
        start, size = _extent(file)
        if size <= BLOCK:
            spool = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=BLOCK))
            shutil.copyfileobj(file, spool)
            file, start, size = spool, 0, spool.tell()  # type: ignore[assignment]
        yield Source(file, start, size)


def _extent(file: BinaryIO) -> tuple[int, int]:
    """Return the position of a file, and the bytes it reports to have after it: 0 if it cannot seek."""
    if not (hasattr(file, "seekable") and file.seekable()):
        return 0, 0
    start = file.tell()
    try:
        size = file.seek(0, os.SEEK_END) - start
    except OSError:  # in /proc
        return start, 0
    file.seek(start)
    return start, max(0, size)


def _as_file(source: str | Bytes | BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    if isinstance(source, str):
        return stack.enter_context(open(source, "rb"))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if not hasattr(source, "read") or not isinstance(source.read(0), bytes):
        raise TypeError(f"a file is bytes or a file object opened in binary mode, not {type(source).__name__}")
    return source


class Multipart:
    """A form of `fields` and files, each with its name; each iteration reads the files from their start."""

    def __init__(self, fields: Mapping[str, bytes], files: Iterable[tuple[str, Source]]) -> None:
        boundary = secrets.token_hex(16)
        self._head = b"".join(_part(boundary, f'name="{name}"', value + b"\r\n") for name, value in fields.items())
        self._files = [(_part(boundary, _file_headers(name), b""), source) for name, source in files]
        self._tail = f"--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"

    def __len__(self) -> int:
        files = sum(len(head) + source.size + len(_LINE_BREAK) for head, source in self._files)
        return len(self._head) + files + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        for head, source in self._files:
            yield head
            try:
                yield from source.blocks()
            except OSError as error:
                raise SourceError(error) from None
            yield _LINE_BREAK
        yield self._tail


def _file_headers(name: str) -> str:
    return f'name="file"; filename="{_escaped(name)}"\r\nContent-Type: {media_type(name)}'


def _part(boundary: str, headers: str, value: bytes) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {headers}\r\n\r\n".encode(errors="replace") + value


def _escaped(file_name: str) -> str:
    """Return a file name with quotes, slashes and control characters percent-encoded.

    Browsers do so too: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
    """
    return _DELIMITER.sub(lambda match: f"%{ord(match[0]):02X}", file_name)
