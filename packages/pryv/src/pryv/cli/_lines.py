"""Lines at the end of a stream: each is written whole, or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from typing import BinaryIO


class Lines:
    """Writes lines to a stream, past its buffer.

    What a full disk takes of a line is taken back where the stream ends a regular file. A line that an earlier program
    was killed in is ended first. A pipe takes nothing back.
    """

    def __init__(self) -> None:
        self._end: int | None = None

    def write(self, stream: BinaryIO, lines: bytes) -> None:
        """Write lines, each with its line break.

        Raises:
            OSError: not all can be written.
        """
        stream.flush()
        file = _regular_file(stream)
        if file is None:
            stream.write(lines)
            stream.flush()
            return
        size = os.fstat(file).st_size
        if size != self._end and _is_within_line(file, size):
            lines = b"\n" + lines
        self._end = size + _append(file, lines, size)


def _append(file: int, lines: bytes, size: int) -> int:
    written = 0
    try:
        while written < len(lines):
            written += os.write(file, lines[written:])
    except OSError:
        if os.fstat(file).st_size == size + written:  # or another program has appended meanwhile
            end = size + lines.rfind(b"\n", 0, written) + 1
            os.ftruncate(file, end)
            os.lseek(file, end, os.SEEK_SET)
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
