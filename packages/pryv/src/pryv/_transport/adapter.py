"""Limits that `requests` leaves open: for a body to leave, for parts of an answer to come, and on another's word."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from typing import Any

from urllib3.connection import HTTPConnection

from .bodies import Outgoing
from .interim import MOST, TooManyInterimResponsesError
from .tls import SharedContextAdapter


class LimitingAdapter(SharedContextAdapter):
    """Sends and receives within these limits.

    With the adapters of a session given, a block has to leave within the limit for connecting, and each piece of a
    head has one read's.
    """

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return what holds the connections to a host."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _limiting(pool.ConnectionCls)
        return pool


_watching = threading.local()


@contextlib.contextmanager
def telling_of_connections(opened: Callable[[socket.socket], object] | None) -> Iterator[None]:
    """Call `opened` with each connection that this thread makes by a `LimitingAdapter`, so that others can end it.

    An exception of `opened` closes the connection.
    """
    _watching.opened = opened
    try:
        yield
    finally:
        _watching.opened = None


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        opened = getattr(_watching, "opened", None)
        try:
            if opened is not None:
                opened(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
        if isinstance(body, Outgoing):
            if self.is_closed:
                self.connect()
            self.timeout = body.seconds
        super().request(method, url, body, *args, **kwargs)


@functools.cache
def _limiting(connection: type[Any]) -> type[Any]:
    """Return a class of connections like those given (TLS, SOCKS…), and with these limits."""
    if issubclass(connection, _Connection):
        return connection
    return type(connection.__name__, (_Connection, connection), {"response_class": _Answer})


class _Answer(HTTPResponse):
    """An answer whose head, and then each piece of its body, comes within the socket's time limit as a whole."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._incoming = _Incoming(self.fp.detach(), sock.gettimeout())
        self.fp = io.BufferedReader(self._incoming)
        self._heads = 0

    def _read_status(self) -> tuple[str, int, str]:
        self._heads += 1
        if self._heads > MOST + 1:
            raise TooManyInterimResponsesError
        status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
        return status

    def read1(self, n: int = -1) -> bytes:
        self._incoming.begin_step()
        return super().read1(n)


class _Incoming(io.RawIOBase):
    """The bytes that come in on a socket, step by step: none begins to wait for more once its seconds are over."""

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
            raise TimeoutError("what was to come was not whole in time")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
