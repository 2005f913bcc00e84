"""Scripts that make shells complete a program's commands and options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

SHELLS = ("bash", "zsh", "fish")
_FILES = ("DESTINATION", "FILE", "KEYFILE", "MIRROR")
"""Names of arguments, in the help, that are completed by files."""


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for a shell, which runs no Python when it completes.

    Args:
        parser: The program's parser.
        shell: One of `SHELLS`.
    """
    import shtab

    for action in _actions(parser):
        if action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return shtab.complete(parser, shell)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from _actions(subparser)
