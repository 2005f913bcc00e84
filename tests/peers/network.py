"""Servers between a client and a platform: a relay that corrupts the bytes, a proxy, a scripted server."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Iterator

import pytest


class Relay:
    """Passes TCP connections on to a platform, decrypting them if it was given a certificate.

    Attributes:
        cut_after: bytes from the platform after which a connection is reset; counts for connections made from now on.
        frozen: whether nothing is passed on any more, while connections stay open.
        connections: how many were made so far.
        spoiled: bytes from the platform, and those of the same number to pass on in their place.
        received: what came from the platform.
        dropped: what was not passed on.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._tls = tls
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.cut_after: int | None = None
        self.frozen = False
        self.connections = 0
        self.spoiled: tuple[bytes, bytes] = (b"", b"")
        self.received = bytearray()
        self.dropped = bytearray()
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, name="relay", daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop listening, and cut the open connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """Cut every connection."""
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def reach(self, client: socket.socket) -> socket.socket:
        """Return the connection to the platform for a client."""
        return socket.create_connection(self._target)

    def forwarded(self, data: bytes) -> bytes:
        """Return the bytes for the platform, from those that a client sent."""
        return data

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                self._open.add(client)
                thread = threading.Thread(target=self._serve, args=(client,), name="relay", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.ExitStack() as ends, contextlib.suppress(OSError):
            ends.enter_context(client)
            if self._tls:
                client = ends.enter_context(self._tls.wrap_socket(client, server_side=True))
            platform = ends.enter_context(self.reach(client))
            self._open.update((client, platform))
            self._pass(client, platform)

    def _pass(self, client: socket.socket, platform: socket.socket) -> None:
        left = self.cut_after
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, platform)
            selector.register(platform, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    data = key.fileobj.recv(1 << 20)  # type: ignore[union-attr]
                    if not data:
                        return
                    if self.frozen:
                        self.dropped += data
                        continue
                    if key.fileobj is client:
                        data = self.forwarded(data)
                    if key.fileobj is platform:
                        self.received += data
                        data = data.replace(*self.spoiled) if self.spoiled[0] else data
                    if key.fileobj is platform and left is not None:
                        data, left = data[:left], left - len(data)
                    key.data.sendall(data)
                    if left is not None and left <= 0:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return


class Proxy(Relay):
    """An HTTP proxy that makes tunnels.

    Attributes:
        asked: the heads of the requests for a tunnel.
        status: what it answers with.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = "200 OK"
        super().__init__("", 0)

    def reach(self, client: socket.socket) -> socket.socket:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        self.asked.append(head.decode())
        client.sendall(f"HTTP/1.1 {self.status}\r\n\r\n".encode())
        host, _, port = head.split()[1].decode().rpartition(":")
        return socket.create_connection((host, int(port)))


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy."""
    with contextlib.closing(Proxy()) as proxy:
        yield proxy


class Scripted:
    """Accepts connections, reads a request, sends bytes, and ends the connection by `close` or `reset`.

    Attributes:
        connections: how many were made so far.
    """

    def __init__(self, data: bytes, then: str) -> None:
        self.connections = 0
        self._data = data
        self._then = then
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                with client, contextlib.suppress(OSError):
                    client.recv(1 << 16)
                    client.sendall(self._data)
                    if self._then == "reset":
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    else:
                        client.shutdown(socket.SHUT_WR)
                        while client.recv(1 << 16):
                            pass


def alert(code: int) -> bytes:
    """A fatal alert of TLS; see RFC 8446, section 6."""
    return b"\x15\x03\x03\x00\x02\x02" + bytes((code,))
