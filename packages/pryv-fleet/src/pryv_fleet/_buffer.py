"""Texts by key, in memory, and beyond a size in a temporary file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Final

from pryv_monitor import AnchorError

MOST: Final = 8 << 20
"""Bytes in memory, roughly; more are moved to the file."""
_ENTRY: Final = 150
"""Bytes that a key takes in memory, with its place in a dict."""
_KEYS: Final = 500
"""Keys in one query. SQLite before 3.32 takes at most 999 values: https://sqlite.org/limits.html#max_variable_number"""
_PRAGMAS: Final = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
_TABLE: Final = "CREATE TABLE texts (key TEXT PRIMARY KEY, text TEXT);"


class Buffer:
    """A mapping from keys to texts or `None`, that takes a limited amount of memory.

    The file is a temporary database of SQLite, which has no name, is readable by nobody else, and is gone with the
    process: see https://sqlite.org/inmemorydb.html#temp_db. `TMPDIR` and `SQLITE_TMPDIR` name its directory.
    """

    def __init__(self) -> None:
        self._memory: dict[str, str | None] = {}
        self._size = 0
        self._file: sqlite3.Connection | None = None

    def __bool__(self) -> bool:
        return bool(self._memory) or self._file is not None

    def put(self, keys: Collection[str], texts: Sequence[str] | None = None) -> None:
        """Set the texts of keys; without texts, all are `None`.

        Raises:
            AnchorError: the file cannot be written.
        """
        self._memory.update(zip(keys, repeat(None) if texts is None else texts, strict=texts is not None))
        self._size += _ENTRY * len(keys) + (0 if texts is None else sum(map(len, texts)))
        if self._size > MOST:
            self._move()

    def get(self, keys: Collection[str]) -> dict[str, str | None]:
        """Return the texts of those keys that are there.

        Raises:
            AnchorError: the file cannot be read.
        """
        memory = self._memory
        found = {} if memory.keys().isdisjoint(keys) else {key: memory[key] for key in keys if key in memory}
        if self._file is None:
            return found
        with _translated():
            for asked in _chunks([key for key in keys if key not in found]):
                marks = ", ".join("?" * len(asked))
                query = f"SELECT key, text FROM texts WHERE key IN ({marks})"  # noqa: S608
                found.update(self._file.execute(query, asked))
        return found

    def items(self) -> Iterator[tuple[str, str | None]]:
        """Yield all keys and texts.

        Raises:
            AnchorError: the file cannot be read.
        """
        if self._file is None:
            yield from self._memory.items()
            return
        self._move()
        with _translated():
            yield from self._file.execute("SELECT key, text FROM texts")

    def clear(self) -> None:
        """Forget everything."""
        self._memory, self._size = {}, 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _move(self) -> None:
        with _translated():
            if self._file is None:
                self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
                self._file.executescript(_PRAGMAS + _TABLE)
            self._file.execute("BEGIN")
            self._file.executemany("INSERT OR REPLACE INTO texts VALUES (?, ?)", self._memory.items())
            self._file.execute("COMMIT")
        self._memory, self._size = {}, 0


def _chunks(keys: list[str]) -> Iterator[list[str]]:
    return (keys[start : start + _KEYS] for start in range(0, len(keys), _KEYS))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        message = f"changes cannot be kept in a temporary file until they are committed: {error}"
    else:
        return
    raise AnchorError(message)
