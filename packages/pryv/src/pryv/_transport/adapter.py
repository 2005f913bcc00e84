"""Deadlines that `requests` does not enforce: for writing a body, and for reading a response.

Its timeouts apply to single reads and writes: https://requests.readthedocs.io/en/latest/user/quickstart/#timeouts

`on_connect` shows others the sockets, so that they can cancel a request from another thread.
"""

from __future__ import annotations

import contextlib
import io
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from .idle import usable_seconds
from .interim import MOST, TooManyInterimResponsesError
from .libraries import Connection, Response, use_connections
from .request_body import LimitedBody
from .tls import SharedContextAdapter


class LimitingAdapter(SharedContextAdapter):
    """Applies the read timeout to each block of a body that is written, and to the head of a response as a whole.

    Without it (in a session that the user passes in), the connect timeout bounds each write, and the read timeout
    applies to each `recv` while the head is read.
    """

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the connection pool of a host."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        use_connections(pool, _Connection, _Response)
        return pool


_thread = threading.local()


@contextlib.contextmanager
def on_connect(callback: Callable[[socket.socket], object] | None) -> Iterator[None]:
    """Call `callback` with each socket that a `LimitingAdapter` connects in this thread.

    Another thread can shut the socket down, which ends the request. If `callback` raises, the socket is closed.
    """
    _thread.on_connect = callback
    try:
        yield
    finally:
        _thread.on_connect = None


class _Connection(Connection):
    """A connection that is not used again when the server is about to close it.

    A request that meets the end of its connection is lost, and unless it is idempotent, it must not be sent again:
    https://www.rfc-editor.org/rfc/rfc9112#section-9.3.1
    """

    _usable_until = math.inf

    @property
    def is_connected(self) -> bool:
        """Whether the next request may use the connection; otherwise urllib3 makes a new one."""
        return super().is_connected and time.monotonic() < self._usable_until

    def getresponse(self) -> Any:
        """Read the response, and how long the server keeps the connection after it."""
        response = super().getresponse()
        self._usable_until = time.monotonic() + usable_seconds(response.headers.get("Keep-Alive"))
        return response

    def on_socket(self, sock: socket.socket) -> None:
        self._usable_until = math.inf
        callback = getattr(_thread, "on_connect", None)
        if callback is not None:
            callback(sock)

    def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
        if isinstance(body, LimitedBody):
            self.limit_writes(body.seconds)
        super().request(method, url, body, *args, **kwargs)


class _Response(Response):
    """A response whose head has to be complete within the socket's timeout, and then each piece of its body."""

    _heads = 0

    def reader(self, raw: io.RawIOBase, seconds: float | None) -> io.RawIOBase:
        self._reader = _TimedReader(raw, seconds)
        return self._reader

    def before_head(self) -> None:
        self._heads += 1
        if self._heads > MOST + 1:
            raise TooManyInterimResponsesError

    def read1(self, n: int = -1) -> bytes:
        self._reader.begin_step()
        return super().read1(n)


class _TimedReader(io.RawIOBase):
    """Reads from a socket with one deadline for each step, however many `recv` calls the step takes."""

    def __init__(self, raw: io.RawIOBase, seconds: float | None) -> None:
        self._raw = raw
        self._seconds = math.inf if seconds is None else seconds
        self.begin_step()

    def begin_step(self) -> None:
        self._end = time.monotonic() + self._seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self._end:
            raise TimeoutError("the response was not complete in time")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
