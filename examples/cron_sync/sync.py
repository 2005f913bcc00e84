"""Brings a local copy of an account up to date, and writes a table of each day. For cron or a systemd timer.

The account is given by PRYV_API_ENDPOINT. The copy, account.db, and the table, days.csv, are in STATE_DIRECTORY, which
systemd sets, or in the current directory. The program may be killed at any moment: the next run continues.
"""

import argparse
import csv
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from pryv.cli import add_endpoint_option, connect, run
from pryv_monitor import Monitor, SQLiteMirror

DAYS = """
    SELECT date(time, 'unixepoch') AS day, value AS stream, count(*) AS events,
        round(avg(CASE WHEN typeof(content) IN ('integer', 'real') THEN content END), 3) AS mean
    FROM events, json_each(stream_ids)
    WHERE NOT trashed
    GROUP BY day, stream
"""


def sync(options: argparse.Namespace, directory: Path) -> None:
    mirror = SQLiteMirror(directory / "account.db")
    with connect(options) as connection:
        report = Monitor(connection, mirror=mirror).sync(error_tolerance=60)
    write_days(directory)
    print(f"{report.events:,} new or changed events, {report.event_deletions:,} deletions, {report.seconds:.1f} s")


def write_days(directory: Path) -> None:
    """Replace days.csv atomically, so that no reader sees a part of it."""
    unfinished = directory / "days.csv.new"
    with closing(sqlite3.connect(directory / "account.db")) as db, unfinished.open("w", newline="") as file:
        rows = db.execute(DAYS)
        table = csv.writer(file)
        table.writerow([column[0] for column in rows.description])
        table.writerows(rows)
    unfinished.replace(directory / "days.csv")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_endpoint_option(parser)
    options = parser.parse_args()
    # 0 done, 69 the platform cannot be reached, 75 try again later, 77 refused: see the unit file
    sys.exit(run("sync", lambda: sync(options, Path(os.environ.get("STATE_DIRECTORY", ".")))))
