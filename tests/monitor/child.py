"""Follows an account until it is killed: `child.py ENDPOINT anchor|mirror FILE JOURNAL [WINDOW]`.

Each change delivered is a line of the journal, on the disk before the handler returns. `C` is a committed pass.
"""

import os
import sys

from pryv import Connection
from pryv_monitor import FileAnchorStore, Monitor, SQLiteMirror, _pass

OVERLAP = 0.5  # less than a process takes to start: what a killed one had committed too early would stay lost


def main(endpoint: str, kind: str, file: str, journal: str, window: str) -> None:
    _pass.WINDOW = int(window)
    store = {"mirror": SQLiteMirror(file)} if kind == "mirror" else {"anchor_store": FileAnchorStore(file)}
    with open(journal, "ab", buffering=0) as out:

        def note(line: str) -> None:
            out.write(f"{line}\n".encode())
            os.fsync(out.fileno())

        monitor = Monitor(Connection(endpoint), {"streams": ["pulse", "notes"]}, overlap=OVERLAP, **store)
        monitor.on("event", lambda event: note(f"E {event['id']} {event['modified']}"))
        monitor.on("eventDelete", lambda deletion: note(f"D {deletion['id']} {deletion['deleted']}"))
        print("ready", flush=True)
        while True:
            monitor.sync()
            note("C")


if __name__ == "__main__":
    main(*sys.argv[1:])
