"""The bytes of a connection, encrypted or not: one thread reads them while others write."""

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
"""Bytes that are read at once, whatever the number asked for: memory is set aside for them before they come."""

ResultT = TypeVar("ResultT")


class TooManyBytesError(Exception):
    """More came than was expected."""


class Stream:
    """A connected socket. What is read has to come in time, and to be no more than expected.

    Reads and writes take turns, and none holds up another while it waits: OpenSSL wants a connection to be used by one
    thread at a time (https://github.com/openssl/openssl/issues/2165). Where they overlap, Python before 3.12.8 and
    3.13.1 may see the end of a connection that goes on.

    Args:
        sock: The socket; its timeout is that of each write.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._turn = threading.Lock()
        self._deadline = math.inf
        self._left = math.inf
        sock.setblocking(False)

    def expect(self, seconds: float | None, size: float) -> None:
        """Bound what is read from now on: all of it, until this is called again.

        Args:
            seconds: In which it has to come; `None` for any time.
            size: How many bytes it has at most.
        """
        self._deadline = _deadline(seconds)
        self._left = size

    def gettimeout(self) -> float | None:
        """Return the seconds that each write may take."""
        return self._timeout

    def settimeout(self, seconds: float | None) -> None:
        """Set the seconds that each write may take."""
        self._timeout = seconds

    def recv(self, size: int) -> bytes:
        """Read what has come, up to a size, or wait for it.

        Raises:
            TooManyBytesError: there was more than expected.
            TimeoutError: it did not come in time.
            OSError: the connection broke.
        """
        if self._left <= 0:
            raise TooManyBytesError
        if time.monotonic() > self._deadline:  # although there may be more to read
            raise TimeoutError
        size = int(min(size, self._left, _LARGEST_READ))
        data = self._in_turn(lambda: self._sock.recv(size), selectors.EVENT_READ, self._deadline)
        self._left -= len(data)
        return data

    def send(self, data: bytes) -> int:
        """Write some of the data, and return how much.

        Raises:
            TimeoutError: none could be written in time.
            OSError: the connection broke.
        """
        return self._in_turn(lambda: self._sock.send(data), selectors.EVENT_WRITE, _deadline(self._timeout))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _in_turn(self, task: Callable[[], ResultT], event: int, deadline: float) -> ResultT:
        while True:
            with self._turn:
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
