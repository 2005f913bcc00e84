"""Abort a connection that another thread is using."""

from __future__ import annotations

import contextlib
import socket
import threading


class AbortHandle:
    """Aborts a connection from any thread and at any time, even before its socket is attached."""

    def __init__(self) -> None:
        self._duplicate: socket.socket | None = None
        self._aborted = False
        self._lock = threading.RLock()

    def attach(self, sock: socket.socket) -> None:
        """Attach a socket; it replaces the one attached before.

        A duplicate is kept, since the socket object cannot be shut down while another thread connects or encrypts it.

        Raises:
            ConnectionAbortedError: `abort` was called before.
        """
        with self._lock:
            if self._aborted:
                raise ConnectionAbortedError("aborted before it was connected")
            self._close_duplicate()
            self._duplicate = sock.dup()

    def abort(self) -> None:
        """Shut the connection down, which wakes the threads that wait for it. A host name lookup is not interrupted."""
        with self._lock:
            self._aborted = True
            if self._duplicate is not None:
                with contextlib.suppress(OSError):
                    self._duplicate.shutdown(socket.SHUT_RDWR)

    def detach(self) -> None:
        """Close the duplicate; the socket itself stays open."""
        with self._lock:
            self._close_duplicate()

    def _close_duplicate(self) -> None:
        if self._duplicate is not None:
            self._duplicate.close()
            self._duplicate = None
