"""The command `pryv`, and `python -m pryv`."""

from __future__ import annotations

import sys

from pryv.cli import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return start("pryv.cli", arguments)


if __name__ == "__main__":
    sys.exit(main())
