"""What the commands of all packages have in common: exit codes, messages, credentials, output."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from pryv._text import UNPRINTABLE, from_system, printable
from pryv.cli._interrupts import Interrupts
from pryv.cli._lines import Lines
from pryv.cli._start import INTERRUPTED
from pryv.errors import (
    AccessRefusedError,
    AccessTimeoutError,
    ForbiddenError,
    InvalidAccessTokenError,
    InvalidCredentialsError,
    MfaRequiredError,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
)

if TYPE_CHECKING:
    from pryv.connection import Connection

DONE = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 69
TRY_LATER = 75
REFUSED = 77

ENDPOINT_VARIABLE = "PRYV_API_ENDPOINT"
STORED_AS = "command-line"
"""The name under which the store keeps the command line's credentials."""

_COMPACT = (",", ":")
_BLOCK = 1 << 16
"""Characters that are written at once."""
_LINES = Lines()
_REFUSALS = (
    AccessRefusedError,
    ForbiddenError,
    InvalidAccessTokenError,
    InvalidCredentialsError,
    MfaRequiredError,
)


def exit_code(error: Exception) -> int:
    """Return the exit code that an exception leads to."""
    if isinstance(error, _REFUSALS):
        return REFUSED
    if isinstance(error, (PryvConnectionError, PryvProtocolError)):  # something else may answer in its place
        return UNREACHABLE
    if isinstance(error, AccessTimeoutError) or (isinstance(error, PryvError) and error.retryable):
        return TRY_LATER
    return USAGE if isinstance(error, ValueError) else FAILED


def run(program: str, command: Callable[[], object]) -> int:
    """Run a command and return its exit code; an error is printed to standard error, in one line.

    What a user can cause ends so: a `PryvError`, an `OSError`, and a `ValueError`, which stands for a bad argument.
    A reader of standard output who has had enough, such as `head`, ends it quietly.
    """
    with Interrupts() as interrupts:
        try:
            command()
            if sys.stdout is not None:  # as it is where the program was started with it closed
                sys.stdout.flush()
        except BaseException as error:
            if interrupts.happened or isinstance(error, KeyboardInterrupt):
                return INTERRUPTED
            if isinstance(error, BrokenPipeError):
                return DONE
            if not isinstance(error, (PryvError, OSError, ValueError)):
                raise
            say(f"{program}: {printable(_message(error))}")
            return exit_code(error)
        finally:
            _drop_unwritten(sys.stdout)
            _drop_unwritten(sys.stderr)
    return DONE


def say(text: str) -> None:
    """Print text for people, on standard error, if there is one; what would act on the terminal is escaped."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # there is no other place to say it
            print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)


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


def write_json(value: Any) -> None:
    """Write one value to standard output, indented."""
    _write(f"{_json(value, indent=2)}\n")


def write_json_lines(values: Iterable[Any]) -> None:
    """Write values to standard output, one a line; where it is a file that cannot take all, whole lines only.

    They are written in blocks, and all of them when it returns.

    Raises:
        OSError: they cannot be written.
    """
    pending = ""
    try:
        for value in values:
            pending += f"{_json(value, separators=_COMPACT)}\n"
            if len(pending) >= _BLOCK:
                lines, pending = pending, ""
                _LINES.write(standard_output(), lines.encode())
    finally:
        if pending:
            _LINES.write(standard_output(), pending.encode())


def write_json_array(values: Iterable[Any]) -> None:
    """Write values to standard output as they come, as one array with an item a line."""
    opener = "[\n"
    for value in values:
        _write(f"{opener}{_json(value, separators=_COMPACT)}")
        opener = ",\n"
    _write("[]\n" if opener == "[\n" else "\n]\n")


def add_endpoint_option(parser: argparse.ArgumentParser) -> None:
    """Add `--endpoint`, which `connect` looks at first."""
    parser.add_argument(
        "--endpoint",
        type=from_system,
        metavar="URL",
        default=argparse.SUPPRESS,
        help=f"the account's API endpoint, https://TOKEN@host/...; otherwise {ENDPOINT_VARIABLE} in the environment "
        "(other users of the machine do not see it there), or what `pryv login` keeps",
    )


def connect(arguments: argparse.Namespace) -> Connection:
    """Return the connection to the account named by `--endpoint`, the environment, or the credential store.

    Raises:
        ValueError: none of them names one, or it is malformed.
        PryvError: the store's credentials cannot be read.
        OSError: the store's file cannot be read.
    """
    given = getattr(arguments, "endpoint", None) or from_system(os.environ.get(ENDPOINT_VARIABLE, ""))
    endpoint = given.strip() or _stored_endpoint()  # a secret kept in a file often ends with a line break
    if endpoint is None:
        raise ValueError(f"no account: use `pryv login`, --endpoint or {ENDPOINT_VARIABLE}")
    from pryv.connection import Connection

    return Connection(endpoint)


def _stored_endpoint() -> str | None:
    from pryv.auth import default_store
    from pryv.auth._profiles import Profile

    return next((kept["apiEndpoint"] for kept in Profile(default_store()).credentials()), None)


def _json(value: Any, **form: Any) -> str:
    """Return JSON that can be shown: what acts on a terminal is escaped in it, as JSON escapes."""
    return UNPRINTABLE.sub(_escaped, json.dumps(value, ensure_ascii=False, **form))


def _escaped(match: re.Match[str]) -> str:
    return "\n" if match[0] == "\n" else f"\\u{ord(match[0]):04x}"  # a line break in JSON stands between values


def _write(text: str) -> None:
    standard_output().write(text.encode())


def _drop_unwritten(stream: TextIO | None) -> None:
    """Keep Python from writing once more, at its end, what could not be written.

    See https://docs.python.org/3/library/signal.html#note-on-sigpipe.
    """
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__
