"""The command `export`: the events of a mirror as Parquet or as comma-separated values."""

from __future__ import annotations

import argparse
import errno
import os

from pryv.cli import add_export_options, export_events, file_path
from pryv_monitor import _files
from pryv_monitor.mirror import SQLiteMirror


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    parser.add_argument("mirror", type=file_path, metavar="MIRROR", help="the mirror")
    add_export_options(parser)


def export(arguments: argparse.Namespace) -> None:
    """Write the events of a mirror to a file.

    Raises:
        ValueError: nothing was synchronized yet, or the file is the mirror itself.
        MissingAddonError: `--parquet` needs an extra.
        AnchorError: it is not a mirror.
        OSError: there is no mirror, or the file cannot be written.
    """
    mirror = SQLiteMirror(arguments.mirror)
    if not _files.exists(mirror.path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(arguments.mirror))
    if mirror.load() is None:
        raise ValueError(f"{arguments.mirror}: nothing was synchronized yet")
    export_events(mirror.events(), arguments, lambda path: _files.require_another(path, mirror.path))
