"""Runs one function of a row in this process and prints its cost as JSON.

    python contender.py MODULE FUNCTION URL SIZE

CPU time is that of the whole process, in seconds. Memory is the peak of resident memory, less that when the
function was ready, in MiB (on Linux only; 0 elsewhere).
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from importlib import import_module
from pathlib import Path

_STATUS = Path("/proc/self/status")
_FORGET_PEAK = "5"


def resident(entry: str) -> float:
    """Return an entry of the process's status, in MiB."""
    if not _STATUS.exists():
        return 0
    return next(int(line.split()[1]) / 1024 for line in _STATUS.read_text().splitlines() if line.startswith(entry))


def main(module: str, function: str, url: str, size: int) -> None:
    """Get ready, run and report."""
    run = getattr(import_module(module), function)(url, size)
    with contextlib.suppress(ImportError):
        import_module("msgspec")  # the SDK does so when it first needs it
    if _STATUS.exists():
        _STATUS.with_name("clear_refs").write_text(_FORGET_PEAK)
    memory, wall, cpu = resident("VmRSS"), time.perf_counter(), time.process_time()
    items = run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(json.dumps({"items": items, "cpu": cpu, "wall": wall, "memory": resident("VmHWM") - memory}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
