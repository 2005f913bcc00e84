"""A hold on a connection that someone else uses."""

from __future__ import annotations

import contextlib
import socket
import threading


class Handle:
    """Ends a connection, from any thread at any moment; one that is made later, too."""

    def __init__(self) -> None:
        self._duplicate: socket.socket | None = None
        self._is_cut = False
        self._guard = threading.RLock()

    def hold(self, sock: socket.socket) -> None:
        """Take hold of a connection in place of the one before.

        It is duplicated: the socket itself is out of reach while it is being connected and encrypted.

        Raises:
            ConnectionAbortedError: it has been cut already.
        """
        with self._guard:
            if self._is_cut:
                raise ConnectionAbortedError("cut before it was connected")
            self._let_go()
            self._duplicate = sock.dup()

    def cut(self) -> None:
        """End the connection: whoever waits on it, wakes. A host name lookup goes on."""
        with self._guard:
            self._is_cut = True
            if self._duplicate is not None:
                with contextlib.suppress(OSError):
                    self._duplicate.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Let go of the connection."""
        with self._guard:
            self._let_go()

    def _let_go(self) -> None:
        if self._duplicate is not None:
            self._duplicate.close()
            self._duplicate = None
