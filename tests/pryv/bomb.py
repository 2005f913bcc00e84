"""Makes one call to the API endpoint in the environment, and prints its outcome and its peak memory."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pryv import Connection, PryvError


def call(connection: Connection, how: str) -> int:
    """Make the call, and return the number of its results."""
    if how == "get":
        return len(connection.get("events"))
    if how == "api":
        return len(connection.api([{"method": "events.get"}]))
    if how == "events":
        return sum(1 for _ in connection.iter_events())
    return len(connection.download_attachment("e", {"id": "a"}))


def main() -> None:
    """Make the call named on the command line."""
    count, error = 0, None
    with Connection(os.environ["PRYV_API_ENDPOINT"], timeout=20, retry=None) as connection:
        try:
            count = call(connection, sys.argv[1])
        except PryvError as failure:
            error = [type(failure).__name__, str(failure)]
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    print(json.dumps({"count": count, "error": error, "megabytes": peak * 1024 / 1e6}))


if __name__ == "__main__":
    main()
