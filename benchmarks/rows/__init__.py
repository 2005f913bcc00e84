"""The rows of the table, a module for each part of the SDK."""

from __future__ import annotations

MODULES = [
    "rows.events",
    "rows.batch",
    "rows.files",
    "rows.series",
    "rows.frames",
    "rows.encryption",
    "rows.startup",
    "rows.tls",
    "rows.monitor",
    "rows.scripts",
]
