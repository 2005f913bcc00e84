"""The cost of reading accounts by size, as JSON: CPU time and memory by the number of events, up to an argument."""

from __future__ import annotations

import json
import os
import statistics
import sys
from typing import Any

from row import Function
from rows.events import ROWS
from runner import run, serving

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LARGEST_WHOLE = 100_000
"""Events that `requests.get().json()` reads; ten times as many take gigabytes."""
ROUNDS = 3
READERS = {"`iter_events`": "streamed", "`requests.get().json()`": "whole"}
_ROW = next(row for row in ROWS if row.name == "events")
_MODULE = "rows.events"


def main(largest: int) -> None:
    """Measure each size."""
    sizes = [size for size in SIZES if size <= largest]
    costs: dict[str, list[dict[str, Any]]] = {name: [] for name in READERS}
    for size in sizes:
        with serving(_MODULE, _ROW, size) as url:
            for name, function in READERS.items():
                if name == "`iter_events`" or size <= LARGEST_WHOLE:
                    costs[name].append({"events": size, **cost(function, url, size)})
    by_event = [item["cpu"] for item in costs["`iter_events`"]]
    print(json.dumps({"costs": costs, "the most over 10,000": by_event[-1] / by_event[min(1, len(sizes) - 1)]}))


def cost(function: str, url: str, size: int) -> dict[str, float]:
    """Return the medians of CPU time per event, in µs, and of memory, in MiB."""
    rounds = [run(Function(function), _MODULE, url, size, os.environ) for _ in range(ROUNDS)]
    return {
        "cpu": 1e6 * statistics.median(item["cpu"] for item in rounds) / size,
        "memory": statistics.median(item["memory"] for item in rounds),
    }


if __name__ == "__main__":
    main(int(sys.argv[1]))
