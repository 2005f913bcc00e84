"""Commands for OAuth sessions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pryv._text import from_system
from pryv.cli._credentials import profile
from pryv.cli._options import seconds
from pryv.cli._run import say

if TYPE_CHECKING:
    from pryv.auth._stores import AuthorizationData, OAuthSessionData


def add_oauth_login_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `oauth-login`."""
    parser.add_argument("url", type=from_system, metavar="ISSUER", help="the authorization server's URL")
    parser.add_argument(
        "client", type=from_system, metavar="CLIENT_ID", help="the id that the client is registered with"
    )
    parser.add_argument("--scope", type=from_system, required=True, metavar="cmc:NAME", help="what to ask the user for")
    parser.add_argument("--dpop", action="store_true", help="bind the tokens to a new key (needs pryv[dpop])")
    parser.add_argument(
        "--port", type=int, default=0, metavar="PORT", help="the port that the browser comes back to (any)"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the page's URL, and do not open it")
    parser.add_argument("--timeout", type=seconds, default=600, metavar="SECONDS", help="how long to wait (600)")


def oauth_login(arguments: argparse.Namespace) -> None:
    """Ask a user for consent, and store the session for the other commands."""
    from pryv.auth._stores import AuthorizationData, OAuthSessionData
    from pryv.oauth._profiles import client_of

    kept = profile(arguments)
    session = OAuthSessionData(
        authorizationServer=arguments.url.strip(), clientId=arguments.client, scope=arguments.scope
    )
    client = client_of(kept, session, dpop=arguments.dpop)
    same = [stored for stored in kept.credentials() if _is_of(stored, session)]
    kept.check_writable()
    with client.login(
        port=arguments.port, open_browser=not arguments.no_browser, timeout=arguments.timeout
    ) as connection:
        username = connection.username()
        new = AuthorizationData(
            apiEndpoint=connection.endpoint, username=username, appId=session["clientId"], oauth=session
        )
    kept.keep(new, replaced=same)
    kept.use(new)
    say(f"The session with the account of {username} is stored in {kept.store}.")


def _is_of(stored: AuthorizationData, session: OAuthSessionData) -> bool:
    """Return whether stored credentials are of the same server and client, and so have the same tokens."""
    if "oauth" not in stored:
        return False
    other = stored["oauth"]
    same_server = other["authorizationServer"] == session["authorizationServer"]
    return same_server and other["clientId"] == session["clientId"]
