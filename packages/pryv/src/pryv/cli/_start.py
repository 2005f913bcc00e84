"""The start of a command. It imports almost nothing: an interrupt before the first line would print a traceback."""

from __future__ import annotations

# `signal` takes ten times as long, as it makes enumerations of this module's names:
# https://github.com/python/cpython/blob/v3.13.0/Lib/signal.py
import _signal  # type: ignore[import-not-found]
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

INTERRUPTED = 130


def start(module: str, arguments: Sequence[str] | None = None) -> int:
    """Import the module of a command and run its `main`; for entry points, which must not import slow modules.

    An interrupt before or after `main` ends the program at once, with exit code 130; `run` handles those during `main`.

    Args:
        module: The module's full name. Its function `main` takes the arguments.
        arguments: The arguments; by default those of the process.

    Returns:
        The exit code that `main` returned.
    """
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # background jobs ignore it, and continue to
        _signal.signal(_signal.SIGINT, end_at_once)
    try:
        from importlib import import_module

        code: int = import_module(module).main(arguments)
    except KeyboardInterrupt:
        code = INTERRUPTED
    # With -m, Python ends by the signal, and not with the code, if the latest text that it executed was interrupted,
    # such as that of a named tuple: https://github.com/python/cpython/pull/11862
    exec("")  # noqa: S102
    return code


def end_at_once(*_: object) -> NoReturn:
    """End the process like an interrupted one; this is a signal handler too."""
    os._exit(INTERRUPTED)
