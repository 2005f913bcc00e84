"""Imports a CSV file as events: in batches, with progress. It can be run again after a failure, without duplicates."""

import csv
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from account import argument_parser, open_account
from pryv import ERRORS, Call, Connection

STREAM = "example-pulse"
RECORDING = Path(__file__).parent / "data" / "pulse.csv"
START = 1767600000  # 5 January 2026, 08:00 UTC: the file has milliseconds since the start


def import_csv(connection: Connection, file: Path) -> tuple[int, int]:
    """The numbers of new and of existing events."""
    connection.streams.ensure({"id": STREAM, "name": "Pulse"})
    calls = [Call("events.create", event) for event in read_events(file)]
    results = connection.api(calls, progress=show_progress)
    print(file=sys.stderr)

    errors = [result["error"] for result in results if "error" in result]
    for error in errors:
        if error["id"] != ERRORS.ITEM_ALREADY_EXISTS:
            sys.exit(f"import_csv: an event was refused: {error['message']}")
    return len(results) - len(errors), len(errors)


def read_events(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            yield {
                # The same row always gets the same id, and the platform refuses an id that it has.
                "id": "c" + hashlib.sha256(f"{file.name} {row}".encode()).hexdigest()[:24],
                "streamIds": [STREAM],
                "type": "count/generic",
                "time": START + float(row["timer"]) / 1000,
                "content": int(row["hr"]),
            }


def show_progress(percent: int | None, results: list[dict[str, Any]]) -> None:
    print(f"\r{percent:3} %  {len(results):,} rows", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argument_parser(__doc__)
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", default=RECORDING, help="default: %(default)s")
    options = parser.parse_args()
    with open_account(options.endpoint) as account:
        new, known = import_csv(account, options.file)
        print(f"{new:,} events imported; {known:,} were there already")
