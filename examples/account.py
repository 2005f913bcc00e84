"""Opens the account for an example. In your own program, use a `Connection` instead."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pryv import Connection, PryvError
from pryv.cli import exit_code, say
from pryv_sandbox import Sandbox


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the option for the account."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        default=os.environ.get("PRYV_API_ENDPOINT"),
        help="API endpoint of the account, https://TOKEN@host/… (default: PRYV_API_ENDPOINT in the environment, or an "
        "account on a sandbox that starts and ends with this program)",
    )
    return parser


@contextmanager
def open_account(endpoint: str | None, *, for_others: bool = False) -> Iterator[Connection]:
    """A connection to the account with this API endpoint, or to one on a sandbox; an error ends the program.

    With `for_others`, it prints how other programs can use the sandbox's account.
    """
    try:
        if endpoint:
            with Connection(endpoint) as connection:
                yield connection
        else:
            with Sandbox() as sandbox, Connection(make_account(sandbox)) as connection:
                if for_others:
                    say(f"To change something, in another terminal:\n\n{command(connection)}\n")
                yield connection
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (PryvError, OSError, ValueError) as error:
        say(f"{Path(sys.argv[0]).stem}: {error}")
        sys.exit(exit_code(error))


def make_account(sandbox: Sandbox) -> str:
    """The API endpoint of an app's access to an account that has a diary."""
    notes = ["Slept well.", "Walked to the lake and back.", "Rain. Read all day."]
    with Connection(sandbox.create_account().api_endpoint) as owner:
        owner.streams.ensure({"id": "diary", "name": "Diary"})
        owner.events.create_many({"streamIds": ["diary"], "type": "note/txt", "content": note} for note in notes)
        access = owner.accesses.create(
            {"type": "app", "name": "examples", "permissions": [{"streamId": "*", "level": "manage"}]}
        )
    return access["apiEndpoint"]


def command(connection: Connection) -> str:
    """The command that runs another example on the same account."""
    quickstart = os.path.relpath(Path(__file__).with_name("quickstart.py"))
    return f"  PRYV_API_ENDPOINT={connection.api_endpoint} {os.path.relpath(sys.executable)} {quickstart}"
