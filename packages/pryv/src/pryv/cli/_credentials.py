"""The account of a command: that of its options, of the environment, or of the stored credentials."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from pryv._spelling import API_ENDPOINT_FORM
from pryv._text import from_system
from pryv.cli._options import ENDPOINT_VARIABLE

if TYPE_CHECKING:
    from pryv.auth import AuthorizationData
    from pryv.auth._profiles import Profile
    from pryv.connection import Connection


def connect(arguments: argparse.Namespace) -> Connection:
    """Return the connection to the account of the arguments.

    It is that of the first of these: `--endpoint`, `--profile`, the variable `PRYV_API_ENDPOINT`, and the credentials
    that `pryv login` or `pryv oauth-login` stored.

    Args:
        arguments: The parsed arguments of a command that has the options.

    Raises:
        ValueError: there is no account, or the endpoint is malformed or has no token.
        PryvError: the stored credentials cannot be read, or the tokens of an OAuth session not refreshed.
        OSError: the store's file cannot be read.
    """
    endpoint: str | None = getattr(arguments, "endpoint", None)
    if endpoint is None and not hasattr(arguments, "profile"):
        endpoint = from_system(os.environ.get(ENDPOINT_VARIABLE, "")).strip() or None
    if endpoint is None:
        return _stored_connection(arguments)
    from pryv.connection import Connection

    connection = Connection(endpoint.strip())  # a secret in a file often ends with a newline
    if connection.token is None:
        raise ValueError(f"the API endpoint has no token; expected {API_ENDPOINT_FORM}")
    return connection


def profile(arguments: argparse.Namespace) -> Profile:
    """Return the profile of `--profile` in the default store."""
    from pryv.auth import default_store
    from pryv.auth._profiles import DEFAULT, Profile

    return Profile(default_store(), getattr(arguments, "profile", DEFAULT))


def _stored_connection(arguments: argparse.Namespace) -> Connection:
    kept = profile(arguments)
    stored = kept.credentials()
    if stored:
        return _connection_of(kept, stored[0])
    problem = f"no account: the profile {kept.name} has no credentials in the store ({kept.store})"
    if hasattr(arguments, "profile"):
        raise ValueError(f"{problem}; use `pryv login --profile {kept.name}`")
    raise ValueError(f"{problem}; use `pryv login`, --endpoint or {ENDPOINT_VARIABLE}")


def _connection_of(kept: Profile, stored: AuthorizationData) -> Connection:
    """Return a connection with stored credentials; the tokens of an OAuth session are refreshed if that is due."""
    if "oauth" in stored:
        from pryv.oauth._profiles import client_of

        return client_of(kept, stored["oauth"]).connection()
    from pryv.connection import Connection

    return Connection(stored["apiEndpoint"])
