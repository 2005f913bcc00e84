"""The options of the commands."""

from __future__ import annotations

import argparse
import contextlib

from pryv.cli import count, json_object, seconds
from pryv_fleet.accounts import STATES


def add_file(parser: argparse.ArgumentParser) -> None:
    """Add the file."""
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="lines of ENDPOINT, or NAME ENDPOINT; - is standard input"
    )
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scope",
        type=json_object,
        metavar="JSON",
        help='parameters of events.get, such as {"streams": ["diary"]}: what is kept; {} is all that may be read',
    )
    parser.add_argument(
        "--interval",
        type=seconds,
        metavar="SECONDS",
        help="time between two passes, instead of that of the workers",
    )


def add_name(parser: argparse.ArgumentParser) -> None:
    """Add the name."""
    parser.add_argument("name", metavar="NAME", help="the name of the account in the fleet")


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Add the directory."""
    parser.add_argument("directory", metavar="DIRECTORY", help="where the data are; it is made if it is missing")


def add_sync_options(parser: argparse.ArgumentParser) -> None:
    """Add the sync options."""
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("name", nargs="?", metavar="NAME", help="one account, due or not")
    chosen.add_argument("--due", action="store_true", help="the accounts that are due, as without a name")
    parser.add_argument("--full", action="store_true", help="read the whole scope of the account again")
    parser.add_argument("--limit", type=count, default=200, metavar="N", help="accounts, at most (%(default)s)")
    add_worker_options(parser)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the run options."""
    add_worker_options(parser)
    parser.add_argument("--metrics", type=_port, metavar="PORT", help="serve metrics for Prometheus on this port")


def add_worker_options(parser: argparse.ArgumentParser) -> None:
    """Add the worker options."""
    parser.add_argument(
        "--interval", type=seconds, default=300, metavar="SECONDS", help="time between two passes (%(default)s)"
    )
    parser.add_argument(
        "--lease", type=seconds, default=120, metavar="SECONDS", help="how long a claim holds (%(default)s)"
    )
    parser.add_argument("--threads", type=count, default=16, metavar="N", help="passes at the same time (%(default)s)")
    parser.add_argument(
        "--connections",
        type=count,
        default=16,
        metavar="N",
        help="passes at the same time for each platform, over all workers (%(default)s)",
    )
    parser.add_argument("--rate", type=float, metavar="N", help="passes a second for each platform, over all workers")


def add_status_options(parser: argparse.ArgumentParser) -> None:
    """Add the status options."""
    parser.add_argument("--json", action="store_true", help="print JSON on a terminal too")
    parser.add_argument("--state", choices=STATES, help="list the accounts in this state instead")
    parser.add_argument(
        "--max-lag", type=seconds, metavar="SECONDS", help="exit with 1 if an account was passed longer ago"
    )


def add_resume_options(parser: argparse.ArgumentParser) -> None:
    """Add the resume options."""
    add_name(parser)
    parser.add_argument(
        "--endpoint-file", metavar="FILE", help="a file with the API endpoint with a new token; - is standard input"
    )
    _add_settings(parser)


def add_event_type(parser: argparse.ArgumentParser) -> None:
    """Add the event type."""
    parser.add_argument("event_type", metavar="TYPE", help="an event type, such as mass/kg")


def add_forget_options(parser: argparse.ArgumentParser) -> None:
    """Add the forget options."""
    add_name(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask on a terminal")


def add_webhooks_options(parser: argparse.ArgumentParser) -> None:
    """Add the webhooks options."""
    parser.add_argument("url", metavar="URL", help="where the receiver can be reached")
    parser.add_argument("--listen", type=_address, metavar="HOST:PORT", help="receive notifications until terminated")


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Add the export options."""
    add_directory(parser)
    parser.add_argument(
        "--incremental", action="store_true", help="write what was applied since the last export to this directory"
    )


def _port(text: str) -> int:
    with contextlib.suppress(ValueError):
        if 0 <= int(text) < 1 << 16:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port, from 0 to 65535")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "127.0.0.1", _port(port)
