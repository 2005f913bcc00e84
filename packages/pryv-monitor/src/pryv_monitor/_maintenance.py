"""The commands that work on a file: `status`, `reset` and `backup`."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pryv.cli import say, write_json
from pryv_monitor import _files
from pryv_monitor.anchor import Anchor
from pryv_monitor.errors import AnchorError
from pryv_monitor.mirror import SQLiteMirror
from pryv_monitor.stores import FileAnchorStore

_SQLITE = b"SQLite format 3\0"
_ANCHOR = b'{"version":'
_LATE = 1
_AHEAD = 60
"""Seconds by which the clock may be corrected after a pass."""
_UNITS = ((86_400, "days"), (3_600, "h"), (60, "min"))


def status(arguments: argparse.Namespace) -> None:
    """Show how up to date a mirror or an anchor is; exit with 1 if it is older than allowed, or of the future.

    Raises:
        ValueError: nothing was synchronized yet.
    """
    file, max_lag = arguments.file, arguments.max_lag
    is_mirror = _read_head(file) in (b"", _SQLITE)
    store = SQLiteMirror(file) if is_mirror else FileAnchorStore(file)
    anchor = store.load()
    if anchor is not None:
        counts = store.counts() if isinstance(store, SQLiteMirror) else {"remembered": len(anchor.remembered)}
        _show(file, "mirror" if is_mirror else "anchor", anchor, counts)
    elif max_lag is None:
        raise ValueError(f"{file}: nothing was synchronized yet")
    if max_lag is None:
        return
    if anchor is None or anchor.synced is None:
        say(f"pryv-monitor: {file}: no pass was complete yet")
        sys.exit(_LATE)
    seconds = lag(anchor)
    if seconds > max_lag:
        say(f"pryv-monitor: {file}: the last complete pass began {seconds:,.0f} s ago, more than {max_lag:,.0f} s")
        sys.exit(_LATE)
    if seconds < -_AHEAD:
        say(f"pryv-monitor: {file}: the last complete pass began {-seconds:,.0f} s from now: the clock was set back")
        sys.exit(_LATE)


def reset(arguments: argparse.Namespace) -> None:
    """Remove a mirror or an anchor, so that the next pass starts over.

    Raises:
        AnchorError: the file is neither, or is locked.
    """
    file = arguments.file
    head = _read_head(file)
    if head == _SQLITE:
        SQLiteMirror(file).reset()
    elif head.startswith(_ANCHOR):
        FileAnchorStore(file).reset()
    else:
        raise AnchorError(f"{file}: neither a mirror nor an anchor")


def backup(arguments: argparse.Namespace) -> None:
    """Copy a mirror into one file."""
    SQLiteMirror(arguments.file).backup(arguments.destination)


def _read_head(file: Path) -> bytes:
    head = _files.read(file, len(_SQLITE))
    if head is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    return head


def lag(anchor: Anchor) -> float:
    """Return the seconds since the last complete pass began."""
    return time.time() - (anchor.since if anchor.begun is None else anchor.begun)


def _show(file: Path, kind: str, anchor: Anchor, counts: dict[str, int]) -> None:
    if sys.stdout is not None and sys.stdout.isatty():
        print("\n".join(_lines(file, kind, anchor, counts)))
        return
    last_pass = None if anchor.synced is None else datetime.fromtimestamp(anchor.synced, timezone.utc)
    values: dict[str, Any] = {
        "kind": kind,
        "anchor": anchor.since,
        "lastPass": last_pass and last_pass.isoformat(timespec="seconds"),
        "lag": round(lag(anchor), 3),
        "readingWholeScope": anchor.reached is not None,
        "counts": counts,
    }
    write_json(values)


def _lines(file: Path, kind: str, anchor: Anchor, counts: dict[str, int]) -> list[str]:
    last_pass = "none yet"
    if anchor.synced is not None:
        local = datetime.fromtimestamp(anchor.synced).astimezone()
        last_pass = f"{local:%Y-%m-%d %H:%M:%S %Z}, {_duration(time.time() - anchor.synced)} ago"
    lines = [f"{file}: {kind}", f"  last complete pass: {last_pass}"]
    if anchor.synced is not None:
        lines.append(f"  up to date as of:   {_duration(lag(anchor))} ago")
    if anchor.reached is not None:
        lines.append("  the whole scope is being read")
    return [*lines, *(f"  {name}: {count:,}" for name, count in counts.items())]


def _duration(seconds: float) -> str:
    for size, name in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(0, seconds):.0f} s"
