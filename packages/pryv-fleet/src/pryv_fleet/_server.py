"""A small HTTP server for the receiver of webhooks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

if TYPE_CHECKING:
    from pryv_fleet.fleet import Fleet


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _ServerOfIPv6(_Server):
    address_family = socket.AF_INET6


class _QuietHandler(WSGIRequestHandler):
    timeout = 30
    """Seconds that a client may be silent."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the path is the secret of a webhook."""


@contextmanager
def receiving(fleet: Fleet, host: str, port: int) -> Iterator[str]:
    """Receive notifications, on threads of its own, until the block ends; yield the URL."""
    server_class = _ServerOfIPv6 if ":" in host else _Server
    with make_server(host, port, fleet.receiver(), server_class, _QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, name="pryv-fleet-receiver", daemon=True)
        thread.start()
        try:
            yield f"http://[{host}]:{server.server_port}/" if ":" in host else f"http://{host}:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
