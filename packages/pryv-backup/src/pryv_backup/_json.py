"""Read JSON documents of any size and formatting item by item."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final

import ijson

from pryv_backup import _files
from pryv_backup._errors import BackupError

_BOM: Final = b"\xef\xbb\xbf"
_ESCAPE: Final = 12
"""Bytes of the longest escape: a surrogate pair."""
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPES: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?P<half>[dD][89a-fA-F][0-9a-fA-F]{2})|u.{4}|[^u])",
    re.DOTALL,
)


def items(root: Path, path: str, key: str) -> Iterator[Any]:
    """Yield the items of a list in a document, as `json` reads them, with one of them in memory at a time.

    Args:
        root: The folder.
        path: The document in it.
        key: The member of the document that is the list; without it, there are no items.

    Raises:
        BackupError: the document is not JSON, or not a regular file.
        OSError: it cannot be read.
    """
    return _read(root, path, f"{key}.item")


def has(root: Path, path: str, key: str) -> bool:
    """Return whether a document has a member.

    Raises:
        BackupError: the document is not JSON, or not a regular file.
        OSError: it cannot be read.
    """
    return any(True for _ in _read(root, path, key))


def _read(root: Path, path: str, prefix: str) -> Iterator[Any]:
    with _files.open_regular(root, path) as file:
        text = _Text(file)
        try:
            for item in ijson.items(text, prefix, use_float=False):
                yield text.restored(item)
        except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
            raise BackupError(f"{root / path}: not JSON: {type(error).__name__}") from None


class _Text:
    """The text of a document for ijson, in which surrogates without their other half are replaced.

    JavaScript writes them, and `json` reads them; ijson would replace each by a question mark.

    Args:
        file: The document.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._is_at_start = True
        self._nonce = secrets.token_hex(8)
        self._replaced = re.compile(f"\ue0ff{self._nonce}([0-9a-fA-F]{{4}});")
        self._has_replaced = False

    def read(self, size: int) -> bytes:
        """Return the next bytes: about `size` of them; none at the end."""
        data = self._file.read(size)
        if self._is_at_start and size:
            self._is_at_start = False
            data = data.removeprefix(_BOM) or self._file.read(size)
        while b"\\" in data[-_ESCAPE:] and (more := self._file.read(_ESCAPE)):  # no escape is cut in two
            data += more
        return _ESCAPES.sub(self._without_half, data) if _HALF.search(data) else data

    def _without_half(self, escape: re.Match[bytes]) -> bytes:
        half = escape["half"]
        if half is None:
            return escape[0]
        self._has_replaced = True
        return f"\\ue0ff{self._nonce}".encode() + half + b";"

    def restored(self, value: Any) -> Any:
        """Return a value of ijson as `json` returns it."""
        if isinstance(value, Decimal):
            return float(value)
        if isinstance(value, list):
            return [self.restored(item) for item in value]
        if isinstance(value, dict):
            return {self.restored(key): self.restored(item) for key, item in value.items()}
        if self._has_replaced and isinstance(value, str):
            return self._replaced.sub(lambda found: chr(int(found[1], 16)), value)
        return value
