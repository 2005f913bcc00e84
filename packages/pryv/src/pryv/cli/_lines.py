"""Append records of one or more lines to a stream: each is written completely, or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from itertools import accumulate
from typing import BinaryIO

from pryv._destinations import write_all


class Lines:
    """Writes records to a stream without its buffer.

    If the disk is full, the written part of a record is removed, provided that the stream is at the end of a regular
    file. An incomplete line, left by a program that was killed, is ended first. In a pipe, nothing can be removed.
    """

    def __init__(self) -> None:
        self._end: int | None = None

    def write(self, stream: BinaryIO, records: list[bytes]) -> None:
        """Write records, each with its line break.

        Raises:
            OSError: not all can be written.
        """
        stream.flush()
        file = _regular_file(stream)
        if file is None:
            write_all(stream, b"".join(records))
            stream.flush()
            return
        size = os.fstat(file).st_size
        if size != self._end and _is_within_line(file, size):
            records = [b"\n", *records]
        self._end = size + _append(file, records, size)


def _append(file: int, records: list[bytes], size: int) -> int:
    content = b"".join(records)
    written = 0
    try:
        while written < len(content):
            written += os.write(file, content[written:])
    except OSError:
        if os.fstat(file).st_size == size + written:  # or another program has appended in the meantime
            whole = max((end for end in accumulate(map(len, records)) if end <= written), default=0)
            os.ftruncate(file, size + whole)
            os.lseek(file, size + whole, os.SEEK_SET)
        raise
    return written


def _regular_file(stream: BinaryIO) -> int | None:
    with contextlib.suppress(io.UnsupportedOperation):
        file = stream.fileno()
        if stat.S_ISREG(os.fstat(file).st_mode):
            return file
    return None


def _is_within_line(file: int, size: int) -> bool:
    """Return whether the file does not end in a line break, if it can be read."""
    with contextlib.suppress(OSError), open(f"/dev/fd/{file}", "rb") as content:
        content.seek(max(0, size - 1))
        return content.read(1) not in (b"", b"\n")
    return False
