"""A platform that says over its socket whatever a test wants."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pryv import Connection

USERNAME = "alice"
TOKEN = "s3cr3t-t0ken"
INFO = {"id": "a1", "type": "app", "name": "A", "token": TOKEN, "user": {"username": USERNAME}}
META = {"apiVersion": "2.0.0", "serverTime": 1_700_000_000.5, "serial": "1"}
OPENING = {"sid": "s1", "upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": 1_000_000}

TEXT, BINARY, CLOSE, PING, CONTINUATION = 1, 2, 8, 9, 0


def frame(content: bytes | str, opcode: int = TEXT, *, fin: bool = True, compressed: bool = False) -> bytes:
    """A WebSocket frame."""
    content = content.encode() if isinstance(content, str) else content
    return frame_head(len(content), opcode, fin=fin, compressed=compressed) + content


def frame_head(size: int, opcode: int = TEXT, *, fin: bool = True, compressed: bool = False) -> bytes:
    """The head of a WebSocket frame with so much content."""
    first = opcode | fin << 7 | compressed << 6
    if size < 126:
        return struct.pack("!BB", first, size)
    return struct.pack("!BBH", first, 126, size) if size < 1 << 16 else struct.pack("!BBQ", first, 127, size)


class Peer:
    """The platform's end of a connection that was changed to WebSocket."""

    def __init__(self, sock: socket.socket, file: Any) -> None:
        self.sock = sock
        self._file = file

    def send(self, *data: bytes | str) -> None:
        """Send bytes as they are, and text as a message."""
        for item in data:
            self.sock.sendall(item if isinstance(item, bytes) else frame(item))

    def receive(self) -> str:
        """The next message, or nothing at the end."""
        head = self._file.read(2)
        if len(head) < 2:
            return ""
        size = head[1] & 0x7F
        if size >= 126:
            size = int.from_bytes(self._file.read(2 if size == 126 else 8), "big")
        mask = self._file.read(4)
        content = bytes(byte ^ mask[index % 4] for index, byte in enumerate(self._file.read(size)))
        return content.decode() if head[0] & 0x0F == TEXT else self.receive()

    def let_in(self, opening: str | bytes = f"0{json.dumps(OPENING)}") -> None:
        """Take the client into its namespace."""
        self.send(opening)
        self.receive()
        self.send(f'40/{USERNAME},{{"sid":"s2"}}')

    def calls(self) -> Iterator[tuple[int, str, Any]]:
        """The number, method and parameters of each call."""
        while message := self.receive():
            if message.startswith("42"):
                number, _, data = message.partition(",")[2].partition("[")
                yield int(number), *json.loads(f"[{data}")

    def stay(self) -> None:
        """Read until the client has gone."""
        while self.receive():
            pass


@contextmanager
def platform(script: Callable[[Peer], object], *, handshake: bytes | None = None) -> Iterator[Connection]:
    """A connection to a platform that follows a script on each of its sockets.

    `handshake` is what it answers the change to WebSocket with, in place of a handshake.
    """
    with (
        contextlib.closing(_Server(script, handshake)) as server,
        Connection(f"http://{TOKEN}@127.0.0.1:{server.port}/{USERNAME}/", retry=None) as connection,
    ):
        yield connection


class _Server:
    def __init__(self, script: Callable[[Peer], object], handshake: bytes | None) -> None:
        self._script = script
        self._handshake = handshake
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, name="hostile", daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.add(sock)
                self._threads.append(threading.Thread(target=self._serve, args=(sock,), name="hostile", daemon=True))
                self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as file, contextlib.suppress(OSError):
            while head := dict(_head(file)):
                if b"sec-websocket-key" in head:
                    sock.sendall(self._handshake or _accepted(head[b"sec-websocket-key"]))
                    self._script(Peer(sock, file))
                    return
                body = json.dumps({**INFO, "meta": META}).encode()
                head_of_answer = (
                    f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                sock.sendall(head_of_answer.encode() + body)


def _head(file: Any) -> Iterator[tuple[bytes, bytes]]:
    while (line := file.readline().rstrip(b"\r\n")) != b"":
        name, _, value = line.partition(b":")
        yield name.lower(), value.strip()


def _accepted(key: bytes) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
