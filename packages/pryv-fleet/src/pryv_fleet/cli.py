"""The command line: `pryv-fleet`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from pryv import __version__
from pryv.cli import Command, Program, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for name in ("pryv", "pryv_monitor", "pryv_fleet"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    return _program().main(arguments)


def _program() -> Program:
    return Program(
        "pryv-fleet",
        __version__,
        "Keep the data of many Pryv.io accounts up to date in one PostgreSQL database.",
        [
            Command(
                "postgres",
                "Run a PostgreSQL server to try this out; not for production.",
                "pryv-fleet postgres ./trial",
                _postgres,
                _add_directory,
                account=False,
            ),
        ],
    )


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIRECTORY", help="where the data are; it is made if it is missing")


def _postgres(arguments: argparse.Namespace) -> None:
    from pryv_fleet.embedded import EmbeddedPostgres

    with EmbeddedPostgres(arguments.directory) as server:
        say("pryv-fleet: this server is to try things out: nobody backs it up. Stop it with Ctrl+C")
        print(f"export PRYV_FLEET_DSN='{server.dsn}'", flush=True)
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
