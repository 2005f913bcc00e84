"""Commands for platforms, signing in, and accesses."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

from pryv._text import from_system
from pryv.cli._credentials import connect, profile
from pryv.cli._options import seconds
from pryv.cli._output import on_terminal, write_json
from pryv.cli._run import say
from pryv.cli._tables import Column, write_table
from pryv.cli._times import local_date
from pryv.errors import PryvProtocolError
from pryv.types import Level
from pryv.utils import extract_token_and_api_endpoint

if TYPE_CHECKING:
    from pryv.auth import AuthSettings, TerminalLogin
    from pryv.service import Service

_SECRET = ("token", "apiEndpoint")
_ACCESSES = [
    Column("id", lambda access: access.get("id"), whole=True),
    Column("type", lambda access: access.get("type")),
    Column("name", lambda access: access.get("name")),
    Column("permissions", lambda access: _permissions(access.get("permissions"))),
    Column("last used", lambda access: local_date(access.get("lastUsed")), whole=True),
    Column("expires", lambda access: local_date(access.get("expires")), whole=True),
]
_WITH_TOKENS = [*_ACCESSES[:3], Column("token", lambda access: access.get("token"), whole=True)]
"""Complete ids and tokens leave no space for more on a terminal of 80 columns."""


def add_info_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `info`."""
    parser.add_argument("url", type=from_system, metavar="URL", help="the platform's service info URL")


def info(arguments: argparse.Namespace) -> None:
    """Print the service info."""
    from pryv.service import Service

    with Service(arguments.url.strip()) as service:
        write_json(dict(service.info()))


def add_login_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `login`."""
    parser.add_argument("url", type=from_system, metavar="SERVICE_INFO_URL", help="the platform's service info URL")
    parser.add_argument("--app-id", type=from_system, required=True, metavar="ID", help="the app's id")
    parser.add_argument(
        "--permission",
        required=True,
        action="extend",
        nargs="+",
        type=_permission,
        metavar="STREAM:LEVEL",
        dest="permissions",
        help=f"a permission to request: a stream (* for all) and one of {', '.join(get_args(Level))}",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the page's URL, and do not open it")
    parser.add_argument("--timeout", type=seconds, default=600, metavar="SECONDS", help="how long to wait (600)")


def login(arguments: argparse.Namespace) -> None:
    """Sign in, and store the credentials for the other commands."""
    from pryv.auth import TerminalLogin, sign_in

    kept = profile(arguments)

    def ui(settings: AuthSettings, service: Service) -> TerminalLogin:
        return TerminalLogin(settings, service, store=kept.store, open_browser=not arguments.no_browser)

    with sign_in(
        arguments.url.strip(),
        arguments.app_id,
        arguments.permissions,
        store=kept.store,
        profile=kept.name,
        ui=ui,
        timeout=arguments.timeout,
    ) as connection:
        username = connection.username()
        for stored in kept.credentials():
            if extract_token_and_api_endpoint(stored["apiEndpoint"]).token == connection.token:
                kept.use(stored)
    say(f"The access to the account of {username} is stored in {kept.store}.")


def logout(arguments: argparse.Namespace) -> None:
    """Revoke the accesses of the stored credentials, and delete the credentials.

    Raises:
        ValueError: another account is named, before the command.
    """
    from pryv.auth._sign_in import revoke_and_forget
    from pryv.oauth._profiles import client_of

    if hasattr(arguments, "endpoint"):
        raise ValueError("logout revokes the stored access, and takes no --endpoint")
    kept = profile(arguments)
    stored = kept.credentials()
    for credentials in stored:
        if "oauth" in credentials:
            client_of(kept, credentials["oauth"]).forget()
            kept.forget(credentials)
    revoke_and_forget(kept, [credentials for credentials in stored if "oauth" not in credentials])
    for credentials in stored:
        say(f"Signed out of the account of {credentials.get('username') or 'an unknown user'}.")
    if not stored:
        say(f"Nobody is signed in: the profile {kept.name} has no credentials in the store ({kept.store}).")


def whoami(arguments: argparse.Namespace) -> None:
    """Print the current access."""
    with connect(arguments) as connection:
        access = connection.access_info()
        write_json(_without_secrets(access))


def add_accesses_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `accesses`."""
    parser.add_argument("--tokens", action="store_true", help="show their tokens too")


def accesses(arguments: argparse.Namespace) -> None:
    """Print the accesses."""
    with connect(arguments) as connection:
        found = connection.accesses.list()
    if not all(isinstance(access, dict) for access in found):
        raise PryvProtocolError("accesses.get: the response has accesses that are not objects")
    if on_terminal():
        write_table(_WITH_TOKENS if arguments.tokens else _ACCESSES, found)
    else:
        write_json(found if arguments.tokens else list(map(_without_secrets, found)))


def _without_secrets(access: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in access.items() if key not in _SECRET}


def _permissions(permissions: Any) -> Any:
    """Return permissions in the form of the arguments of `login`."""
    if not isinstance(permissions, list):
        return permissions
    return " ".join(
        f"{item.get('streamId') or item.get('feature')}:{item.get('level') or item.get('setting')}"
        for item in permissions
        if isinstance(item, dict)
    )


def _permission(text: str) -> dict[str, str]:
    stream, _, level = from_system(text).rpartition(":")
    if not stream or level not in get_args(Level):
        raise argparse.ArgumentTypeError(f"{text!r} is not STREAM:LEVEL, with one of {', '.join(get_args(Level))}")
    named = {} if stream == "*" else {"defaultName": stream}
    return {"streamId": stream, **named, "level": level}
