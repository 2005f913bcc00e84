"""The command line: `pryv-fleet`."""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import attrs

from pryv import __version__
from pryv.addons import SignalSafeEvent
from pryv.cli import Command, Program, on_terminal, on_terminate, say, write_json
from pryv.utils import extract_token_and_api_endpoint
from pryv_fleet import _options as options
from pryv_fleet._display import described, plain_value, summary, write_accounts
from pryv_fleet._server import receiving
from pryv_fleet.errors import FleetError
from pryv_fleet.pacing import Pacing
from pryv_fleet.secrets import dsn_from_environment, generate_key

if TYPE_CHECKING:
    from pryv_fleet.fleet import Fleet
    from pryv_fleet.reports import WebhooksReport

_SNAPSHOT: Final = "snapshot"
"""The file that says what the last export of a directory has seen."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for name in ("pryv", "pryv_monitor", "pryv_fleet", "psycopg"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    return _program().main(arguments)


def _program() -> Program:
    return Program(
        "pryv-fleet",
        __version__,
        "Keep the data of many Pryv.io accounts up to date in one PostgreSQL database. PRYV_FLEET_DSN names the "
        "database, PRYV_FLEET_KEY encrypts the tokens; both may be in files, which PRYV_FLEET_DSN_FILE and "
        "PRYV_FLEET_KEY_FILE name.",
        [
            _command("init", "Make the tables, or bring them to this version.", "pryv-fleet init", _init),
            Command("key", "Print a new key for PRYV_FLEET_KEY.", "pryv-fleet key", _key, account=False),
            _command(
                "add",
                "Add accounts, whose API endpoints are the lines of a file or of standard input.",
                "pryv-fleet add endpoints.txt",
                _add,
                options.add_file,
            ),
            _command(
                "sync",
                "Pass the accounts that are due, or one account, and exit; for a scheduler.",
                "pryv-fleet sync --due",
                _sync,
                options.add_sync_options,
            ),
            _command(
                "run",
                "Pass accounts whenever they are due, until terminated.",
                "pryv-fleet run",
                _run,
                options.add_run_options,
            ),
            _command(
                "status",
                "Show the numbers of accounts by state, what is due, and the lag; as JSON in a pipe.",
                "pryv-fleet status --max-lag 900",
                _status,
                options.add_status_options,
            ),
            _command(
                "wake", "Have an account passed as soon as possible.", "pryv-fleet wake alice", _wake, options.add_name
            ),
            _command("pause", "Keep an account from being passed.", "pryv-fleet pause alice", _pause, options.add_name),
            _command(
                "resume",
                "Have a paused or refused account passed again, perhaps with a new token, or in another scope.",
                "pryv-fleet resume alice --endpoint-file new-endpoint.txt",
                _resume,
                options.add_resume_options,
            ),
            _command(
                "forget",
                "Remove an account with all its data and its token.",
                "pryv-fleet forget alice",
                _forget,
                options.add_forget_options,
            ),
            _command(
                "rotate", "Encrypt all tokens with the first key in PRYV_FLEET_KEY.", "pryv-fleet rotate", _rotate
            ),
            _command(
                "webhooks",
                "Have the platforms notify of changes, and perhaps receive the notifications.",
                "pryv-fleet webhooks https://hooks.example.org/pryv --listen 127.0.0.1:8080",
                _webhooks,
                options.add_webhooks_options,
            ),
            _command(
                "view",
                "Make a view of the events of one type, and print its name.",
                "pryv-fleet view mass/kg",
                _view,
                options.add_event_type,
            ),
            _command(
                "export",
                "Write events to Parquet files.",
                "pryv-fleet export ./parquet",
                _export,
                options.add_export_options,
            ),
            Command(
                "postgres",
                "Run a PostgreSQL server to try this out; not for production.",
                "pryv-fleet postgres ./trial",
                _postgres,
                options.add_directory,
                account=False,
            ),
        ],
    )


def _command(
    name: str,
    summary: str,
    example: str,
    run: Callable[[argparse.Namespace], object],
    add_options: Callable[[argparse.ArgumentParser], object] = lambda _: None,
) -> Command:
    """Return a command that works on the tables."""

    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--schema", default="pryv", metavar="NAME", help="schema of the tables (%(default)s)")
        add_options(parser)

    return Command(name, summary, example, run, add, account=False)


def _init(arguments: argparse.Namespace) -> None:
    with _fleet(arguments) as fleet:
        fleet.create_tables()


def _key(_: argparse.Namespace) -> None:
    print(generate_key())


def _add(arguments: argparse.Namespace) -> None:
    with _fleet(arguments) as fleet, _opened(arguments.file) as lines:
        endpoints = [_endpoint(number, line) for number, line in enumerate(lines, start=1) if _has_endpoint(line)]
        accounts = fleet.add_many(endpoints, scope=arguments.scope, interval=arguments.interval)
    say(f"pryv-fleet: {len(accounts):,} accounts")


def _sync(arguments: argparse.Namespace) -> None:
    if arguments.full and arguments.name is None:
        raise ValueError("--full is for one account: give its name")
    with _fleet(arguments) as fleet, _terminable() as stop:
        if arguments.name is not None:
            report = fleet.sync(arguments.name, full=arguments.full)
            say(f"{report.events:,} events, {report.event_deletions:,} deletions in {report.seconds:.1f} s")
            return
        say(summary(fleet.sync_due(limit=arguments.limit, stop=stop)))


def _run(arguments: argparse.Namespace) -> None:
    with _fleet(arguments) as fleet, _terminable() as stop:
        if arguments.metrics is not None:
            from pryv_fleet.metrics import serve_metrics

            serve_metrics(fleet, arguments.metrics)
        _say_warnings()
        fleet.run(stop)


class _WarningHandler(logging.Handler):
    """Writes what a worker waits for to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"pryv-fleet: {record.getMessage()}")


def _say_warnings() -> None:
    if not logging.getLogger().handlers:  # otherwise they are in the log of --verbose
        logging.getLogger("pryv_fleet").addHandler(_WarningHandler(logging.WARNING))


def _status(arguments: argparse.Namespace) -> None:
    with _fleet(arguments) as fleet:
        if arguments.state:
            write_accounts(list(fleet.accounts(arguments.state)), as_json=arguments.json)
            return
        status = fleet.status()
    if on_terminal() and not arguments.json:
        print(described(status))
    else:
        write_json(attrs.asdict(status, value_serializer=plain_value))
    if arguments.max_lag is not None and status.lag > arguments.max_lag:
        raise FleetError(f"the oldest pass began {status.lag:.0f} s ago")


def _wake(arguments: argparse.Namespace) -> None:
    with _fleet(arguments) as fleet:
        fleet.wake(arguments.name)


def _pause(arguments: argparse.Namespace) -> None:
    with _fleet(arguments) as fleet:
        fleet.pause(arguments.name)


def _resume(arguments: argparse.Namespace) -> None:
    endpoint = None
    if arguments.endpoint_file:
        with _opened(arguments.endpoint_file) as lines:
            endpoint = "".join(lines).strip()
    with _fleet(arguments) as fleet:
        fleet.resume(arguments.name, endpoint, scope=arguments.scope, interval=arguments.interval)


def _forget(arguments: argparse.Namespace) -> None:
    with _fleet(arguments) as fleet:
        fleet.account(arguments.name)
        if not arguments.yes and not _confirmed(arguments.name):
            raise FleetError("nothing was removed")
        fleet.forget(arguments.name)


def _rotate(arguments: argparse.Namespace) -> None:
    with _fleet(arguments) as fleet:
        say(f"pryv-fleet: {fleet.rotate_secrets():,} tokens are encrypted with the first key")


def _webhooks(arguments: argparse.Namespace) -> None:
    with _fleet(arguments) as fleet:
        if not arguments.listen:
            if _register(fleet, arguments.url).failed:
                raise FleetError("some webhooks were not registered")
            return
        on_terminate(lambda: sys.exit(0))
        with receiving(fleet, *arguments.listen) as url:  # first: a platform gives up webhooks that nobody answers
            say(f"pryv-fleet: listening on {url}")
            _register(fleet, arguments.url)
            threading.Event().wait()


def _register(fleet: Fleet, url: str) -> WebhooksReport:
    report = fleet.register_webhooks(url)
    say(f"pryv-fleet: {report.registered:,} webhooks registered, {len(report.failed):,} failed")
    for name, error in report.failed.items():
        say(f"{name}: {error}")
    return report


def _view(arguments: argparse.Namespace) -> None:
    with _fleet(arguments) as fleet:
        print(fleet.create_view(arguments.event_type))


def _export(arguments: argparse.Namespace) -> None:
    kept = Path(arguments.directory) / _SNAPSHOT
    since = kept.read_text() if arguments.incremental and kept.exists() else None
    with _fleet(arguments) as fleet:
        report = fleet.export_parquet(arguments.directory, since=since)
    kept.write_text(report.snapshot)
    say(f"pryv-fleet: {report.events:,} events, {report.deletions:,} deletions")


def _postgres(arguments: argparse.Namespace) -> None:
    from pryv_fleet.embedded import EmbeddedPostgres

    on_terminate(lambda: sys.exit(0))
    with EmbeddedPostgres(arguments.directory) as server:
        say("pryv-fleet: this server is to try things out: nobody backs it up. Stop it with Ctrl+C")
        print(f"export PRYV_FLEET_DSN={shlex.quote(server.dsn)}", flush=True)
        server.wait()


@contextmanager
def _fleet(arguments: argparse.Namespace) -> Iterator[Fleet]:
    """Open the fleet that the environment names, with the options of a worker if there are any."""
    from pryv_fleet.fleet import Fleet

    dsn = dsn_from_environment()
    options: dict[str, Any] = {"schema": arguments.schema}
    if hasattr(arguments, "threads"):
        options |= {name: getattr(arguments, name) for name in ("interval", "lease", "threads")}
        options["pacing"] = Pacing(connections=arguments.connections, rate=arguments.rate)
    with Fleet(dsn, **options) as fleet:
        yield fleet


@contextmanager
def _terminable() -> Iterator[SignalSafeEvent]:
    """Have a first SIGTERM or interrupt end the work after the passes that have begun."""
    stop = SignalSafeEvent()
    on_terminate(stop.set)
    yield stop


@contextmanager
def _opened(file: str) -> Iterator[Iterator[str]]:
    if file == "-":
        yield iter(_standard_input())
    else:
        with open(file, encoding="utf-8-sig") as lines:
            yield lines


def _standard_input() -> TextIO:
    """Return standard input as a file would be read: UTF-8 in any locale, perhaps with a byte order mark."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard input")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig")
    return sys.stdin


def _has_endpoint(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _endpoint(number: int, line: str) -> str | tuple[str, str]:
    """Return what a line adds.

    Raises:
        ValueError: it does not end with an API endpoint. The message has its number, and does not repeat it.
    """
    *name, endpoint = line.strip().rsplit(None, 1)
    try:
        extract_token_and_api_endpoint(endpoint)
    except ValueError as error:
        message = f"line {number}: {error}"
    else:
        return (name[0], endpoint) if name else endpoint
    raise ValueError(message)


def _confirmed(name: str) -> bool:
    """Return whether somebody at a terminal types the name again; a script is not asked."""
    if sys.stdin is None or not sys.stdin.isatty():
        return True
    return input(f"Remove {name} with all its data? Type the name again: ") == name


if __name__ == "__main__":
    sys.exit(main())
