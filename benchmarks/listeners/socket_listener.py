"""Writes the monotonic time, in ns, of every notification of changed events."""

import sys
import time

from pryv import Connection

with Connection(sys.argv[1]).socket as socket:
    socket.on("eventsChanged", lambda _: print(time.monotonic_ns(), flush=True))
    print("open", flush=True)
    sys.stdin.read()
