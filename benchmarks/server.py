"""A static server: it sends saved bodies, and accepts any request body.

    python server.py MODULE ROW SIZE

It prints its URL, and ends with its standard input.
"""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module

from row import Reply, Site

_BLOCK = 1 << 20


class Handler(BaseHTTPRequestHandler):
    """Responds from the server's site, by the path and, if the site has it, the name of a parameter."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    site: Site

    def do_GET(self) -> None:
        """Send a body."""
        path, _, query = self.path.partition("?")
        keys = (f"GET {path}?{part.partition('=')[0]}" for part in query.split("&"))
        self._send(self.site[next((key for key in keys if key in self.site), f"GET {path}")])

    def do_POST(self) -> None:
        """Read a body and respond."""
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(_BLOCK, left)))
        self._send(self.site[f"POST {self.path.partition('?')[0]}"])

    def _send(self, reply: Reply) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        chunked = reply.size is None
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(reply.size))
        self.end_headers()
        try:
            for chunk in reply.chunks:
                time.sleep(reply.pause)
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:  # the client has closed the connection
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def main(module: str, row: str, size: int) -> None:
    """Serve a row's site."""
    site = next(item.site for item in import_module(module).ROWS if item.name == row)
    Handler.site = site(size)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
