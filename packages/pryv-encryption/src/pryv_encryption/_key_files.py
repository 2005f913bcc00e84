"""Key files: JSON objects of keys by name, which only their owner may have access to."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import Any


def read_keys(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the keys in a file, by name.

    Raises:
        PermissionError: others have access to the file.
        ValueError: it is no key file.
        OSError: it cannot be read.
    """
    with open(path, "rb", opener=_open_private) as file:
        text = file.read()
    try:
        keys = json.loads(text)
    except (ValueError, RecursionError):  # holds the text
        keys = None
    if not isinstance(keys, dict) or not all(isinstance(key, (str, dict)) for key in keys.values()):
        raise ValueError(f"{os.fspath(path)} is not a key file: a JSON object with a text or an object for each key")
    return keys


def _open_private(path: str, flags: int) -> int:
    """Open a file that only its owner has access to, without waiting for a writer if it is a pipe."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise PermissionError(errno.EACCES, "others have access to this key file (chmod 600 takes that away)", path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
