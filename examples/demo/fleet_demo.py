"""Follows 200 accounts with two workers, kills one of them, and compares every account in the end."""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from crowd import Person, Writers, different, register
from lag_plot import Sample, save_plot
from pryv import PryvError
from pryv_fleet import EmbeddedPostgres, Fleet, generate_key
from pryv_sandbox import Sandbox

HERE = Path(__file__).resolve().parent
INTERVAL, LEASE = 2.0, 5.0
LONGEST_WAIT = 120.0
"""Seconds in which the copies have to become equal."""


class DemoError(Exception):
    """The demo failed; the message contains the reason."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo fleet", description=__doc__)
    parser.add_argument("--accounts", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=20, help="how long people write; default: %(default)s")
    parser.add_argument("--plot", metavar="FILE", type=Path, default=HERE / "fleet.png", help="default: %(default)s")
    options = parser.parse_args()
    os.environ.setdefault("PRYV_FLEET_KEY", generate_key())
    try:
        with ExitStack() as stack:
            platform = stack.enter_context(Sandbox())
            server = stack.enter_context(EmbeddedPostgres())
            fleet = stack.enter_context(Fleet(server.dsn))
            os.environ["PRYV_FLEET_DSN"] = server.dsn
            run(platform, fleet, options.accounts, options.seconds, options.plot)
    except (PryvError, OSError, ValueError, DemoError) as error:
        sys.exit(f"The demo failed: {error}")


def run(platform: Sandbox, fleet: Fleet, accounts: int, seconds: float, plot: Path) -> None:
    """Runs the demo.

    Raises:
        DemoError: a copy did not become equal to its account.
    """
    print(f"Platform     {platform.service_info_url}")
    people = register(platform, accounts)
    fleet.create_tables()
    fleet.add_many([(person.name, person.connection.api_endpoint) for person in people])
    print(f"Accounts     {accounts}, each passed every {INTERVAL:.0f} s by two workers")
    with worker() as first, worker():
        wait_until(lambda: all(account.synced for account in fleet.accounts()), "the first passes")
        with Watch(fleet) as watch:
            writers = Writers(people, threads=2)
            time.sleep(seconds / 2)
            first.kill()
            watch.mark("a worker is killed")
            time.sleep(seconds / 2)
            writers.stop()
            watch.mark("writing ends")
            print(f"Writers      {writers.written:,} events, meanwhile a worker was killed")
            compare(fleet, people)
            watch.mark("all are equal")
            time.sleep(1)
    save_plot(watch.samples, watch.marks, plot)
    print(f"Lag          {max(sample.lag for sample in watch.samples):.1f} s at most")
    print(f"Plot         {plot}")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Waits for a condition.

    Raises:
        DemoError: it does not come true.
    """
    end = time.monotonic() + LONGEST_WAIT
    while not condition():
        if time.monotonic() > end:
            raise DemoError(f"{what} took more than {LONGEST_WAIT:.0f} s")
        time.sleep(0.2)


def compare(fleet: Fleet, people: list[Person]) -> None:
    """Compares every copy with its account.

    Raises:
        DemoError: one is different after all have had time to be passed.
    """
    wait_until(lambda: not different(fleet, people), "to bring every copy up to date")
    print(f"Check        {len(people)} of {len(people)} copies are equal to their accounts")


@contextmanager
def worker() -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a worker as an operator would: by the command `pryv-fleet run`."""
    options = ["--interval", str(INTERVAL), "--lease", str(LEASE), "--threads", "8"]
    command = [sys.executable, "-m", "pryv_fleet", "run", *options]
    with subprocess.Popen(command) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


class Watch:
    """Looks at the status of a fleet several times a second, in a thread of its own."""

    def __init__(self, fleet: Fleet) -> None:
        self.samples: list[Sample] = []
        self.marks: list[tuple[float, str]] = []
        self._fleet = fleet
        self._begin = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def mark(self, text: str) -> None:
        """Marks this moment in the plot."""
        self.marks.append((time.monotonic() - self._begin, text))

    def _work(self) -> None:
        while not self._stop.wait(0.2):
            lag = self._fleet.status().lag
            now = time.time()
            recent = sum(1 for each in self._fleet.accounts() if each.synced and now - each.synced.timestamp() < 1)
            self.samples.append(Sample(time.monotonic() - self._begin, lag, recent))


if __name__ == "__main__":
    main()
