"""The options and the output of commands that export events as Parquet or as comma-separated values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pryv import frames
from pryv._destinations import opened
from pryv.cli._csv import write_csv
from pryv.cli._encryption import add_decrypt_option, decrypted
from pryv.cli._options import file_path

_PARQUET = "events.parquet"
_STANDARD_OUTPUT = "-"


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Add `--decrypt`, and `--parquet` and `--csv`, one of which is required.

    Args:
        parser: The parser of a command that calls `export_events`.
    """
    add_decrypt_option(parser, "; the file that is written is not encrypted")
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument(
        "--parquet",
        type=file_path,
        metavar="DIR",
        help=f"write the file {_PARQUET} in this directory, which is made if needed (needs pryv[arrow])",
    )
    form.add_argument(
        "--csv", type=file_path, metavar="FILE", help="write comma-separated values, in UTF-8; - is standard output"
    )


def export_events(
    events: Iterable[Mapping[str, Any]], arguments: argparse.Namespace, check: Callable[[Path], object]
) -> None:
    """Write events to the file of the arguments, which only its owner can read. It is replaced once it is complete.

    Args:
        events: The events, read once.
        arguments: The parsed arguments of a command that has the options.
        check: Raises an exception for a file that must not be replaced.

    Raises:
        MissingAddonError: `--parquet` needs an extra, or `--decrypt` an add-on.
        ValueError: the file of `--decrypt` is no key file, or is the file to write.
        OSError: the file cannot be written, or the key file cannot be read, or others have access to it.
    """
    found = decrypted(events, arguments.decrypt)

    def check_all(path: Path) -> None:
        check(path)
        if arguments.decrypt is not None and path.exists() and os.path.samefile(path, arguments.decrypt):
            raise ValueError(f"{path} is the key file: name another file")

    if arguments.parquet is not None:
        _write_parquet(found, arguments.parquet, check_all)
    elif str(arguments.csv) == _STANDARD_OUTPUT:
        write_csv(found)
    else:
        with _replacing(arguments.csv, check_all) as file:
            write_csv(found, file)


def _write_parquet(events: Iterable[Mapping[str, Any]], directory: Path, check: Callable[[Path], object]) -> None:
    schema = frames.to_arrow([]).schema
    from pyarrow.parquet import ParquetWriter

    with (
        _made(directory),
        _replacing(directory / _PARQUET, check) as file,
        ParquetWriter(file, schema) as writer,
    ):
        for batch in frames.iter_arrow(events):
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
def _replacing(path: Path, check: Callable[[Path], object]) -> Iterator[BinaryIO]:
    check(path)
    try:
        with opened(path, private=True) as file:
            yield file
    except OSError as error:
        error.filename = str(path)
        raise
