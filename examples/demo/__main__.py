"""Writes a real pulse recording into a new Pryv.io account, reads it back, checks every sample, and follows changes."""

import argparse
import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from following import copy, mark_gap, wait_until_equal, watching
from plot import save_plot
from pryv import Connection, PryvError, Service
from pryv.types import Event
from pryv_monitor import SQLiteMirror
from pryv_sandbox import Sandbox
from recording import create_streams, difference, read, read_recording, write

HERE = Path(__file__).resolve().parent
APP_ID = "pulse-demo"


class DemoError(Exception):
    """The demo failed; the message contains the reason."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--platform", metavar="URL", help="service info URL of a platform (default: a sandbox, here)")
    parser.add_argument("--plot", metavar="FILE", type=Path, default=HERE / "pulse.png", help="default: %(default)s")
    options = parser.parse_args()
    try:
        with ExitStack() as stack:
            platform = options.platform or stack.enter_context(Sandbox()).service_info_url
            run(platform, options.plot)
    except (PryvError, OSError, ValueError, DemoError) as error:
        sys.exit(f"The demo failed: {error}")


def run(service_info_url: str, plot: Path) -> None:
    """Runs the demo on a platform.

    Raises:
        DemoError: a sample was refused, or was read back with another value.
        TimeoutError: the mirror did not follow.
    """
    print(f"Platform     {service_info_url}")
    with register(service_info_url) as connection:
        print(f"Account      {connection.username()}")
        events = write_and_read(connection)
        save_plot(events, plot)
        print(f"Plot         {plot}")
        mirror_and_follow(connection, events)


def write_and_read(connection: Connection) -> list[Event]:
    """Writes the recording, and returns the events read back, after a comparison of both."""
    recording = HERE.parent / "data" / "pulse.csv"
    written = read_recording(recording, start=time.time() - 3600)
    create_streams(connection)
    with progress_bars() as bars:
        bar = bars.add_task("Writing", total=len(written))
        refusals = write(connection, written, lambda done: bars.update(bar, completed=done))
        if refusals:
            raise DemoError(f"{len(refusals):,} samples were refused; the first one: {refusals[0]}")
        came_back = list(bars.track(read(connection), total=len(written), description="Reading"))

    found = difference(written, came_back)
    if found:
        raise DemoError(found)
    print(f"Recording    {len(written):,} samples, {written[-1]['time'] - written[0]['time']:.0f} s, {recording.name}")
    print("Check        every sample was read back unchanged")
    return came_back


def mirror_and_follow(connection: Connection, events: list[Event]) -> None:
    """Copies the account, and changes it through another connection while the copy follows."""
    with tempfile.TemporaryDirectory() as folder, Connection(connection.api_endpoint) as other:
        mirror = SQLiteMirror(Path(folder) / "heart.db")
        report = copy(connection, mirror)
        print(f"Mirror       {report.events:,} events, copied in {report.seconds:.1f} s")
        with watching(connection.api_endpoint, mirror):
            trashed = mark_gap(other, events)
            changed = time.monotonic()
            print(f"Change       {trashed:,} samples of a sensor that was off, trashed; a note in their place")
            wait_until_equal(mirror, connection)
        print(f"Watch        the mirror followed, and equals the account after {time.monotonic() - changed:.1f} s")


def register(service_info_url: str) -> Connection:
    """Registers an account and logs in."""
    username, password = f"demo{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    with Service(service_info_url) as service:
        service.create_user(username=username, password=password, email=f"{username}@example.org", app_id=APP_ID)
        return service.login(username, password, APP_ID)


def progress_bars() -> Progress:
    columns = [TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    return Progress(*columns, console=Console(stderr=True))


if __name__ == "__main__":
    main()
