"""A socket that one thread reads while others write, with limits on what is read."""

from __future__ import annotations

import math
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

_LARGEST_READ = 1 << 16
"""The most bytes to read at once, even if more are requested: `recv` allocates memory for all of them beforehand."""

ResultT = TypeVar("ResultT")


class ReadLimitError(Exception):
    """More bytes arrived than the limit allows."""


class Stream:
    """A connected socket, encrypted or not, with a deadline and a size limit for reads.

    Reads and writes share a lock, which is not held while one of them waits: OpenSSL requires that only one thread at a
    time uses a connection (https://github.com/openssl/openssl/issues/2165). With Python before 3.12.8 and 3.13.1,
    overlapping calls may report the end of a connection that is still open.

    Args:
        sock: The socket; its timeout applies to each write.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._lock = threading.Lock()
        self._deadline = math.inf
        self._left = math.inf
        sock.setblocking(False)

    def limit_reads(self, seconds: float | None, size: float) -> None:
        """Limit all reads from now on, until the next call of this method.

        Args:
            seconds: Seconds in which all of them must return; `None` for no limit.
            size: The most bytes that they return in all.
        """
        self._deadline = _deadline(seconds)
        self._left = size

    def gettimeout(self) -> float | None:
        """Return the timeout of a write, in seconds."""
        return self._timeout

    def settimeout(self, seconds: float | None) -> None:
        """Set the timeout of a write, in seconds."""
        self._timeout = seconds

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes, and wait for the first of them.

        Raises:
            ReadLimitError: the size limit is reached.
            TimeoutError: the deadline has passed.
            OSError: the connection broke.
        """
        if self._left <= 0:
            raise ReadLimitError
        if time.monotonic() > self._deadline:  # even if data are available
            raise TimeoutError
        size = int(min(size, self._left, _LARGEST_READ))
        data = self._with_lock(lambda: self._sock.recv(size), selectors.EVENT_READ, self._deadline)
        self._left -= len(data)
        return data

    def send(self, data: bytes) -> int:
        """Write some of the data, and return the number of bytes.

        Raises:
            TimeoutError: nothing could be written within the timeout.
            OSError: the connection broke.
        """
        return self._with_lock(lambda: self._sock.send(data), selectors.EVENT_WRITE, _deadline(self._timeout))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _with_lock(self, task: Callable[[], ResultT], event: int, deadline: float) -> ResultT:
        while True:
            with self._lock:
                try:
                    return task()
                except ssl.SSLWantReadError:
                    event = selectors.EVENT_READ
                except ssl.SSLWantWriteError:
                    event = selectors.EVENT_WRITE
                except BlockingIOError:
                    pass
            self._wait(event, deadline)

    def _wait(self, event: int, deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, event)
            if not selector.select(None if deadline == math.inf else max(0.0, deadline - time.monotonic())):
                raise TimeoutError


def _deadline(seconds: float | None) -> float:
    return math.inf if seconds is None else time.monotonic() + seconds
