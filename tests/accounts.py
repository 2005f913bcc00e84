"""Accounts of the platform under test, which are deleted when the tests are done."""

import secrets
from contextlib import ExitStack

from pryv import Connection, InvalidAccessTokenError, PryvConnectionError, PryvError, Service, UnknownResourceError

PLATFORM_VARIABLE = "TEST_PRYV_SERVICE_INFO_URL"
APP_ID = "pryv-sdk-tests"

Account = tuple[str, str, Connection]
"""Username, password, and a connection with a personal token."""


class Accounts:
    """The accounts that a test process registers on a platform."""

    def __init__(self, platform_url: str) -> None:
        self._platform_url = platform_url
        self._registered: list[tuple[str, str, str]] = []

    def register(self, connections: ExitStack) -> Account:
        """Registers an account and logs in; `connections` closes the connection."""
        username, password = f"test{secrets.token_hex(6)}", secrets.token_hex(8)
        with Service(self._platform_url) as service:
            service.create_user(username=username, password=password, email=f"{username}@example.org", app_id=APP_ID)
            connection = connections.enter_context(service.login(username, password, APP_ID))
        self.add(username, password, connection.token or "")
        return username, password, connection

    def add(self, username: str, password: str, token: str) -> None:
        """Deletes an account that a test registers, too."""
        self._registered.append((username, password, token))

    def delete(self) -> dict[str, str]:
        """Deletes the accounts; returns the names of those that are left, each with the reason."""
        left: dict[str, str] = {}
        with Service(self._platform_url, retry=None) as service:
            while self._registered:
                username, password, token = self._registered.pop()
                try:
                    delete(service, username, password, token)
                except PryvConnectionError as error:
                    return left | {name: str(error) for name in (username, *(item[0] for item in self._registered))}
                except PryvError as error:
                    left[username] = str(error)
        return left


def delete(service: Service, username: str, password: str, token: str) -> None:
    """Deletes an account, unless a test has done it; logs in again if a test has ended the session."""
    try:
        service.delete_user(username, token)
    except InvalidAccessTokenError:
        with service.login(username, password, APP_ID) as connection:
            service.delete_user(username, connection.token or "")
    except UnknownResourceError:
        if service.user_exists(username):
            raise
