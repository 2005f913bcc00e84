"""The command line: `pryv-backup`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pryv import __version__
from pryv.cli import Command, Program, add_export_options, connect, export_events, file_path, on_terminate, say, seconds
from pryv_backup._backup import backup
from pryv_backup._folder import read
from pryv_backup._reports import BackupReport, Failure
from pryv_backup._restore import ON_CONFLICT, restore
from pryv_backup._summary import show, summarize
from pryv_backup._verification import has_manifest, verify

_FAILED: Final = 1
_TRY_LATER: Final = 75
_REDRAW: Final = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return _program().main(arguments)


def _program() -> Program:
    return Program(
        "pryv-backup",
        __version__,
        "Back up a Pryv.io account into a folder, verify the backup, and restore it.",
        [
            Command(
                "run",
                "Make a backup, or bring one up to date; for cron.",
                "pryv-backup run alice",
                _run,
                _add_run_options,
            ),
            Command(
                "restore",
                "Restore a backup into an account; it verifies the backup first.",
                "pryv-backup restore alice --endpoint https://TOKEN@bob.pryv.me/",
                _restore,
                _add_restore_options,
            ),
            Command(
                "verify",
                "Check each byte of a backup, without a platform; exit with 1 if something differs.",
                "pryv-backup verify alice",
                _verify,
                _add_folder,
                account=False,
            ),
            Command(
                "show",
                "Show what is in a backup, in numbers; as JSON in a pipe.",
                "pryv-backup show alice",
                lambda arguments: show(summarize(arguments.folder)),
                _add_folder,
                account=False,
            ),
            Command(
                "export",
                "Write the events of a backup as Parquet or comma-separated values.",
                "pryv-backup export alice --parquet tables",
                _export,
                _add_export_options,
                account=False,
            ),
        ],
    )


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=file_path, metavar="FOLDER", help="the folder of the backup")


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="print nothing unless there is an error")


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=file_path, metavar="FOLDER", help="a new folder, or the one of the last backup")
    for name in ("attachments", "series", "trashed", "deletions", "audit", "webhooks"):
        parser.add_argument(f"--no-{name}", dest=name, action="store_false", help=f"leave out {_LEFT_OUT[name]}")
    parser.add_argument("--access-history", action="store_true", help="copy former versions of accesses too")
    parser.add_argument("--secrets", action="store_true", help="keep tokens and recovery codes in the backup")
    parser.add_argument(
        "--full", action="store_true", help="read all events again, and drop those that are gone without a report"
    )
    parser.add_argument("--adopt", action="store_true", help="continue a backup of another access to the same account")
    parser.add_argument(
        "--error-tolerance",
        type=seconds,
        default=60,
        metavar="SECONDS",
        help="how long to try again after transient failures (%(default)s)",
    )
    _add_quiet(parser)


_LEFT_OUT: Final = {
    "attachments": "attachments",
    "series": "the points of series",
    "trashed": "events in the trash",
    "deletions": "the ids of deleted events",
    "audit": "the audit log",
    "webhooks": "webhooks",
}


def _add_restore_options(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    for name in ("streams", "events", "attachments", "series"):
        parser.add_argument(f"--no-{name}", dest=name, action="store_false", help=f"do not restore {name}")
    parser.add_argument("--restore-profile", action="store_true", help="update the private and the public profile too")
    parser.add_argument(
        "--keep-times", action="store_true", help="keep the times of creation and change in clientData.restored"
    )
    parser.add_argument(
        "--on-conflict",
        choices=ON_CONFLICT,
        default=ON_CONFLICT[0],
        help="whether a stream or event whose id exists is skipped, or a failure (%(default)s)",
    )
    parser.add_argument(
        "--state",
        type=file_path,
        metavar="FILE",
        help="the file that lets a restore continue; by default in ~/.local/state/pryv-backup",
    )
    _add_quiet(parser)


def _add_export_options(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    add_export_options(parser)


def _run(arguments: argparse.Namespace) -> None:
    on_terminate(lambda: sys.exit(_TRY_LATER))
    progress = Progress(shown=not arguments.quiet)
    with connect(arguments) as connection, progress:
        report = backup(
            connection,
            arguments.folder,
            attachments=arguments.attachments,
            series=arguments.series,
            trashed=arguments.trashed,
            deletions=arguments.deletions,
            audit=arguments.audit,
            webhooks=arguments.webhooks,
            access_history=arguments.access_history,
            secrets=arguments.secrets,
            full=arguments.full,
            adopt=arguments.adopt,
            error_tolerance=arguments.error_tolerance,
            progress=progress,
        )
    if not arguments.quiet:
        say(_summary(report))
    _end(report.failed)


def _end(failed: Sequence[Failure]) -> None:
    """Print failures, and exit with 1 if there are any."""
    for failure in failed:
        say(f"pryv-backup: {failure.what}: {failure.reason}")
    if failed:
        sys.exit(_FAILED)


def _summary(report: BackupReport) -> str:
    lines = [
        f"{report.events:,} events, {report.deletions:,} deletions, {report.attachments:,} attachments, "
        f"{report.series:,} series new or changed; {report.bytes:,} bytes in {report.seconds:.1f} s"
    ]
    if report.unreadable:
        lines.append(f"not readable with this token: {', '.join(report.unreadable)}")
    return "\n".join(lines)


def _restore(arguments: argparse.Namespace) -> None:
    on_terminate(lambda: sys.exit(_TRY_LATER))
    if not has_manifest(arguments.folder):
        say("pryv-backup: there is no manifest.json: the backup is not verified")
    elif not _is_undamaged(arguments.folder):
        say("pryv-backup: nothing was restored; for the rest, move manifest.json and damaged JSON files elsewhere")
        sys.exit(_FAILED)
    progress = Progress(shown=not arguments.quiet)
    with connect(arguments) as connection, progress:
        report = restore(
            arguments.folder,
            connection,
            streams=arguments.streams,
            events=arguments.events,
            attachments=arguments.attachments,
            series=arguments.series,
            profile=arguments.restore_profile,
            on_conflict=arguments.on_conflict,
            keep_times=arguments.keep_times,
            state=arguments.state,
            progress=progress,
        )
    if not arguments.quiet:
        say(f"{report.created:,} streams and events created, {report.skipped:,} existed")
        say(f"not restored: {', '.join(report.not_restored)}")
    _end(report.failed)


def _export(arguments: argparse.Namespace) -> None:
    archive = read(arguments.folder)

    def check(path: Path) -> None:
        if path.resolve().is_relative_to(archive.path.resolve()):
            raise ValueError(f"{path} is in the backup, which would no longer be as it was verified")

    export_events(archive.events(), arguments, check)


def _verify(arguments: argparse.Namespace) -> None:
    if not _is_undamaged(arguments.folder):
        sys.exit(_FAILED)


def _is_undamaged(folder: Path) -> bool:
    """Verify a backup, print what is wrong with it, and return whether nothing is."""
    result = verify(folder)
    for name in ("mismatches", "missing", "extra"):
        for path in getattr(result, name):
            say(f"{_FINDINGS[name]}: {path}")
    return result.ok


_FINDINGS: Final = {"mismatches": "changed", "missing": "missing", "extra": "not in the manifest"}


class Progress:
    """A line on the terminal that says what is copied, and how much so far.

    Args:
        shown: Whether it is shown, if standard error is a terminal.
    """

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown and sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._draw("\r\033[K")

    def __call__(self, what: str, count: int) -> None:
        """Show a count."""
        if self._shown and time.monotonic() - self._drawn > _REDRAW:
            self._drawn = time.monotonic()
            self._draw(f"\r\033[K{what}: {count:,}")

    def _draw(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a closed terminal does not end a backup
            print(text, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
