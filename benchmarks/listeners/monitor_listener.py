"""Writes the monotonic time, in ns, of every change of an event that a monitor delivers."""

import sys
import time

from pryv_monitor import Monitor, SocketUpdates

with Monitor(sys.argv[1], {"streams": ["diary"]}).add_update_method(SocketUpdates()) as monitor:
    monitor.on("event", lambda _: print(time.monotonic_ns(), flush=True))
    print("open", flush=True)
    sys.stdin.read()
