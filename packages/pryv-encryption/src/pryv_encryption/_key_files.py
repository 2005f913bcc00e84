"""Key files: JSON objects of keys by name, which only their owner may access."""

from __future__ import annotations

import base64
import errno
import json
import os
import stat
from collections.abc import Mapping
from typing import Any

from pryv.addons import lock_directory, replace_file, without_frames
from pryv_encryption.keys import KeyPair

Path = str | os.PathLike[str]


def read_keys(path: Path) -> dict[str, Any]:
    """Return the keys in a file, by name.

    Raises:
        PermissionError: other users have access to the file.
        ValueError: it is not a key file.
        OSError: it cannot be read.
    """
    with open(os.fspath(path), "rb", opener=_open_private) as file:
        text = file.read()
    try:
        keys = json.loads(text)
    except (ValueError, RecursionError):  # holds the text
        keys = None
    if not isinstance(keys, dict) or not all(isinstance(key, (str, dict)) for key in keys.values()):
        raise ValueError(f"{os.fspath(path)} is not a key file: a JSON object with a text or an object for each key")
    return keys


@without_frames
def save_key(path: Path, key_ref: str, key: Any) -> None:
    """Add a key to a key file, which is created if it does not exist. Only its owner can access it.

    Args:
        path: The file's path; a symbolic link is followed.
        key_ref: The name of the key.
        key: The key: bytes, which are written in Base64, a `KeyPair`, a JWK or another dict, or a text.

    Raises:
        ValueError: the file has a key of this name, or is not a key file.
        TypeError: the name is not a string, or the key cannot be written to a file.
        PermissionError: other users have access to the file.
        OSError: it cannot be read or written; its former content is kept.
    """
    if not isinstance(key_ref, str):
        raise TypeError(f"the name of a key is a string, not {type(key_ref).__name__}")
    form = _json_form(key)
    target = os.path.realpath(os.fsdecode(path))
    with lock_directory(os.path.dirname(target)):
        keys = read_keys(target) if os.path.lexists(target) else {}
        if key_ref in keys:
            raise ValueError(f"{target} has a key named {key_ref!r} already")
        with replace_file(target, private=True) as file:
            file.write(json.dumps({**keys, key_ref: form}, indent=2).encode() + b"\n")


def _json_form(key: Any) -> Any:
    if isinstance(key, KeyPair):
        return {"publicKey": key.public_key, "privateKey": key.private_key}
    if isinstance(key, (bytes, bytearray, memoryview)):
        return base64.b64encode(key).decode()
    if isinstance(key, (str, Mapping)):
        return key if isinstance(key, str) else dict(key)
    raise TypeError(f"a key of type {type(key).__name__} cannot be written to a file")


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
