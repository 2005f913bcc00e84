"""The command line: `pryv-monitor`."""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import math
import os
import shlex
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from pryv import Connection, PryvError, __version__
from pryv.addons import SignalSafeEvent, is_transient
from pryv.cli import (
    Command,
    Program,
    connect,
    exit_code,
    file_path,
    json_object,
    on_terminate,
    say,
    seconds,
    write_json_lines,
)
from pryv_monitor import _export, _maintenance
from pryv_monitor.changes import SyncReport
from pryv_monitor.errors import AnchorMismatchError
from pryv_monitor.mirror import SQLiteMirror
from pryv_monitor.monitor import OVERLAP, Monitor
from pryv_monitor.stores import FileAnchorStore
from pryv_monitor.update_methods import EventsTimer, SocketUpdates

_REDRAW = 0.1
_TRY_LATER = 75
_NO_FILE_ON_DISK = (None, errno.EINVAL, errno.ENOTSUP, errno.EROFS)
"""The errors of `fsync` on a pipe, a terminal or another stream: https://man7.org/linux/man-pages/man2/fsync.2.html"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for name in ("pryv", "pryv_monitor"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        return _program().main(arguments)
    except _OutputError as error:
        say(f"pryv-monitor: standard output: {error}; the pass is not committed")
        return 1


def _program() -> Program:
    return Program(
        "pryv-monitor",
        __version__,
        "Follow the changes of a Pryv.io account, into a local copy or to standard output.",
        [
            Command(
                "sync",
                "Deliver what changed since the last run, and exit; for cron.",
                "pryv-monitor sync --mirror account.db",
                _sync,
                _add_sync_options,
            ),
            Command(
                "watch",
                "Follow the account until terminated.",
                "pryv-monitor watch --anchor account.anchor --jsonl >> changes.jsonl",
                _watch,
                _add_watch_options,
            ),
            Command(
                "status",
                "Show how up to date a mirror or an anchor is; as JSON in a pipe.",
                "pryv-monitor status account.db --max-lag 3600",
                _maintenance.status,
                _add_status_options,
                account=False,
            ),
            Command(
                "reset",
                "Remove a mirror or an anchor, so that the next run starts over.",
                "pryv-monitor reset account.db",
                _maintenance.reset,
                _add_file_argument,
                account=False,
            ),
            Command(
                "backup",
                "Copy a mirror into one file, also while it is used.",
                "pryv-monitor backup account.db copy.db",
                _maintenance.backup,
                _add_backup_options,
                account=False,
            ),
            Command(
                "export",
                "Write the events of a mirror as Parquet or as comma-separated values.",
                "pryv-monitor export account.db --parquet account",
                _export.export,
                _export.add_options,
                account=False,
            ),
        ],
    )


def _add_sync_options(parser: argparse.ArgumentParser) -> None:
    _add_pass_options(parser, error_tolerance=60)
    parser.add_argument(
        "--full", action="store_true", help="read the whole scope again; a mirror drops what is no longer in it"
    )
    parser.add_argument(
        "--adopt", action="store_true", help="continue with a file of another access to the same account"
    )


def _add_watch_options(parser: argparse.ArgumentParser) -> None:
    _add_pass_options(parser, error_tolerance=math.inf)
    parser.add_argument(
        "--every",
        type=seconds,
        metavar="SECONDS",
        help="time between passes; by default, a pass is made when the platform notifies (needs pryv-monitor[socket])",
    )


def _add_status_options(parser: argparse.ArgumentParser) -> None:
    _add_file_argument(parser)
    parser.add_argument(
        "--max-lag",
        type=seconds,
        metavar="SECONDS",
        help="exit with 1 if the last complete pass began longer ago, or there was none",
    )


def _add_backup_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=file_path, metavar="FILE", help="the mirror")
    parser.add_argument("destination", type=file_path, metavar="DESTINATION", help="the file to make, or to replace")


def _add_file_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=file_path, metavar="FILE", help="the mirror or the anchor")


def _add_pass_options(parser: argparse.ArgumentParser, error_tolerance: float) -> None:
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--mirror", type=file_path, metavar="FILE", help="keep a copy of the account in this SQLite file"
    )
    target.add_argument(
        "--anchor", type=file_path, metavar="FILE", help="keep only the anchor, in this file; needs --jsonl"
    )
    parser.add_argument("--jsonl", action="store_true", help="write each change to standard output, one per line")
    parser.add_argument(
        "--scope",
        type=json_object,
        metavar="JSON",
        help='parameters of events.get, such as {"streams": ["diary"]}; by default all that the access may read',
    )
    parser.add_argument(
        "--overlap",
        type=seconds,
        default=OVERLAP,
        metavar="SECONDS",
        help="how late a change may become visible (%(default)s)",
    )
    parser.add_argument(
        "--wait",
        type=seconds,
        default=0,
        metavar="SECONDS",
        help="how long to wait for another run that uses the file (0)",
    )
    parser.add_argument(
        "--error-tolerance",
        type=seconds,
        default=error_tolerance,
        metavar="SECONDS",
        help="how long to try again after transient failures (%(default)s)",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing unless there is an error")


def _sync(arguments: argparse.Namespace) -> None:
    on_terminate(lambda: sys.exit(_TRY_LATER))
    try:
        with _connect(arguments) as connection:
            monitor = _monitor(connection, arguments)
            if arguments.adopt:
                monitor.adopt()
            report = _one_pass(monitor, arguments)
    except AnchorMismatchError as error:
        raise AnchorMismatchError(_explained(error, arguments), differs=error.differs) from None
    except SystemExit:
        say("pryv-monitor: terminated; the next pass continues from the last commit")
        raise
    if not arguments.quiet:
        say(_summary(report))


def _connect(arguments: argparse.Namespace) -> Connection:
    if arguments.anchor and not arguments.jsonl:
        raise ValueError("--anchor needs --jsonl: without a mirror, the changes are written there")
    return connect(arguments)


def _one_pass(monitor: Monitor, arguments: argparse.Namespace) -> SyncReport:
    shown = not arguments.quiet and _can_erase_lines()
    progress = _Progress(monitor, shown=shown)
    if shown:
        monitor.on("error", _RetryNotice(arguments.error_tolerance, progress))
    try:
        return monitor.sync(full=arguments.full, error_tolerance=arguments.error_tolerance)
    finally:
        progress.clear()


def _can_erase_lines() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _watch(arguments: argparse.Namespace) -> None:
    stop = SignalSafeEvent()
    on_terminate(stop.set)
    with _connect(arguments) as connection:
        monitor = _monitor(connection, arguments)
        if not arguments.quiet:
            monitor.on("ready", lambda report: say(_summary(report)))
        try:
            method = SocketUpdates() if arguments.every is None else EventsTimer(arguments.every)
            monitor.add_update_method(method)
        except PryvError as error:
            raise PryvError(f"{error}; or use --every SECONDS") from None
        reported: deque[Exception] = deque(maxlen=1)
        monitor.on("error", reported.append).on(
            "error", lambda error: say(f"pryv-monitor: {_explained(error, arguments)}")
        )
        try:
            monitor.run(stop, error_tolerance=arguments.error_tolerance)
        except Exception as error:
            if error in reported:
                sys.exit(exit_code(error))
            raise


def _explained(error: Exception, arguments: argparse.Namespace) -> str:
    """Return the message of an error; if the file has another owner, with the file and the commands that help."""
    if not isinstance(error, AnchorMismatchError):
        return str(error)
    file = arguments.mirror or arguments.anchor
    text = f"{file}: {error} (pryv-monitor reset {shlex.quote(str(file))})"
    if error.differs == "access":
        text += ". To continue with this access: pryv-monitor sync --adopt, with the options of this command"
    return text


def _monitor(connection: Any, arguments: argparse.Namespace) -> Monitor:
    mirror = arguments.mirror and SQLiteMirror(arguments.mirror)
    anchor_store = arguments.anchor and FileAnchorStore(arguments.anchor)
    monitor = Monitor(
        connection,
        arguments.scope,
        mirror=mirror,
        anchor_store=anchor_store,
        overlap=arguments.overlap,
        wait=arguments.wait,
    )
    if arguments.jsonl:
        for kind in ("event", "eventDelete", "streams"):
            monitor.on(kind, _writer(kind))
        monitor.on("commit", lambda _anchor: _sync_output())
    return monitor


def _writer(kind: str) -> Callable[[Any], None]:
    def write(data: Any) -> None:
        try:
            write_json_lines([{"kind": kind, "data": data}])
        except OSError as error:
            raise _OutputError(error.strerror) from None

    return write


def _sync_output() -> None:
    """Flush standard output to the disk, if it is a file there: lines must not be lost after the anchor is saved."""
    if sys.stdout is None:
        return
    try:
        os.fsync(sys.stdout.fileno())
    except OSError as error:
        if error.errno not in _NO_FILE_ON_DISK:
            raise _OutputError(error.strerror) from None


class _OutputError(BaseException):
    """Standard output cannot be written. This is not an `Exception`, because the pass must not be tried again."""


class _RetryNotice:
    """Prints on the terminal that a failed pass is retried, and when the retries end."""

    def __init__(self, tolerance: float, progress: _Progress) -> None:
        self._tolerance = tolerance
        self._progress = progress
        self._begin = time.monotonic()
        self._retried = False

    def __call__(self, error: Exception) -> None:
        left = self._tolerance - (time.monotonic() - self._begin)
        retried, self._retried = self._retried, is_transient(error) and left > 0
        if self._retried:
            self._progress.clear()
            limit = "" if left == math.inf else f" for up to {math.ceil(left)} s"
            say(f"pryv-monitor: {error}; trying again{limit}")
        elif retried:
            self._progress.clear()
            say("pryv-monitor: giving up")


class _Progress:
    """A count on the terminal."""

    def __init__(self, monitor: Monitor, *, shown: bool) -> None:
        self._shown = shown
        self._count = 0
        self._drawn = 0.0
        if shown:
            monitor.on("event", self._advance).on("eventDelete", self._advance)

    def _advance(self, _: Any) -> None:
        self._count += 1
        if time.monotonic() - self._drawn > _REDRAW:
            self._drawn = time.monotonic()
            self._draw(f"\r{self._count:,} changes")

    def clear(self) -> None:
        """Leave the line empty."""
        if self._shown:
            self._draw("\r\033[K")

    def _draw(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a closed terminal does not end a pass
            print(text, end="", file=sys.stderr, flush=True)


def _summary(report: SyncReport) -> str:
    streams = ", streams" if report.streams_changed else ""
    return f"{report.events:,} events, {report.event_deletions:,} deletions{streams} in {report.seconds:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
