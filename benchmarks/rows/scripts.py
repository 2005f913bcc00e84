"""Measurements that need a whole platform: scripts of their own."""

from __future__ import annotations

from row import Script

ROWS = [
    Script(
        "socket_latency",
        "from a write's answer to the socket's callback",
        "time",
        "JavaScript client",
        "median_ratio",
        1.2,
        size=(1_000, 20),
    ),
    Script(
        "notification_latency",
        "from a write's answer to the change that a monitor delivers",
        "time",
        "JavaScript client",
        "median_ratio",
        None,
        size=(400, 20),
    ),
    Script(
        "monitor_cost",
        "a monitor's first sync of 100,000 events into a mirror",
        "CPU",
        "`iter_events`",
        "first sync over iter_events, CPU",
        2.0,
        size=(100_000, 100),
    ),
]
