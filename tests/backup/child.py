"""Makes a backup and is killed at a change of the folder: `child.py ENDPOINT FOLDER NUMBER`.

It is killed (SIGKILL) at the n-th time that a file is opened, renamed, linked or removed, or a directory is made.
With 0, it prints how many times these are.
"""

import os
import signal
import sys
from typing import Any

from pryv import Connection
from pryv_backup import backup

EVENTS = ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.chmod")


def main(endpoint: str, folder: str, number: int) -> None:
    count = 0

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event in EVENTS and str(arguments[0]).startswith(folder):
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)
    backup(Connection(endpoint), folder)
    print(count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
