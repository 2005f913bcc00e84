"""The body of a response: read within limits, off a connection that is used again only if nothing is left on it."""

from __future__ import annotations

import contextlib
import io
import socket
import sys
import time
from collections.abc import Generator
from typing import Any

import requests
import urllib3

from pryv.errors import PryvConnectionError, PryvTimeoutError, ResponseTooLargeError

from .failures import connection_error
from .limits import Limits, Pace, TooSlowError, parsed_size
from .urls import host_of

_CHUNK = 1 << 17
_SMALL = 1 << 20
"""Bytes of a body that takes little memory, whatever it says."""
_PARSED = 4
"""How many times `Limits.response` the text of a body and what is made of it may take together."""


class Incoming:
    """The body of a response whose head has come.

    urllib3 would put the connection back into its pool with the last byte of the body, whatever follows: here it knows
    of no pool until the end, and what `http.client` reads and closes goes through `_read1` and `_close_conn`.

    Args:
        response: The response.
        label: What it answers, in messages.
        limits: How large it may be, and how slow.
        seconds: The read timeout.
    """

    def __init__(self, response: requests.Response, label: str, limits: Limits, seconds: float | None) -> None:
        self._response = response
        self._raw: Any = response.raw
        self._original: Any = self._raw._original_response
        self._label = label
        self._limits = limits
        self._pace = Pace(limits.rate, seconds)
        self._surplus = False
        self._pool, self._raw._pool = self._raw._pool, None
        if self._original is not None:
            vars(self._original).update(read1=self._read1, _close_conn=self._close_conn)

    def whole(self, end: float | None) -> bytes:
        """Return all of the body, which has to be there by a time of `time.monotonic`.

        Raises:
            PryvConnectionError: it did not come, not all of it, or not in time.
            ResponseTooLargeError: it is larger than `Limits.response`, or would be once parsed.
        """
        limit = self._limits.response
        parts = []
        size = 0
        with contextlib.closing(self.chunks()) as chunks:
            for chunk in chunks:
                parts.append(chunk)
                size += len(chunk)
                if limit is not None and size > limit:
                    raise ResponseTooLargeError(f"{self._label}: more than {limit} bytes came (Limits.response)")
                if end is not None and time.monotonic() > end:
                    raise PryvTimeoutError(f"{self._label}: the answer was not whole in time")
        body = b"".join(parts)
        if limit is not None and size > _SMALL and parsed_size(body) > _PARSED * limit:
            raise ResponseTooLargeError(
                f"{self._label}: parsed, what came would take more than {_PARSED * limit} bytes, "
                f"{_PARSED} times Limits.response"
            )
        return body

    def chunks(self, *, decoded: bool = True) -> Generator[bytes, None, None]:
        """Yield the body as it arrives, with its content codings undone if `decoded`.

        Raises:
            PryvConnectionError: the connection broke, was silent for too long or too slow, before the end.
        """
        whole = False
        error: PryvConnectionError | None = None
        handled = sys.exc_info()[1]
        try:
            while chunk := self._raw.read1(_CHUNK, decode_content=decoded):
                yield chunk
            whole = True
        except urllib3.exceptions.HTTPError as failure:
            if isinstance(failure.__cause__, TooSlowError):
                error = PryvTimeoutError(
                    f"{self._label}: less than {self._limits.rate:g} bytes per second came (Limits.rate)"
                )
            else:
                error = connection_error(failure, self._label, host_of(self._response.url), handled=handled)
        finally:
            self._end(whole)
        if error is not None:
            raise error

    def _end(self, whole: bool) -> None:
        """Keep the connection for further use; close it where anything is left on it, or it left HTTP (101)."""
        if not whole or self._surplus or self._raw.status == 101:
            self._response.close()
        self._raw._pool = self._pool
        self._raw.release_conn()
        if self._original is not None:
            del self._original.read1, self._original._close_conn

    def _read1(self, amount: int) -> bytes:
        begin = time.monotonic()
        data: bytes = type(self._original).read1(self._original, amount)
        if data:
            self._pace.add(len(data), time.monotonic() - begin)
        return data

    def _close_conn(self) -> None:
        sock = getattr(self._raw.connection, "sock", None)
        self._surplus = sock is not None and _anything_more(self._original.fp, sock)
        type(self._original)._close_conn(self._original)


def _anything_more(reader: io.BufferedReader, sock: socket.socket) -> bool:
    """Tell whether more has come, be it in the buffer, decrypted, or on the socket."""
    seconds = sock.gettimeout()
    sock.settimeout(0)
    try:
        return bool(reader.peek())
    except OSError:
        return False
    finally:
        sock.settimeout(seconds)
