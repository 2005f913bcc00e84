"""The options of the commands of all packages, and the types of arguments."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
from pathlib import Path
from typing import Any

from pryv._text import from_system
from pryv.cli._run import say

ENDPOINT_VARIABLE = "PRYV_API_ENDPOINT"


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
    """Return the path of a file or directory in an argument; a `type` for `argparse`.

    Args:
        text: The argument.

    Raises:
        argparse.ArgumentTypeError: it is empty, as that of a variable that is not set.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return Path(text)


def seconds(text: str) -> float:
    """Return the number of seconds in an argument; a `type` for `argparse`.

    Args:
        text: The argument.

    Raises:
        argparse.ArgumentTypeError: it is not a number, or negative.
    """
    with contextlib.suppress(ValueError):
        if float(text) >= 0:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")


def count(text: str) -> int:
    """Return the number in an argument; a `type` for `argparse`.

    Args:
        text: The argument.

    Raises:
        argparse.ArgumentTypeError: it is not a whole number, or not above 0.
    """
    with contextlib.suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


def json_object(text: str) -> dict[str, Any]:
    """Return the JSON object in an argument; a `type` for `argparse`.

    Args:
        text: The argument.

    Raises:
        argparse.ArgumentTypeError: it is not JSON, or not an object.
    """
    try:
        value = json.loads(os.fsencode(text))  # UTF-8 in any locale
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("not a JSON object")
    return value
