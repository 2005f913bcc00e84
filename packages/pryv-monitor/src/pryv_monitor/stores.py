"""Where anchors are kept."""

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
        """Keep all others off the anchor while in the context; a monitor loads and saves only there.

        It does not wait: a monitor asks again, for as long as it is to wait.

        Raises:
            AnchorLockedError: another has it.
        """
        ...

    def load(self) -> Anchor | None:
        """Return the anchor, `None` if there is none yet.

        Raises:
            AnchorCorruptError: it is damaged.
        """
        ...

    def save(self, anchor: Anchor) -> None:
        """Keep an anchor in place of the one before: when this returns, for good."""

    def reset(self) -> None:
        """Forget the anchor, so that the next pass starts over."""


class MemoryAnchorStore:
    """Keeps an anchor as long as the object lives."""

    def __init__(self) -> None:
        self._anchor: Anchor | None = None
        self._lock = threading.Lock()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other monitors off the anchor.

        Raises:
            AnchorLockedError: another has it.
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
        """Forget the anchor."""
        with self.lock():
            self._anchor = None


class FileAnchorStore:
    """Keeps an anchor in a file. A second file beside it, named `….lock`, keeps two processes from using it at once.

    Args:
        path: The file; its directory exists.

    Raises:
        TypeError: `path` is no path.
        ValueError: `path` is not the name of a file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _files.named(path)

    def __repr__(self) -> str:
        return f"FileAnchorStore({str(self.path)!r})"

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes off the file.

        Raises:
            AnchorLockedError: another has it.
            OSError: the directory cannot be written to, or its file system has no locks.
        """
        return _files.locked(self.path)

    def load(self) -> Anchor | None:
        """Return the anchor, `None` if there is no file.

        Raises:
            AnchorCorruptError: the file is damaged, or is no anchor.
            AnchorError: a later version wrote it, or it is no file.
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
            OSError: it cannot be written; the former one is still there.
        """
        _files.replace(self.path, anchor.dumps())

    def reset(self) -> None:
        """Remove the file.

        Raises:
            AnchorLockedError: another process is using it.
            AnchorError: it is no file.
            OSError: it cannot be removed.
        """
        with self.lock():
            if _files.exists(self.path):
                _files.real(self.path).unlink()
