"""Destinations of downloads: a file appears once it is complete; other destinations are written at once."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import stat
from collections.abc import Iterator
from typing import BinaryIO

from pryv._files import replacing

Destination = str | os.PathLike[str] | BinaryIO

_OF_OPEN_FILE = re.compile(r"/dev/(stdout|stderr|fd/\d+)|/proc/(self|thread-self|\d+)/(task/\d+/)?fd/\d+")
"""Paths of open file descriptors, which may be files that a shell redirects to."""


@contextlib.contextmanager
def opened(destination: Destination, *, private: bool = False) -> Iterator[BinaryIO]:
    """Open a destination: a path or a binary file object.

    The file at a path is created or replaced if the `with` block succeeds; a symbolic link is followed.

    Args:
        destination: The destination.
        private: Whether only its owner can access the file at a path.

    Raises:
        TypeError: it is neither.
        OSError: it cannot be written to.
    """
    if isinstance(destination, (str, os.PathLike)):
        path = os.fsdecode(destination)
        if _is_written_at_once(path):
            with open(path, "ab") as file:
                yield file
        else:
            with replacing(os.path.realpath(path) if private else path, private=private) as file:
                yield file
    elif hasattr(destination, "write"):
        destination.write(b"")
        yield destination
    else:
        raise TypeError(f"a destination is a path or a binary file object, not {type(destination).__name__}")


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write all of the data; an unbuffered file, such as standard output of `python -u`, may take a part at a time.

    Raises:
        OSError: the file does not take all of them.
    """
    rest = memoryview(data)
    while rest:
        written = file.write(rest)
        if written is None and not isinstance(file, io.RawIOBase):
            return  # a file object that does not count
        if not written:
            raise BlockingIOError(errno.EAGAIN, "the destination did not accept all the bytes")
        rest = rest[written:]


def _is_written_at_once(path: str) -> bool:
    """Return whether a path is that of a pipe, a device, or a file that is open already."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    is_file = stat.S_ISREG(mode) and not _OF_OPEN_FILE.fullmatch(os.path.abspath(path))
    return not is_file and not stat.S_ISDIR(mode)
