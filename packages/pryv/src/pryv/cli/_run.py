"""The run of a command: its exit code, and its messages."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import TextIO

from pryv._text import printable
from pryv._transport.redact import redact
from pryv.cli._interrupts import Interrupts
from pryv.cli._start import INTERRUPTED
from pryv.errors import (
    AccessRefusedError,
    AccessTimeoutError,
    ForbiddenError,
    InvalidAccessTokenError,
    InvalidCredentialsError,
    MfaRequiredError,
    OAuthError,
    OAuthLoginRequiredError,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
)

DONE = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 69
TRY_LATER = 75
REFUSED = 77

EXIT_CODES = """\
exit codes: 0 done, 2 usage, 69 platform out of reach, 75 locked or try again later, 77 refused, 130 interrupted,
  1 anything else
"""

_REFUSALS = (
    AccessRefusedError,
    ForbiddenError,
    InvalidAccessTokenError,
    InvalidCredentialsError,
    MfaRequiredError,
    OAuthLoginRequiredError,
)
_OAUTH_REFUSALS = ("access_denied", "invalid_client", "invalid_grant", "unauthorized_client")
"""Errors of authorization servers about who asks (RFC 6749, sections 4.1.2.1 and 5.2)."""


def exit_code(error: Exception) -> int:
    """Return the exit code for an exception."""
    if isinstance(error, _REFUSALS) or (isinstance(error, OAuthError) and error.error in _OAUTH_REFUSALS):
        return REFUSED
    if isinstance(error, (PryvConnectionError, PryvProtocolError)):  # another server may respond instead
        return UNREACHABLE
    if isinstance(error, AccessTimeoutError) or (isinstance(error, PryvError) and error.retryable):
        return TRY_LATER
    return USAGE if isinstance(error, ValueError) else FAILED


def run(program: str, command: Callable[[], object]) -> int:
    """Run a command and return its exit code; an error is printed to standard error, in one line.

    These are errors that a user can cause: a `PryvError`, an `OSError`, and a `ValueError` for a bad argument.
    A token in the wrong place, such as an API endpoint in place of a file, is masked in it.
    If the reader of standard output closes it, as `head` does, the command ends without a message.
    """
    with Interrupts() as interrupts:
        try:
            _make_blocking(sys.stdin, sys.stdout, sys.stderr)
            command()
            if sys.stdout is not None:  # `None` if the program was started with it closed
                sys.stdout.flush()
        except BaseException as error:
            if interrupts.happened or isinstance(error, KeyboardInterrupt):
                return INTERRUPTED
            if isinstance(error, BrokenPipeError):
                return DONE
            if not isinstance(error, (PryvError, OSError, ValueError)):
                raise
            say(f"{program}: {printable(redact(_message(error)))}")
            return exit_code(error)
        finally:
            _drop_unwritten(sys.stdout)
            _drop_unwritten(sys.stderr)
    return DONE


def say(text: str) -> None:
    """Print a message on standard error, if it is open; characters that control a terminal are escaped."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # there is no other output
            print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)


def _make_blocking(*streams: TextIO | None) -> None:
    """Make streams wait for the other end of a pipe.

    The parent process may have made a pipe non-blocking: Python then fails to write what the pipe has no room for, or
    drops it if it was started with `-u` (https://github.com/python/cpython/issues/57531).
    """
    for stream in streams:
        if stream is not None and os.name == "posix":
            with contextlib.suppress(OSError):  # it is not a file
                os.set_blocking(stream.fileno(), True)


def _drop_unwritten(stream: TextIO | None) -> None:
    """Keep Python from trying again, at its exit, to write the buffered output.

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
