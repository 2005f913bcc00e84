"""A server with a certificate of a new authority.

    python tls_server.py

It prints, as JSON, its URL and the path of a CA bundle: that of `certifi`, with the authority added. It responds to one
request on each connection, and ends with its standard input.
"""

from __future__ import annotations

import json
import ssl
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme
from requests.utils import DEFAULT_CA_BUNDLE_PATH

_BODY = b'{"meta":{"apiVersion":"2.0.0","serverTime":1700000000.5,"serial":"1"}}'


class Handler(BaseHTTPRequestHandler):
    """Responds with an empty result."""

    def do_GET(self) -> None:
        """Send the result."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(_BODY)))
        self.end_headers()
        self.wfile.write(_BODY)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def main() -> None:
    """Serve until standard input ends."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        bundle = Path(directory) / "bundle.pem"
        bundle.write_bytes(Path(DEFAULT_CA_BUNDLE_PATH).read_bytes() + authority.cert_pem.bytes())
        print(json.dumps([f"https://127.0.0.1:{server.server_address[1]}/", str(bundle)]), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
