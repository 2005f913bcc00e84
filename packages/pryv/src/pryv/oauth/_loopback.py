"""A login with a browser on this machine, which comes back to the program itself (RFC 8252, section 7.3)."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from pryv._display import SecretText
from pryv._signals import SignalSafeEvent
from pryv.errors import AccessTimeoutError

_HOSTS = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "::1"}
_ANSWERED = "The answer has arrived. You can close this page, and go back to the program.\n"
_OTHER = "This is not the answer to the present request.\n"
_NOT_FOUND = "Nothing here.\n"
_POLL = 0.05
"""Seconds after which the server notices that it is to end."""
_HEADERS = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}


def print_url(url: str) -> None:
    """Print the URL for the user on standard error, if it is open."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(f"To sign in, and to accept or refuse, open this page:\n\n    {url}\n", file=sys.stderr, flush=True)


class Loopback:
    """Listens on this machine until a browser comes back; a context manager.

    Args:
        redirect_uri: The redirect URI of the client.
        port: The port; 0 for that of the redirect URI, or any that is free.

    Attributes:
        redirect_uri: The redirect URI with the port.

    Raises:
        TypeError: `port` is not an integer.
        ValueError: the redirect URI is not one of this machine, or names another port.
        OSError: the port is in use.
    """

    def __init__(self, redirect_uri: str, port: int) -> None:
        if not isinstance(port, int) or isinstance(port, bool):
            raise TypeError(f"port is an integer, not {type(port).__name__}")
        parts = urlsplit(redirect_uri)
        host = parts.hostname or ""
        if parts.scheme != "http" or host not in _HOSTS:
            raise ValueError("a login needs a redirect_uri at http://127.0.0.1 or http://[::1]")
        if host == "localhost" and port not in (0, parts.port):
            raise ValueError(f"redirect_uri names port {parts.port}; with http://127.0.0.1 there could be any")
        if not 0 <= port < 1 << 16:
            raise ValueError("port is a number from 0 to 65535")
        self._path = parts.path or "/"
        name = f"[{host}]" if ":" in host else host
        address = _HOSTS[host], port or parts.port or 0
        try:
            self._server = _Server(address, self._response)
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"{name}:{address[1]}") from None
        self._serving: threading.Thread | None = None
        self._answer: str | None = None
        self._answered = SignalSafeEvent()
        query = f"?{parts.query}" if parts.query else ""
        self.redirect_uri = f"http://{name}:{self._server.server_address[1]}{parts.path}{query}"

    def __enter__(self) -> Loopback:
        return self

    def __exit__(self, *_: object) -> None:
        if self._serving is not None:
            self._server.shutdown()
            self._serving.join()
        self._server.server_close()

    def listen(self, is_answer: Callable[[str], bool]) -> None:
        """Respond to requests from now on.

        Args:
            is_answer: Whether a query answers the authorization request; others do not end the wait.
        """
        self._is_answer = is_answer
        self._serving = threading.Thread(target=self._server.serve_forever, args=(_POLL,), daemon=True)
        self._serving.start()

    def wait(self, timeout: float | None) -> str:
        """Wait until the browser has come back, and return the query with which it came.

        Args:
            timeout: Seconds to wait; `None` waits without limit.

        Raises:
            AccessTimeoutError: it did not come in time.
        """
        self._answered.wait(timeout)
        if self._answer is None:
            raise AccessTimeoutError(f"the user did not answer the access request within {timeout:g} seconds")
        return self._answer

    def _response(self, target: str) -> tuple[int, str, Callable[[], object]]:
        """Return the status and text for a target of a request, and what to do after they are sent."""
        path, _, query = target.partition("?")
        if path != self._path:
            return 404, _NOT_FOUND, lambda: None
        if not self._is_answer(query):
            return 400, _OTHER, lambda: None
        self._answer = SecretText(query)
        return 200, _ANSWERED, self._answered.set


class _Server(socketserver.ThreadingTCPServer):
    """A server of `http.server` without the name look-up, and the tracebacks on standard error, that it makes."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, address: tuple[str, int], respond: Callable[[str], tuple[int, str, Callable[[], object]]]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.respond = respond
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that go away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10
    """Seconds for a client to send its request."""

    def do_GET(self) -> None:
        """Respond to a browser."""
        status, text, then = self.server.respond(self.path)
        try:
            self._send(status, text)
        finally:
            then()  # the answer has arrived, even if the browser is gone

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Respond to a malformed request, without repeating it."""
        del message, explain
        self._send(code, _NOT_FOUND)

    def log_message(self, *_: object) -> None:
        """Log nothing: the request has the code in it."""

    def _send(self, status: int, text: str) -> None:
        self.close_connection = True
        self.send_response_only(status)
        for name, value in {**_HEADERS, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())
