"""A server that responds with exact bytes, for responses that a correct platform never sends."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import signal
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import attrs
import pytest
from tests.waiting import within

from pryv import ERRORS, Connection, RetryPolicy

META = {"apiVersion": "2.0.0", "serverTime": 1700000000.5, "serial": "2024"}
FAST = RetryPolicy(attempts=3, backoff=0.01, max_backoff=0.02, deadline=5)
"""Tries as often as the default policy, in no time."""


@attrs.frozen
class Recorded(RetryPolicy):
    """Waits for no time, and notes the numbers of the failed attempts."""

    asked: list[int] = attrs.field(factory=list)

    def wait(self, attempt: int, retry_after: float | None = None) -> float:
        self.asked.append(attempt)
        return 0


_PIECE = 1 << 16
"""Bytes of a body read at once."""


@dataclass(frozen=True)
class Reply:
    """Bytes to send, and the action on the connection after them: `keep`, `close`, `reset` or `hang`.

    With an `interval`, they leave one by one, so many seconds apart, after those `at_once`.
    """

    data: bytes = b""
    then: str = "keep"
    interval: float = 0.0
    at_once: bytes = b""


def reply(
    body: bytes | str | Mapping[str, Any] | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    then: str = "keep",
    interval: float = 0.0,
) -> Reply:
    """Return a well-formed response; a dict is sent as JSON, with `meta`, and no body is an empty result."""
    if body is None or isinstance(body, Mapping):
        body = json.dumps({**(body or {}), "meta": META})
    content = body.encode() if isinstance(body, str) else body
    head = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in head.items())]
    return Reply("\r\n".join(lines).encode() + b"\r\n\r\n" + content, then, interval)


def error_reply(status: int, error_id: str, headers: Mapping[str, str] | None = None, **members: Any) -> Reply:
    """Return an error response of the API."""
    return reply({"error": {"id": error_id, "message": f"refused with {error_id}", **members}}, status, headers)


def service_info_reply(wire: Wire) -> Reply:
    """Return the service info of a platform with all URLs at `wire`."""
    return reply({"name": "Wire", "api": f"{wire.url}{{username}}/", "access": wire.url, "register": wire.url})


def moves_to(url: str) -> list[Reply]:
    """Return the responses that say that the account is on another core, at a URL."""
    error = {"id": ERRORS.WRONG_CORE, "message": "elsewhere"}
    moved_error = {"id": ERRORS.USER_ACCOUNT_RELOCATED, "message": "moved"}
    return [
        reply({"error": {**error, "data": {"coreUrl": url}}}, 421),
        reply({"error": {**error, "coreUrl": url}}, 421),
        reply({"error": {**error, "coreUrl": url.rstrip("/")}}, 421),
        reply({"error": {**moved_error, "data": {"url": f"{url}user/streams?x=1"}}}, 301),
        reply({"error": {**moved_error, "data": url}}, 301),
        reply({"error": moved_error}, 301, {"Location": f"{url}user/streams?x=1"}),
    ]


def chunked(chunks: list[bytes], end: bytes = b"0\r\n\r\n", then: str = "keep") -> Reply:
    """Return a response whose body is sent in these chunks, and so is read chunk by chunk."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks if chunk)
    return Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + end, then)


@dataclass(frozen=True)
class Received:
    """A request as it was received."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """Return the JSON data of the body."""
        return json.loads(self.body)


class Wire:
    """Responds to each request with the next of `replies`, then with `always`.

    Attributes:
        requests: What was asked, in order.
        token: A secret that the endpoint carries.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.replies: deque[Reply] = deque()
        self.always = reply()
        self.token = f"canary{secrets.token_hex(12)}"
        self.connections = 0
        self._pauses: list[float] = []
        self._tls = tls
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def host(self) -> str:
        return "{}:{}".format(*self._listener.getsockname())

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}/"

    @property
    def api_endpoint(self) -> str:
        return f"{self.url.replace('//', f'//{self.token}@')}user/"

    def service_info(self, **changes: Any) -> dict[str, Any]:
        """Return the service info of a platform that is served here, with changed members."""
        info = {"name": "Wire", "api": f"{self.url}{{username}}/", "access": self.url, "register": self.url}
        return info | changes

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def wait_until_open(self, count: int) -> bool:
        """Wait until a number of connections are open."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._open) == count, timeout=60)

    def wait_until_asked(self, count: int) -> bool:
        """Wait until a number of requests have arrived."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= count, timeout=60)

    def read_slowly(self, pauses: list[float]) -> None:
        """Wait a number of seconds before each of the first reads of a body, with small socket buffers."""
        self._pauses = pauses
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE)

    def connection(self, **options: Any) -> Connection:
        """Return a connection to the account served here."""
        return Connection(self.api_endpoint, **{"timeout": 2, "retry": FAST, **options})

    def close(self) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._changed:
                self._open.add(connection)
                self._changed.notify_all()
            self._converse(connection)
        except OSError:
            pass
        finally:
            with self._changed:
                self._open.discard(connection)
                connection.close()
                self._changed.notify_all()

    def _converse(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as incoming:
            while request := self._read_request(incoming):
                with self._changed:
                    self.requests.append(request)
                    answer = self.replies.popleft() if self.replies else self.always
                    self._changed.notify_all()
                self._send(connection, answer)
                if answer.then != "keep":
                    break
            else:
                return
        if answer.then == "hang":
            connection.settimeout(None)
            connection.recv(1)
        elif answer.then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _read_request(self, incoming: BinaryIO) -> Received | None:
        first_line = incoming.readline().decode("latin-1")
        method, target, *_ = [*first_line.split(), "", ""]
        if not method:
            return None
        headers: dict[str, str] = {}
        while line := str(incoming.readline(), "latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = self._read_body(incoming, int(headers.get("content-length", 0)))
        return Received(method, target, headers, body)

    def _read_body(self, incoming: BinaryIO, length: int) -> bytes:
        pieces = []
        pauses = itertools.chain(self._pauses, itertools.repeat(0))
        for start, pause in zip(range(0, length, _PIECE), pauses, strict=False):
            self._closing.wait(pause)
            pieces.append(incoming.read(min(_PIECE, length - start)))
        return b"".join(pieces)

    def _send(self, connection: socket.socket, answer: Reply) -> None:
        if not answer.interval:
            connection.sendall(answer.at_once + answer.data)
            return
        connection.sendall(answer.at_once)
        for byte in answer.data:
            connection.sendall(bytes((byte,)))
            if self._closing.wait(answer.interval):
                return


@contextlib.contextmanager
def interrupted_once_asked(wire: Wire) -> Iterator[None]:
    """Interrupts its block, like Ctrl-C, when a request has arrived; the block must end long before a time limit.

    A signal that arrives just before a system call does not end it (https://peps.python.org/pep-0475/ covers only one
    that arrives during the call), so it is sent again if the block goes on.
    """
    ended = threading.Event()

    def interrupt() -> None:
        assert wire.wait_until_asked(1)
        os.kill(os.getpid(), signal.SIGINT)
        while not ended.wait(3):
            os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    try:
        with within(15), pytest.raises(KeyboardInterrupt):
            yield
    finally:
        ended.set()
        interrupting.join()
