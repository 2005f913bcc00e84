"""What reading costs as accounts grow, and how much memory a long read takes as it goes on.

    python benchmarks/by_size.py [GRAPH.png]

Prints CPU time by the number of events, beside `requests.get().json()`; draws the memory over the longest read.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from contender import resident
from row import Function
from rows.events import ROWS
from runner import run, serving

SIZES = [1_000, 10_000, 100_000, 1_000_000]
LARGEST_WHOLE = 100_000
"""Events that `requests.get().json()` reads; ten times as many take gigabytes."""
ROUNDS = 3
SAMPLES = 200
_ROW = next(row for row in ROWS if row.name == "events")
_MODULE = "rows.events"


def main(graph: str | None) -> None:
    """Measure each size."""
    print("| events | `iter_events`: CPU | per event | `requests.get().json()`: CPU | per event |")
    print("| --- | --- | --- | --- | --- |")
    for size in SIZES:
        with serving(_MODULE, _ROW, size) as url:
            cells = cost("streamed", url, size) + (cost("whole", url, size) if size <= LARGEST_WHOLE else ["", ""])
            print(f"| {size:,} | {' | '.join(cells)} |", flush=True)
            if graph and size == SIZES[-1]:
                draw(graph, url, size)


def cost(function: str, url: str, size: int) -> list[str]:
    """Return the median CPU time of a read, in all and by the event."""
    cpu = statistics.median(run(Function(function), _MODULE, url, size, {})["cpu"] for _ in range(ROUNDS))
    return [f"{cpu:.3g} s", f"{1e6 * cpu / size:.2f} µs"]


def draw(graph: str, url: str, size: int) -> None:
    """Draw the memory of a process that reads, over the events read."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    command = [sys.executable, __file__, "--sample", url, str(size)]
    samples = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)  # noqa: S603
    figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    axes.plot(*zip(*samples, strict=True))
    axes.set(xlabel="events read, millions", ylabel="resident memory, MiB", ylim=(0, None), xlim=(0, size / 1e6))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(graph, dpi=100)


def sample(url: str, size: int) -> None:
    """Read, and print the memory on the way."""
    from pryv import Connection

    samples = [(0.0, resident("VmRSS"))]
    for number, _ in enumerate(Connection(url).iter_events(), 1):
        if number % (size // SAMPLES) == 0:
            samples.append((number / 1e6, resident("VmRSS")))
    print(json.dumps(samples))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sample"]:
        sample(sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else None)
