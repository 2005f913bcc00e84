"""TLS as HTTP requests have it, on a connection that one thread reads while others write."""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from certifi import where
from urllib3.util.ssl_ import create_urllib3_context

from pryv.addons import HttpSettings

ResultT = TypeVar("ResultT")


def encrypt(sock: socket.socket, host: str, settings: HttpSettings) -> TlsSocket:
    """Return a connection to a host, encrypted.

    Raises:
        OSError: the host's certificate is not accepted, or there is no TLS.
    """
    verify = settings.verify
    needs = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    context = settings.ssl_context or create_urllib3_context(cert_reqs=needs)
    context.verify_mode = needs
    if verify:
        authorities = where() if verify is True else verify
        if os.path.isdir(authorities):
            context.load_verify_locations(capath=authorities)
        else:
            context.load_verify_locations(cafile=authorities)
    if settings.cert is not None:
        context.load_cert_chain(*((settings.cert,) if isinstance(settings.cert, str) else settings.cert))
    return TlsSocket(context.wrap_socket(sock, server_hostname=host))


class TlsSocket:
    """An encrypted socket whose reads and writes take turns; none holds up another while it waits.

    Where they overlap, Python before 3.12.8 and 3.13.1 may see the end of a connection that goes on.
    """

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._turn = threading.Lock()
        sock.setblocking(False)

    def gettimeout(self) -> float | None:
        """Return the seconds that each read or write may take."""
        return self._timeout

    def settimeout(self, seconds: float | None) -> None:
        """Set the seconds that each read or write may take."""
        self._timeout = seconds

    def recv(self, size: int) -> bytes:
        """Read what has come, up to a size, or wait for it."""
        return self._in_turn(lambda: self._sock.recv(size))

    def send(self, data: bytes) -> int:
        """Write some of the data, and return how much."""
        return self._in_turn(lambda: self._sock.send(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _in_turn(self, task: Callable[[], ResultT]) -> ResultT:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            with self._turn:
                try:
                    return task()
                except ssl.SSLWantReadError:
                    event = selectors.EVENT_READ
                except ssl.SSLWantWriteError:
                    event = selectors.EVENT_WRITE
            self._wait(event, deadline)

    def _wait(self, event: int, deadline: float | None) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, event)
            if not selector.select(None if deadline is None else max(0.0, deadline - time.monotonic())):
                raise TimeoutError
