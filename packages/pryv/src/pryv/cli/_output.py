"""Standard input and output: bytes, JSON, and lines that are written whole."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO, TextIO

from pryv._text import UNPRINTABLE
from pryv.cli._lines import Lines

_COMPACT = (",", ":")
_BLOCK = 1 << 16
"""Bytes that are written at once."""
_LINES = Lines()


def standard_input() -> BinaryIO:
    """Return standard input, for bytes.

    Raises:
        OSError: the program was started with it closed.
    """
    return _binary(sys.stdin, "standard input")


def standard_output() -> BinaryIO:
    """Return standard output, for bytes.

    Raises:
        OSError: the program was started with it closed.
    """
    return _binary(sys.stdout, "standard output")


def _binary(stream: TextIO | None, name: str) -> BinaryIO:
    if stream is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), name)
    return stream.buffer


def on_terminal() -> bool:
    """Return whether standard output is a terminal, which a person reads."""
    return sys.stdout is not None and sys.stdout.isatty()


def write_text(text: str) -> None:
    """Write a line of text, or several, to standard output."""
    _write(f"{text}\n")


def write_json(value: Any) -> None:
    """Write one value to standard output, indented."""
    _write(f"{_json(value, indent=2)}\n")


def write_json_lines(values: Iterable[Any]) -> None:
    """Write values to standard output, one a line; where it is a file that cannot take all, whole lines only.

    They are written in blocks, and all of them when it returns.

    Raises:
        OSError: they cannot be written.
    """
    write_records(f"{_json(value, separators=_COMPACT)}\n" for value in values)


def write_records(records: Iterable[str]) -> None:
    """Write texts that each end with a line break to standard output, as `write_json_lines` does.

    Raises:
        OSError: they cannot be written.
    """
    pending: list[bytes] = []
    size = 0
    try:
        for record in records:
            pending.append(record.encode(errors="backslashreplace"))  # surrogates have no form in UTF-8
            size += len(pending[-1])
            if size >= _BLOCK:
                block, pending, size = pending, [], 0
                _LINES.write(standard_output(), block)
    finally:
        if pending:
            _LINES.write(standard_output(), pending)


def write_json_array(values: Iterable[Any]) -> None:
    """Write values to standard output as they come, as one array with an item a line."""
    opener = "[\n"
    for value in values:
        _write(f"{opener}{_json(value, separators=_COMPACT)}")
        opener = ",\n"
    _write("[]\n" if opener == "[\n" else "\n]\n")


def _json(value: Any, **form: Any) -> str:
    """Return JSON that can be shown: what acts on a terminal is escaped in it, as JSON escapes."""
    return UNPRINTABLE.sub(_escaped, json.dumps(value, ensure_ascii=False, **form))


def _escaped(match: re.Match[str]) -> str:
    return "\n" if match[0] == "\n" else f"\\u{ord(match[0]):04x}"  # a line break in JSON stands between values


def _write(text: str) -> None:
    standard_output().write(text.encode())
