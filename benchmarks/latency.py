"""The time from the HTTP response of a write to the callback of a listener: this SDK and the JavaScript client.

Both listen to the same writes, made by this process on a new sandbox; each starts first for half of them.
All use the system's monotonic clock, so that times of different processes can be compared.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pryv import Connection
from pryv_sandbox import Sandbox

LISTENERS = Path(__file__).parent / "listeners"


class Listener:
    """A client in another process, which writes a line with the time of each callback."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def line(self) -> str:
        """Wait for the next line, and return it."""
        if self._process.stdout is None or not (line := self._process.stdout.readline()):
            raise RuntimeError("a listener ended too early")
        return line


@contextmanager
def listening(command: list[str], folder: Path) -> Iterator[Listener]:
    """Start a client, and end it."""
    with subprocess.Popen(  # noqa: S603
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            listener = Listener(process)
            listener.line()
            yield listener
        finally:
            process.terminate()


def write(connection: Connection, count: int, pause: float, listeners: list[Listener]) -> list[list[int]]:
    """Make writes; return for each the nanoseconds from its response to each listener's callback."""
    latencies = []
    for number in range(count):
        connection.post("events", {"streamIds": ["diary"], "type": "count/generic", "content": number})
        response = time.monotonic_ns()
        latencies.append([int(listener.line()) - response for listener in listeners])
        time.sleep(pause)
    return latencies


def summary(nanoseconds: list[int]) -> dict[str, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    return {
        "median": round(statistics.median(nanoseconds) / 1e6, 3),
        "p99": round(statistics.quantiles(nanoseconds, n=100)[98] / 1e6, 3),
    }


def measure(listener: str, writes: int, pause: float, javascript: Path) -> dict[str, Any]:
    """Return the latencies of both listeners of a name."""
    latencies: dict[str, list[int]] = {"python": [], "javascript": []}
    with Sandbox() as sandbox:
        api_endpoint = sandbox.create_account().api_endpoint
        commands = {
            "python": ([sys.executable, f"{listener}.py", api_endpoint], LISTENERS),
            "javascript": (["node", f"{listener}.cjs", api_endpoint], javascript),
        }
        with Connection(api_endpoint) as connection:
            connection.post("streams", {"id": "diary", "name": "Diary"})
            for order in (["python", "javascript"], ["javascript", "python"]):
                with listening(*commands[order[0]]) as first, listening(*commands[order[1]]) as second:
                    write(connection, 20, pause, [first, second])
                    for pair in write(connection, writes // 2, pause, [first, second]):
                        for name, latency in zip(order, pair, strict=True):
                            latencies[name].append(latency)
    results = {name: summary(values) for name, values in latencies.items()}
    ratio = results["python"]["median"] / results["javascript"]["median"]
    return {"writes": writes, "unit": "ms", **results, "median_ratio": round(ratio, 3)}


def main(listener: str, writes: int, pause: float) -> None:
    """Install the JavaScript client in a temporary folder, measure, and print JSON.

    Args:
        listener: The name of a script of each language.
        writes: The number of writes, if it is not on the command line.
        pause: Seconds between two writes.
    """
    if len(sys.argv) > 1:
        writes = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        javascript = Path(folder) / "listeners"
        shutil.copytree(LISTENERS, javascript)
        npm = shutil.which("npm")
        if npm is None:
            sys.exit("npm is needed to install the JavaScript client")
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
        subprocess.run(command, cwd=javascript, check=True)  # noqa: S603
        print(json.dumps(measure(listener, writes, pause, javascript), indent=2))
