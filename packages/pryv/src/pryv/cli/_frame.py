"""Functions for the commands of all packages: exit codes, messages, the log, credentials."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pryv._text import from_system, printable
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

if TYPE_CHECKING:
    from pryv.auth import AuthorizationData
    from pryv.auth._profiles import Profile
    from pryv.connection import Connection

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
ENDPOINT_VARIABLE = "PRYV_API_ENDPOINT"

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
            say(f"{program}: {printable(_message(error))}")
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


def add_endpoint_option(parser: argparse.ArgumentParser) -> None:
    """Add `--endpoint`, which `connect` uses first.

    Args:
        parser: The parser of a command that works on an account.
    """
    parser.add_argument(
        "--endpoint",
        type=from_system,
        metavar="URL",
        default=argparse.SUPPRESS,
        help=f"the account's API endpoint, https://TOKEN@host/...; otherwise {ENDPOINT_VARIABLE} in the environment "
        "(other users of the machine do not see it there), or what `pryv login` stored",
    )


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all commands have: `--profile`, for `connect`, and `-v`, which starts the log.

    Args:
        parser: The parser of a command.
    """
    parser.add_argument(
        "--profile",
        type=from_system,
        metavar="NAME",
        default=argparse.SUPPRESS,
        help="the name under which `pryv login` stores credentials (default)",
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action=_StartLog,
        nargs=0,
        default=argparse.SUPPRESS,
        help="write the log to standard error; it contains no tokens",
    )


class _StartLog(argparse.Action):
    def __call__(self, *_: Any) -> None:
        """Write the SDK's log to standard error from now on."""
        logger = logging.getLogger()
        if not any(isinstance(handler, _LogHandler) for handler in logger.handlers):
            logger.addHandler(_LogHandler())
            logger.setLevel(logging.DEBUG)


class _LogHandler(logging.Handler):
    """Writes the records of the SDK's packages only, as other libraries may log secrets."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
        self.addFilter(lambda record: record.name.startswith("pryv"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        say(self.format(record))


def file_path(text: str) -> Path:
    """Return the path of a file in an argument.

    Raises:
        argparse.ArgumentTypeError: it is empty, as that of a variable that is not set.
    """
    if not text:
        raise argparse.ArgumentTypeError("a file needs a name")
    return Path(text)


def connect(arguments: argparse.Namespace) -> Connection:
    """Return the connection to the account of the arguments.

    It is that of the first of these: `--endpoint`, `--profile`, the variable `PRYV_API_ENDPOINT`, and the credentials
    that `pryv login` or `pryv oauth-login` stored.

    Args:
        arguments: The parsed arguments of a command that has the options.

    Raises:
        ValueError: there is no account, or the endpoint is malformed.
        PryvError: the stored credentials cannot be read, or the tokens of an OAuth session not refreshed.
        OSError: the store's file cannot be read.
    """
    endpoint: str | None = getattr(arguments, "endpoint", None)
    if not endpoint and not hasattr(arguments, "profile"):
        endpoint = from_system(os.environ.get(ENDPOINT_VARIABLE, ""))
    endpoint = (endpoint or "").strip()  # a secret in a file often ends with a newline
    from pryv.connection import Connection

    return Connection(endpoint) if endpoint else _stored_connection(arguments)


def profile(arguments: argparse.Namespace) -> Profile:
    """Return the profile of `--profile` in the default store."""
    from pryv.auth import default_store
    from pryv.auth._profiles import DEFAULT, Profile

    return Profile(default_store(), getattr(arguments, "profile", DEFAULT))


def _stored_connection(arguments: argparse.Namespace) -> Connection:
    kept = profile(arguments)
    stored = kept.credentials()
    if stored:
        return connection_of(kept, stored[0])
    if hasattr(arguments, "profile"):
        raise ValueError(f"nothing is stored under this name: use `pryv login --profile {arguments.profile}`")
    raise ValueError(f"no account: use `pryv login`, --endpoint or {ENDPOINT_VARIABLE}")


def connection_of(kept: Profile, stored: AuthorizationData) -> Connection:
    """Return a connection with stored credentials; the tokens of an OAuth session are refreshed if that is due."""
    if "oauth" in stored:
        from pryv.oauth._profiles import client_of

        return client_of(kept, stored["oauth"]).connection()
    from pryv.connection import Connection

    return Connection(stored["apiEndpoint"])


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
