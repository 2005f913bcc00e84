"""The body of a response, read within limits. The connection is reused only if nothing is left on it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Generator, Iterator

import requests
import urllib3

from pryv.errors import PryvConnectionError, PryvTimeoutError, ResponseTooLargeError

from .failures import connection_error
from .libraries import HeldConnection, is_streamed
from .limits import Limits, Pace, TooSlowError, parsed_size
from .urls import host_of

_CHUNK = 1 << 17
_SMALL = 1 << 20
"""Bytes of a body that takes little memory once parsed, with any content."""
_PARSED = 4
"""The text of a body and its parsed form together may take this many times `Limits.response`."""


class ResponseBody:
    """The body of a response whose head was read.

    Args:
        response: The response.
        label: The name of the request in messages.
        limits: Its limits in size and rate.
        seconds: The read timeout.
    """

    def __init__(self, response: requests.Response, label: str, limits: Limits, seconds: float | None) -> None:
        self._response = response
        self._label = label
        self._limits = limits
        self._pid = os.getpid()
        self._connection = HeldConnection(response, Pace(limits.rate, seconds).add) if is_streamed(response) else None

    def whole(self, end: float | None) -> bytes:
        """Return the whole body, which has to be complete by `end`, a time of `time.monotonic`.

        Raises:
            PryvConnectionError: the body was not complete in time.
            ResponseTooLargeError: it is larger than `Limits.response`, or would be once it is parsed.
        """
        limit = self._limits.response
        parts = []
        size = 0
        with contextlib.closing(self.chunks()) as chunks:
            for chunk in chunks:
                parts.append(chunk)
                size += len(chunk)
                if limit is not None and size > limit:
                    raise ResponseTooLargeError(
                        f"{self._label}: the response is larger than {limit} bytes (Limits.response)"
                    )
                if end is not None and time.monotonic() > end:
                    raise PryvTimeoutError(f"{self._label}: the response was not complete in time")
        body = b"".join(parts)
        if limit is not None and size > _SMALL and parsed_size(body) > _PARSED * limit:
            raise ResponseTooLargeError(
                f"{self._label}: the response would take more than {_PARSED * limit} bytes once it is parsed, "
                f"{_PARSED} times Limits.response"
            )
        return body

    def chunks(self, *, decoded: bool = True) -> Generator[bytes, None, None]:
        """Yield the body as it arrives, with its content codings undone if `decoded`.

        Raises:
            PryvConnectionError: before the end, the connection broke, was silent for too long or was too slow.
        """
        whole = False
        error: PryvConnectionError | None = None
        handled = sys.exc_info()[1]
        try:
            blocks = self._blocks(decoded=decoded)
            while os.getpid() == self._pid:
                chunk = next(blocks, b"")
                if not chunk:
                    whole = True
                    return
                yield chunk
            error = PryvConnectionError(f"{self._label}: the process that reads the response is the parent of this one")
        except (urllib3.exceptions.HTTPError, requests.RequestException) as failure:
            if isinstance(failure.__cause__, TooSlowError):
                error = PryvTimeoutError(
                    f"{self._label}: the response came below {self._limits.rate:g} bytes per second (Limits.rate)"
                )
            else:
                error = connection_error(failure, self._label, host_of(self._response.url), handled=handled)
        finally:
            self._end(whole)
        if error is not None:
            raise error

    def _blocks(self, *, decoded: bool) -> Iterator[bytes]:
        if self._connection is None:
            yield from self._response.iter_content(_CHUNK)
            return
        while chunk := self._response.raw.read1(_CHUNK, decode_content=decoded):
            yield chunk

    def _end(self, whole: bool) -> None:
        """Put the connection back into its pool; close it where data are left on it, or it has left HTTP (101)."""
        if self._connection is None:
            self._response.close()
            return
        is_reusable = whole and not self._connection.has_surplus and self._response.raw.status != 101
        self._connection.release(is_reusable=is_reusable)
