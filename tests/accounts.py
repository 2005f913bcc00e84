"""Accounts of the platform under test."""

import secrets
from contextlib import ExitStack

from pryv import Connection, Service

PLATFORM_VARIABLE = "TEST_PRYV_SERVICE_INFO_URL"
APP_ID = "pryv-sdk-tests"

Account = tuple[str, str, Connection]
"""Username, password, and a connection with a personal token."""


def register(platform_url: str, connections: ExitStack) -> Account:
    """Registers an account and logs in; `connections` closes the connection."""
    username, password = f"test{secrets.token_hex(6)}", secrets.token_hex(8)
    with Service(platform_url) as service:
        service.create_user(username=username, password=password, email=f"{username}@example.org", app_id=APP_ID)
        connection = connections.enter_context(service.login(username, password, APP_ID))
    return username, password, connection
