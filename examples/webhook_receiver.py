"""Follows an account by webhook: the platform calls this program at each change, and a monitor reads the changes.

The platform must be able to reach it: put it behind a web server with HTTPS, and pass that server's URL with
--public-url. It needs the token of an app access, as a personal token may not create webhooks.
"""

import secrets
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from account import argument_parser, open_account
from pryv import Connection
from pryv_monitor import EventsTimer, FileAnchorStore, Monitor, UpdateMethod


class Receiver(ThreadingHTTPServer):
    """Starts a pass of the monitor at each POST to a path that only the platform knows."""

    def __init__(self, port: int, updates: UpdateMethod) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.updates = updates
        self.path = f"/{secrets.token_urlsafe()}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = 10

    def do_POST(self) -> None:
        self.rfile.read(min(int(self.headers["Content-Length"] or 0), 65536))
        known = secrets.compare_digest(self.path.encode(), self.server.path.encode())
        self.send_response(204 if known else 404)
        self.end_headers()
        if known:  # the call does not contain the changes: the monitor reads them
            self.server.updates.ask()

    def log_message(self, *_: object) -> None:
        """Log nothing: the path is a secret."""


def main(connection: Connection, public_url: str | None, port: int, anchor: Path | None) -> None:
    updates = UpdateMethod()
    monitor = Monitor(connection, anchor_store=FileAnchorStore(anchor) if anchor else None)
    monitor.add_update_method(updates)
    monitor.add_update_method(EventsTimer(3600))  # calls can be lost, and the platform gives up after some failures
    monitor.on("event", lambda event: print(event["type"], event.get("content"), flush=True))
    monitor.on("eventDelete", lambda deletion: print(deletion["id"], "is gone", flush=True))

    with Receiver(port, updates) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        url = (public_url or f"http://127.0.0.1:{receiver.server_port}").rstrip("/") + receiver.path
        webhook = connection.webhooks.create(url)
        print(f"Following {connection.username()}; Ctrl-C ends it.", file=sys.stderr)
        try:
            monitor.run()
        finally:
            receiver.shutdown()
            connection.webhooks.delete(webhook["id"])


if __name__ == "__main__":
    parser = argument_parser(__doc__)
    parser.add_argument("--public-url", metavar="URL", help="the URL for the platform (default: this machine)")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: any that is free)")
    parser.add_argument("--anchor", metavar="FILE", type=Path, help="stores its progress for the next run")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with open_account(options.endpoint, for_others=True) as account:
            main(account, options.public_url, options.port, options.anchor)
    except KeyboardInterrupt:
        print("Done.", file=sys.stderr)
