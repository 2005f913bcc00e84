"""Measurements that need a whole platform: scripts of their own."""

from __future__ import annotations

from row import Script

ROWS = [
    Script(
        "socket_latency",
        "from the answer of a write to the socket's callback, over the JavaScript client's",
        {("median_ratio",): 1.5},
        size=(1_000, 20),
    ),
    Script(
        "monitor_cost",
        "a monitor's first sync into a mirror, over `iter_events`",
        {("first sync over iter_events, CPU",): 2.5},
        size=(100_000, 100),
    ),
]
