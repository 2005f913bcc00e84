"""Measurements that need a whole platform: scripts of their own."""

from __future__ import annotations

from row import Finding, Script

ROWS = [
    Script(
        "socket_latency",
        [Finding("from a write's answer to the socket's callback", "time", "median_ratio", "JavaScript client", 1.2)],
        size=(1_000, 20),
    ),
    Script(
        "notification_latency",
        [
            Finding(
                "from a write's answer to the change that a monitor delivers",
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
            Finding(
                "a monitor's first sync of 100,000 events into a mirror",
                "CPU",
                "first sync over iter_events, CPU",
                "`iter_events`",
                2.0,
            ),
            Finding("the same", "CPU", "first sync over a copy by hand, CPU", "`iter_events` and `INSERT`, by hand"),
            Finding("the same: memory beyond that of `iter_events`, in MiB", "memory", "first sync, MiB more"),
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
            ),
            Finding(
                "passes on 32 threads, at 50 ms of latency",
                "passes/s",
                "passes/s over requests by hand",
                "as many batches, by hand",
            ),
            Finding("a worker with 32 threads, in MiB", "memory", "memory of a worker, MiB", reach=80),
            Finding("the same", "database connections", "database connections of a worker", reach=4),
        ],
        size=(200, 4),
    ),
]
