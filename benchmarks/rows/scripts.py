"""Notifications, monitors, and reads by size."""

from __future__ import annotations

from row import Finding, Script

ROWS = [
    Script(
        "by_size",
        [Finding("an event of 1,000,000, in `iter_events`", "CPU", "the most over 10,000", "one of 10,000", 1.1)],
        size=(1_000_000, 1_000),
    ),
    Script(
        "socket_latency",
        [
            Finding(
                "from the response to a write to the socket's callback",
                "time",
                "median_ratio",
                "JavaScript client",
                1.2,
            )
        ],
        size=(1_000, 20),
    ),
    Script(
        "notification_latency",
        [
            Finding(
                "from the response to a write to the change that a monitor delivers, 5 writes a second",
                "time",
                "median_ratio",
                "JavaScript client",
                1.5,
            )
        ],
        size=(400, 20),
    ),
    Script(
        "monitor_cost",
        [
            Finding("a first sync, beyond that of `iter_events`", "memory", "first sync, MiB more"),
            Finding("a pass without changes", "requests", "requests of a pass without changes", reach=1),
            Finding(
                "a change, in a pass with 1,000",
                "bytes",
                "bytes, one of 1,000 over one of 100",
                "one of 100",
                1.1,
            ),
            Finding("a change, in a pass with 1,000", "CPU", "CPU, one of 1,000 over one of 100", "one of 100", 1.1),
        ],
        size=(100_000, 100),
    ),
    Script(
        "fleet_cost",
        [
            Finding("a fleet's pass without changes", "CPU", "idle pass over two GETs, CPU", "two GETs, by hand", 0.9),
            Finding("the same", "requests", "requests of an idle pass", reach=1),
            Finding(
                "a fleet's pass with a change, saved in PostgreSQL",
                "CPU",
                "pass with a change over two GETs and an UPDATE, CPU",
                "two GETs and an `UPDATE`, by hand",
                1.6,
            ),
            Finding(
                "a first sync of 100,000 events into PostgreSQL",
                "CPU",
                "first sync over iter_events, CPU",
                "`iter_events`",
                2.5,
            ),
            Finding(
                "passes on 32 threads, at 50 ms of latency",
                "time",
                "passes on 32 threads over batches by hand, time",
                "as many batches, by hand",
                1.25,
            ),
            Finding("a worker with 32 threads, in MiB", "memory", "memory of a worker, MiB", reach=80),
            Finding("the same", "database connections", "database connections of a worker", reach=4),
        ],
        size=(200, 4),
    ),
]
