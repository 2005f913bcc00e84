"""Works with an OAuth session: `SERVER STORE`, then `connect`, `refresh N`, `jobs SECONDS` or `killed N EVENT`."""

from __future__ import annotations

import os
import signal
import sys
import time

from pryv import OAuthLoginRequiredError, PryvError
from pryv.oauth import FileTokenStore, OAuthClient

_IGNORED = ("import", "compile", "exec", "object.__getattr__", "marshal", "sys._getframe", "code.__new__")


def main() -> None:
    server, path, action, *parameters = sys.argv[1:]
    client = OAuthClient(server, "study-app", store=FileTokenStore(path), timeout=30)
    if action == "jobs":
        run_jobs(server, path, float(parameters[0]))
    if action == "killed":
        client.metadata()  # imports what it needs
        kill_at(int(parameters[0]), *parameters[1:])
    try:
        for _ in range(int(parameters[0]) if action == "refresh" else 1):
            connection = client.connection() if action == "connect" else client.refresh()
            if action != "killed":
                connection.access_info()
            connection.close()
    except OAuthLoginRequiredError as error:
        print("login required:", error)
    except PryvError as error:
        print("failed:", error)
    else:
        print("done")


def run_jobs(server: str, path: str, seconds: float) -> None:
    """Do what cron starts again and again, each time with a client that knows nothing of the last one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with OAuthClient(server, "study-app", store=FileTokenStore(path)).connection() as connection:
            connection.access_info()
        time.sleep(0.05)


def kill_at(number: int, only: str = "") -> None:
    """Kill this process at an audit event (https://docs.python.org/3/library/audit_events.html) from now on.

    Args:
        number: The number of the event, from 1.
        only: The name of the events that count; otherwise, all do that are not of Python itself.
    """
    count = 0

    def hook(event: str, _: object) -> None:
        nonlocal count
        if event.startswith(_IGNORED) or only not in ("", event):
            return
        count += 1
        if count == number:
            print("killed at", event, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


main()
