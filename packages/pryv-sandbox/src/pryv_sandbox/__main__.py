"""Run a sandbox from the command line."""

from __future__ import annotations

import argparse
import queue
import signal
import sqlite3

from pryv_sandbox import Sandbox


def main() -> None:
    """Serve until interrupted or terminated."""
    parser = argparse.ArgumentParser(prog="python -m pryv_sandbox", description="Run a Pryv.io platform locally.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: any that is free)")
    parser.add_argument("--data", metavar="FILE", help="the file that keeps the data (default: in memory)")
    arguments = parser.parse_args()
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()  # reentrant, unlike threading.Event
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: signals.put(received))
    try:
        with Sandbox(arguments.host, arguments.port, arguments.data) as sandbox:
            print(sandbox.service_info_url, flush=True)
            signals.get()
    except (OSError, OverflowError, sqlite3.Error) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
