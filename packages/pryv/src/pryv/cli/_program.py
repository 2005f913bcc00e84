"""A program with commands, from a table of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from pryv._transport.redact import redact
from pryv.cli._completion import SHELLS, completion
from pryv.cli._options import add_common_options, add_endpoint_option
from pryv.cli._output import write_text
from pryv.cli._run import EXIT_CODES, run


def _no_options(_: argparse.ArgumentParser) -> None:
    """Add nothing."""


class Command(NamedTuple):
    """A command of a program.

    Attributes:
        name: Its name on the command line.
        summary: One sentence on its purpose, for the help.
        example: A command line that uses it.
        run: A function that runs it, with the parsed arguments; `None` if `add_options` adds commands of its own.
        add_options: A function that adds its own arguments to its parser.
        account: Whether it works on an account, so that it takes `--endpoint`.
    """

    name: str
    summary: str
    example: str
    run: Callable[[argparse.Namespace], object] | None
    add_options: Callable[[argparse.ArgumentParser], object] = _no_options
    account: bool = True


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End the program with a message, without the token of an API endpoint in the wrong place."""
        super().error(redact(message))


class Program:
    """A program with commands. Each command has a help with its example, and `--profile` and `-v`.

    The command `completion` is added: it prints a script that makes a shell complete the commands and options.

    Args:
        name: The program's name.
        version: Its version, for `--version`.
        description: A sentence on its purpose, for the help.
        commands: Its commands.
    """

    def __init__(self, name: str, version: str, description: str, commands: Sequence[Command]) -> None:
        self.name = name
        self._version = version
        self._description = description
        self._commands = [*commands, self._completion_command()]

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run the command in the arguments; see `run`.

        Args:
            arguments: The arguments; by default those of the process.

        Returns:
            The exit code.
        """

        def command() -> None:
            parser = self.parser()
            parsed, unknown = parser.parse_known_args(arguments)
            if unknown:
                parser.error(f"unrecognized arguments: {' '.join(map(_without_value, unknown))}")
            parsed.run(parsed)

        return run(self.name, command)

    def parser(self) -> argparse.ArgumentParser:
        """Return a parser of the arguments, whose result has the command's `run`."""
        parser = _Parser(
            prog=self.name,
            description=self._description,
            epilog="\n".join(["examples:", *(f"  {command.example}" for command in self._commands), "", EXIT_CODES]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--version", action="version", version=f"{self.name} {self._version}")
        if any(command.account for command in self._commands):
            add_endpoint_option(parser)
        add_common_options(parser)
        add_commands(parser, self._commands)
        return parser

    def _completion_command(self) -> Command:
        return Command(
            "completion",
            "Print a script that makes a shell complete commands and options.",
            f'eval "$({self.name} completion bash)"',
            lambda arguments: write_text(completion(self.parser(), arguments.shell)),
            lambda parser: parser.add_argument("shell", choices=SHELLS, help="the shell"),
            account=False,
        )


def _without_value(argument: str) -> str:
    """Return an argument that is not known, without a value: it may be a token, as in `--token TOKEN`."""
    if argument.startswith("--"):
        return argument.partition("=")[0]
    return argument[:2] if argument.startswith("-") else "***"


def add_commands(parser: argparse.ArgumentParser, commands: Sequence[Command]) -> None:
    """Add commands to a parser, one of which is required.

    Args:
        parser: The parser of a program, or of a command that has commands.
        commands: The commands.
    """
    added = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands:
        _add(command, added)


def _add(command: Command, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        command.name,
        help=command.summary[0].lower() + command.summary[1:].rstrip("."),
        description=command.summary,
        epilog=f"example:\n  {command.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if command.run is not None:
        parser.set_defaults(run=command.run)
    if command.account:
        add_endpoint_option(parser)
    add_common_options(parser)
    command.add_options(parser)
