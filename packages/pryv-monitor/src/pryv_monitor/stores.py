"""Stores for anchors."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from pryv_monitor import _files
from pryv_monitor.anchor import Anchor
from pryv_monitor.errors import AnchorError, AnchorLockedError


class AnchorStore(Protocol):
    """Keeps one anchor."""

    def lock(self) -> AbstractContextManager[None]:
        """Lock the anchor while in the context. It does not wait.

        Raises:
            AnchorLockedError: another monitor has locked it.
        """
        ...

    def load(self) -> Anchor | None:
        """Return the anchor, `None` if there is none yet.

        Raises:
            AnchorCorruptError: it is damaged.
        """
        ...

    def save(self, anchor: Anchor) -> None:
        """Replace the anchor. When this returns, it is stored durably."""

    def reset(self) -> None:
        """Delete the anchor, so that the next pass starts over."""


class MemoryAnchorStore:
    """Keeps an anchor in memory."""

    def __init__(self) -> None:
        self._anchor: Anchor | None = None
        self._lock = threading.Lock()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the anchor while in the context.

        Raises:
            AnchorLockedError: another monitor has locked it.
        """
        if not self._lock.acquire(blocking=False):
            raise AnchorLockedError("another monitor is using the anchor")
        try:
            yield
        finally:
            self._lock.release()

    def load(self) -> Anchor | None:
        """Return the anchor, `None` if there is none yet."""
        return self._anchor

    def save(self, anchor: Anchor) -> None:
        """Keep an anchor."""
        self._anchor = anchor

    def reset(self) -> None:
        """Delete the anchor."""
        with self.lock():
            self._anchor = None


class FileAnchorStore:
    """Keeps an anchor in a file. A second file next to it, `….lock`, locks it for one process at a time.

    Args:
        path: The file. Its directory must exist.

    Raises:
        TypeError: `path` is not a path.
        ValueError: `path` is not the name of a file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _files.named(path)

    def __repr__(self) -> str:
        return f"FileAnchorStore({str(self.path)!r})"

    def lock(self) -> AbstractContextManager[None]:
        """Lock the file while in the context.

        Raises:
            AnchorLockedError: another monitor has locked it.
            OSError: the directory cannot be written to, or its file system has no locks.
        """
        return _files.locked(self.path)

    def load(self) -> Anchor | None:
        """Return the anchor, `None` if there is no file.

        Raises:
            AnchorCorruptError: the file is damaged, or is not an anchor.
            AnchorError: another version wrote it, or it is not a regular file.
            OSError: it cannot be read.
        """
        content = _files.read(self.path)
        if content is None:
            return None
        try:
            return Anchor.loads(content.decode("utf-8", "replace"))
        except AnchorError as error:
            failure = type(error)(f"{self.path}: {error}")
        raise failure

    def save(self, anchor: Anchor) -> None:
        """Write the anchor to the disk.

        Raises:
            OSError: it cannot be written; the previous anchor remains.
        """
        _files.replace(self.path, anchor.dumps())

    def reset(self) -> None:
        """Remove the file.

        Raises:
            AnchorLockedError: another process is using it.
            AnchorError: it is not a regular file.
            OSError: it cannot be removed.
        """
        with self.lock():
            if _files.exists(self.path):
                _files.real(self.path).unlink()
