"""Records of one line or several at the end of a stream: each is written whole, or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from itertools import accumulate
from typing import BinaryIO


class Lines:
    """Writes records to a stream, past its buffer.

    What a full disk takes of a record is taken back where the stream ends a regular file. A line that an earlier
    program was killed in is ended first. A pipe takes nothing back.
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
            stream.write(b"".join(records))
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
        if os.fstat(file).st_size == size + written:  # or another program has appended meanwhile
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
    """Return whether what is there does not end in a line break, if that can be read."""
    with contextlib.suppress(OSError), open(f"/dev/fd/{file}", "rb") as content:
        content.seek(max(0, size - 1))
        return content.read(1) not in (b"", b"\n")
    return False
