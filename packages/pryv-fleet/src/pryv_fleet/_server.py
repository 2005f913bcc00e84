"""A small HTTP server for the receiver of webhooks."""

from __future__ import annotations

import signal
import sys
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from pryv.cli import say

if TYPE_CHECKING:
    from pryv_fleet.fleet import Fleet


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    timeout = 30
    """Seconds that a client may be silent."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the path is the secret of a webhook."""


def serve(fleet: Fleet, host: str, port: int) -> None:
    """Receive notifications until terminated."""
    with make_server(host, port, fleet.receiver(), _Server, _QuietHandler) as server:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        say(f"pryv-fleet: listening on http://{host}:{server.server_port}/")
        server.serve_forever()
