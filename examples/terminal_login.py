"""Asks a person for access from a terminal, once: later runs use the stored credentials."""

import argparse
import sys
from contextlib import ExitStack

from pryv import Connection, InvalidAccessTokenError, PryvError, Service
from pryv.auth import AuthSettings, CredentialStore, MemoryStore, TerminalLogin, default_store, setup_auth
from pryv_sandbox import Sandbox

ASKED = {
    "requestingAppId": "diary-on-a-terminal",
    "requestedPermissions": [{"streamId": "diary", "defaultName": "Diary", "level": "contribute"}],
}


def main(platform: str, store: CredentialStore) -> None:
    settings = AuthSettings(ASKED)
    with Service(platform) as service:
        login = TerminalLogin(settings, service, store=store)
        setup_auth(settings, platform, ui=login).close()
        given = login.get_authorization_data()
        if given is None:
            sys.exit("terminal_login: you did not give access, so there is nothing to do")
        try:
            with Connection(given["apiEndpoint"], service) as connection:
                greet(connection)
        except InvalidAccessTokenError:
            login.delete_authorization_data()
            sys.exit("terminal_login: the access you gave does not exist any more; run this again to give a new one")


def greet(connection: Connection) -> None:
    note = {"streamIds": ["diary"], "type": "note/txt", "content": "Signed in from a terminal."}
    connection.api_one("events.create", note)
    notes = list(connection.iter_events({"streams": ["diary"]}))
    print(f"The diary of {connection.username()} has {len(notes)} notes.")


def sandbox_with_a_diary(stack: ExitStack) -> str:
    """The service info URL of a platform on this machine, with an account to sign in with."""
    sandbox = stack.enter_context(Sandbox())
    account = sandbox.create_account("alice", "see-you-soon")
    with Connection(account.api_endpoint) as connection:
        connection.api_one("streams.create", {"id": "diary", "name": "Diary"})
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
