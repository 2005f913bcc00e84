"""Standard input and output: bytes, JSON, and complete lines."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO, TextIO

from pryv._destinations import write_all
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
    """Return whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def write_text(text: str) -> None:
    """Write a line of text, or several, to standard output."""
    _write(f"{text}\n")


def write_json(value: Any) -> None:
    """Write one value to standard output, indented."""
    _write(f"{_json(value, indent=2)}\n")


def write_json_lines(values: Iterable[Any]) -> None:
    """Write values to standard output, one per line. If the disk is full, the file has complete lines only.

    They are written in blocks; all are written when this returns.

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
            pending.append(encoded(record))
            size += len(pending[-1])
            if size >= _BLOCK:
                block, pending, size = pending, [], 0
                _LINES.write(standard_output(), block)
    finally:
        if pending:
            _LINES.write(standard_output(), pending)


def encoded(text: str) -> bytes:
    r"""Return text in UTF-8, with lone surrogates, which have no UTF-8 form, as in `\ud800`."""
    return text.encode(errors="backslashreplace")


def write_json_array(values: Iterable[Any]) -> None:
    """Write values to standard output as they arrive, as one array with an item per line."""
    opener = "[\n"
    for value in values:
        _write(f"{opener}{_json(value, separators=_COMPACT)}")
        opener = ",\n"
    _write("[]\n" if opener == "[\n" else "\n]\n")


def _json(value: Any, **form: Any) -> str:
    """Return JSON with the characters that control a terminal escaped as in JSON."""
    return UNPRINTABLE.sub(_escaped, json.dumps(value, ensure_ascii=False, **form))


def _escaped(match: re.Match[str]) -> str:
    return "\n" if match[0] == "\n" else f"\\u{ord(match[0]):04x}"  # in JSON, it is between values


def _write(text: str) -> None:
    write_all(standard_output(), text.encode())
