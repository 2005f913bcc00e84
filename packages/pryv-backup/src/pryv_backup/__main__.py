"""The command `pryv-backup`, and `python -m pryv_backup`."""

from __future__ import annotations

import sys

from pryv.cli import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return start("pryv_backup.cli", arguments)


if __name__ == "__main__":
    sys.exit(main())
