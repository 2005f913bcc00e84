"""Asks the user for access in a terminal, once: later runs use the stored credentials."""

import argparse
import sys
from contextlib import ExitStack

from pryv import AccessRefusedError, Connection, PryvError
from pryv.auth import CredentialStore, MemoryStore, default_store, sign_in
from pryv.types import Permission
from pryv_sandbox import Sandbox

APP_ID = "diary-on-a-terminal"
PERMISSIONS: list[Permission] = [{"streamId": "diary", "defaultName": "Diary", "level": "contribute"}]


def main(platform: str, store: CredentialStore) -> None:
    try:
        with sign_in(platform, APP_ID, PERMISSIONS, store=store) as connection:
            greet(connection)
    except AccessRefusedError:
        sys.exit("terminal_login: you did not give access, so there is nothing to do")


def greet(connection: Connection) -> None:
    connection.events.create({"streamIds": ["diary"], "type": "note/txt", "content": "Signed in from a terminal."})
    notes = list(connection.iter_events({"streams": ["diary"]}))
    print(f"The diary of {connection.username()} has {len(notes)} notes.")


def sandbox_with_a_diary(stack: ExitStack) -> str:
    """The service info URL of a platform on this machine, with an account to sign in with."""
    sandbox = stack.enter_context(Sandbox())
    account = sandbox.create_account("alice", "see-you-soon")
    with Connection(account.api_endpoint) as connection:
        connection.streams.ensure({"id": "diary", "name": "Diary"})
    print(f"Sign in as {account.username}, password {account.password}.", file=sys.stderr)
    return sandbox.service_info_url


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", metavar="URL", help="service info URL of a platform (default: a sandbox, here)")
    options = parser.parse_args()
    try:
        with ExitStack() as stack:
            if options.platform:
                main(options.platform, default_store())
            else:
                main(sandbox_with_a_diary(stack), MemoryStore())
    except (PryvError, OSError, ValueError) as error:
        sys.exit(f"terminal_login: {error}")
