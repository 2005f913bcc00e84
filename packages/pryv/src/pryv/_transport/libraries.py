"""Every use of a private or undocumented name of urllib3, requests and the standard library.

Read in urllib3 2.8.0, requests 2.34.2 and CPython 3.13.0. For each name, `tests/pryv/test_libraries.py` has a test that
fails if a later version removes it.
"""

from __future__ import annotations

import functools
import http.client
import io
import re
import socket
import ssl
import time
import traceback
from collections.abc import Callable, Mapping
from json import JSONDecodeError
from typing import Any

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_auth_from_url, prepend_scheme_if_needed, select_proxy
from urllib3 import BaseHTTPResponse, HTTPHeaderDict
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ResponseError

__all__ = [
    "DEFAULT_CA_BUNDLE_PATH",
    "Connection",
    "HeldConnection",
    "Response",
    "drop_cookies",
    "get_auth_from_url",
    "happened_in_connect",
    "headers_of",
    "is_streamed",
    "is_unterminated_string",
    "prepend_scheme_if_needed",
    "read_next_head",
    "repeated_status",
    "select_proxy",
    "ssl_context_of",
    "tunnel_status",
    "use_connections",
]

_REPEATED = re.compile(ResponseError.SPECIFIC_ERROR.format(status_code=r"(\d{3})"))
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_BUFFER = 1 << 16
"""Bytes that are read at once: two of the platform's chunks. With the 8 KiB of `http.client`, each chunk takes three
reads of the socket, and reading events 5 % more CPU."""


class Connection(HTTPConnection):
    """A connection that passes on its socket before anything is sent, and limits the time of each write.

    urllib3 has no hook for the former. Its own SOCKS connections override the same method:
    https://github.com/urllib3/urllib3/blob/2.8.0/src/urllib3/contrib/socks.py#L98
    """

    debuglevel = 0
    """Not that of `http.client.HTTPConnection`, which programs set to print all requests, with their tokens:
    https://docs.python.org/3/library/http.client.html#http.client.HTTPConnection.set_debuglevel
    """

    def on_socket(self, sock: socket.socket) -> None:
        """Receive the socket, connected, before a TLS handshake. If this raises, the socket is closed."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        try:
            self.on_socket(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def limit_writes(self, seconds: float | None) -> None:
        """Limit the time of each write of the next request.

        Otherwise it would be the connect timeout: https://github.com/psf/requests/issues/5263. A write timeout in
        urllib3 is requested in https://github.com/urllib3/urllib3/issues/857.
        """
        if self.is_closed:
            self.connect()
        self.timeout = seconds


class Response(http.client.HTTPResponse):
    """A response that reads its socket through `reader`, and announces each head.

    `http.client` has no hook for either:
    https://github.com/python/cpython/blob/v3.13.0/Lib/http/client.py#L269
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(self.reader(self.fp.detach(), sock.gettimeout()), _BUFFER)

    def reader(self, raw: io.RawIOBase, seconds: float | None) -> io.RawIOBase:
        """Return a reader of `raw` whose reads take at most `seconds` each."""
        return raw

    def before_head(self) -> None:
        """A hook before each head is read, including those of interim responses."""

    def _read_status(self) -> tuple[str, int, str]:
        self.before_head()
        status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
        return status


def use_connections(pool: Any, connection: type[Connection], response: type[Response]) -> None:
    """Make a pool use a class of connections and a class of responses, for its kind of host (TLS, SOCKS…).

    A pool takes no such class as an argument: https://github.com/urllib3/urllib3/issues/94
    """
    pool.ConnectionCls = _connection_class(pool.ConnectionCls, connection, response)  # type: ignore[arg-type]


@functools.cache
def _connection_class(base: type[Any], connection: type[Any], response: type[Any]) -> type[Any]:
    if issubclass(base, connection):
        return base
    return type(base.__name__, (connection, base), {"response_class": response})


def is_streamed(response: requests.Response) -> bool:
    """Return whether urllib3 reads the body from a connection.

    It does not if a hook of the session has read the body, or if an adapter or a library, such as vcrpy, made the
    response.
    """
    return isinstance(response.raw, BaseHTTPResponse) and not vars(response)["_content_consumed"]


def headers_of(response: requests.Response) -> Mapping[str, str]:
    """Return the headers that were received: hooks of the session may change those of the response."""
    received: Mapping[str, str] = getattr(response.raw, "headers", response.headers)
    return received


class HeldConnection:
    """The connection of a response, kept out of its pool until `release`.

    urllib3 puts it back with the last byte of the body, even if more data follow, which would then be read as the
    next response (https://github.com/urllib3/urllib3/blob/2.8.0/src/urllib3/response.py#L975).

    Args:
        response: The response, its body unread.
        on_read: A callback after each read, with the number of bytes and seconds. An exception in it ends the body like
            a failure of the connection.

    Attributes:
        has_surplus: Whether data have arrived after the end of the body.
    """

    def __init__(self, response: requests.Response, on_read: Callable[[int, float], object]) -> None:
        self._raw: Any = response.raw
        self._original: Any = self._raw._original_response
        self._on_read = on_read
        self.has_surplus = False
        self._pool, self._raw._pool = self._raw._pool, None
        if self._original is not None:
            vars(self._original).update(read1=self._read1, _close_conn=self._close_conn)

    def release(self, *, is_reusable: bool = True) -> None:
        """Put the connection back into its pool, after closing it if it cannot be reused.

        This reads nothing from it: the process from which this one was forked may be reading.
        """
        if self._original is not None:
            del self._original.read1, self._original._close_conn
        if not is_reusable:
            self._raw.close()
        self._raw._pool = self._pool
        self._raw.release_conn()

    def _read1(self, amount: int) -> bytes:
        begin = time.monotonic()
        data: bytes = type(self._original).read1(self._original, amount)
        if data:
            self._on_read(len(data), time.monotonic() - begin)
        return data

    def _close_conn(self) -> None:
        """Check for surplus data before `http.client` drops the socket, at the end of the body."""
        sock = getattr(self._raw.connection, "sock", None)
        self.has_surplus = sock is not None and _has_data(self._original.fp, sock)
        type(self._original)._close_conn(self._original)


def _has_data(reader: io.BufferedReader, sock: socket.socket) -> bool:
    """Return whether data have arrived: in the buffer, decrypted by TLS, or on the socket."""
    seconds = sock.gettimeout()
    sock.settimeout(0)
    try:
        return bool(reader.peek())
    except OSError:
        return False
    finally:
        sock.settimeout(seconds)


def read_next_head(response: requests.Response) -> bool:
    """Read another head from the connection, and change the response to one with this head.

    Returns `False` if there is no connection to read from, as in a test. `http.client` skips 100 (Continue) only:
    https://github.com/python/cpython/blob/v3.13.0/Lib/http/client.py#L330

    Raises:
        http.client.HTTPException: no head follows.
        OSError: the connection broke.
    """
    raw: Any = response.raw
    original = raw._original_response
    if original is None:
        return False
    original.headers = original.msg = None  # without which `begin` does nothing
    original.begin()
    raw.status = response.status_code = original.status
    raw.headers = HTTPHeaderDict(original.msg.items())
    raw.chunked = original.chunked
    raw.length_remaining = raw._init_length(response.request.method)
    return True


def drop_cookies(response: requests.Response) -> None:
    """Hide the cookies of a response from its session.

    The session reads them from the response of `http.client`, and has no setting to leave them:
    https://github.com/psf/requests/blob/v2.34.2/src/requests/cookies.py#L149
    """
    head: Any = getattr(getattr(response.raw, "_original_response", None), "msg", None)
    if head is not None and "Set-Cookie" in head:
        del head["Set-Cookie"]


def ssl_context_of(session: requests.Session, url: str) -> ssl.SSLContext | None:
    """Return the TLS context of a session's adapter, if it has one."""
    pools = getattr(session.get_adapter(url), "poolmanager", None)
    return pools.connection_pool_kw.get("ssl_context") if pools is not None else None


def repeated_status(failure: BaseException) -> int | None:
    """Return the status on which a `urllib3.Retry` gave up; it is in the text of the exception only."""
    reason = getattr(failure.args[0], "reason", None) if failure.args else None
    found = _REPEATED.fullmatch(str(reason)) if isinstance(reason, ResponseError) else None
    return int(found[1]) if found else None


def tunnel_status(failure: BaseException) -> int | None:
    """Return the status with which a proxy refused a tunnel; it is in the text of the exception only.

    See https://github.com/python/cpython/blob/v3.13.0/Lib/http/client.py#L979.
    """
    found = _TUNNEL.search(str(failure))
    return int(found[1]) if found else None


def happened_in_connect(failure: BaseException) -> bool:
    """Return whether a failure happened while a connection was being made.

    urllib3 raises the same exception for a handshake and for a response that was cut short: only the traceback differs.
    """
    return any(
        frame.f_code.co_name == "connect" and isinstance(frame.f_locals.get("self"), http.client.HTTPConnection)
        for frame, _ in traceback.walk_tb(failure.__traceback__)
    )


def is_unterminated_string(error: JSONDecodeError) -> bool:
    """Return whether a text ends within a string; its `pos` is where the string begins.

    See https://github.com/python/cpython/blob/v3.13.0/Lib/json/decoder.py#L85.
    """
    return error.msg.startswith("Unterminated string")
