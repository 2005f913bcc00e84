"""The command `export`: the events of a mirror as Parquet or as comma-separated values."""

from __future__ import annotations

import argparse
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pryv import frames
from pryv.addons import replace_file
from pryv.cli import write_csv
from pryv_monitor import _files
from pryv_monitor.mirror import SQLiteMirror

_PARQUET = "events.parquet"
_STANDARD_OUTPUT = "-"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    parser.add_argument("mirror", type=_path, metavar="MIRROR", help="the mirror")
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument(
        "--parquet",
        type=_path,
        metavar="DIR",
        help=f"write the file {_PARQUET} in this directory, which is made if needed (needs pryv[arrow])",
    )
    form.add_argument(
        "--csv", type=_path, metavar="FILE", help="write comma-separated values, in UTF-8; - is standard output"
    )


def export(arguments: argparse.Namespace) -> None:
    """Write the events of a mirror to a file, which only its owner can read. It is replaced once it is complete.

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
    if arguments.parquet is not None:
        _to_parquet(mirror, arguments.parquet)
    elif str(arguments.csv) == _STANDARD_OUTPUT:
        write_csv(mirror.events())
    else:
        with _replacing(arguments.csv, mirror) as file:
            write_csv(mirror.events(), file)


def _to_parquet(mirror: SQLiteMirror, directory: Path) -> None:
    schema = frames.to_arrow([]).schema
    from pyarrow.parquet import ParquetWriter

    with (
        _made(directory),
        _replacing(directory / _PARQUET, mirror) as file,
        ParquetWriter(file, schema) as writer,
    ):
        for batch in frames.iter_arrow(mirror.events()):
            writer.write_batch(batch)


@contextmanager
def _made(directory: Path) -> Iterator[None]:
    """Make a directory that is missing; if the `with` block fails, it is removed again."""
    made = not directory.is_dir()
    if made:
        directory.mkdir(mode=0o700)
    try:
        yield
    except BaseException:
        if made:
            with suppress(OSError):
                directory.rmdir()
        raise


@contextmanager
def _replacing(path: Path, mirror: SQLiteMirror) -> Iterator[BinaryIO]:
    _files.require_another(path, mirror.path)
    try:
        with replace_file(str(_files.real(path)), private=True) as file:
            yield file
    except OSError as error:
        error.filename = str(path)
        raise


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("a file needs a name")
    return Path(text)
