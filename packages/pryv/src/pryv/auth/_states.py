"""The states of an authentication, and their notification to callbacks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

_log = logging.getLogger("pryv.auth")

_FIELDS = {
    "status": "status",
    "id": "status",
    "key": "key",
    "authUrl": "auth_url",
    "username": "username",
    "apiEndpoint": "api_endpoint",
    "serviceInfo": "service_info",
    "message": "message",
    "error": "error",
}


class AuthStates:
    """The values of `AuthState.status`.

    Attributes:
        LOADING: The platform's service info is being fetched.
        INITIALIZED: No one is signed in; an access request can be started.
        NEED_SIGNIN: An access request waits for the user's answer on the page `auth_url`.
        AUTHORIZED: The user gave access.
        REFUSED: The user refused. `INITIALIZED` follows.
        SIGNOUT: The user signed out; stored credentials are deleted.
        ERROR: The authentication failed or was stopped; `message` contains the reason.
    """

    ERROR: Final = "ERROR"
    LOADING: Final = "LOADING"
    INITIALIZED: Final = "INITIALIZED"
    NEED_SIGNIN: Final = "NEED_SIGNIN"
    AUTHORIZED: Final = "ACCEPTED"
    SIGNOUT: Final = "SIGNOUT"
    REFUSED: Final = "REFUSED"


@attrs.frozen
class AuthState(Mapping[str, Any]):
    """The state of an authentication: attributes, and a mapping of those that are set, with the keys of the API.

    Attributes:
        status: One of `AuthStates` (`id` in the mapping too).
        key: The key of the access request. It is a secret, because it gives the token.
        auth_url: The page on which the user answers. It is a secret, because it contains the key.
        username: The user who gave access.
        api_endpoint: The account's API endpoint. It is a secret, because it contains the token.
        service_info: The platform's service info.
        message: The message of the error.
        error: The exception.
    """

    status: str
    key: str | None = attrs.field(default=None, repr=False)
    auth_url: str | None = attrs.field(default=None, repr=False)
    username: str | None = None
    api_endpoint: str | None = attrs.field(default=None, repr=False)
    service_info: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    message: str | None = None
    error: BaseException | None = attrs.field(default=None, repr=False)

    @classmethod
    def failed(cls, error: BaseException) -> AuthState:
        """Return the state `ERROR` for an exception.

        Args:
            error: The exception.
        """
        return cls(AuthStates.ERROR, message=str(error) or type(error).__name__, error=error)

    def without_credentials(self) -> AuthState:
        """Return the state without credentials: with a `key`, the app can get the connection itself."""
        if self.status != AuthStates.AUTHORIZED or self.key is None:
            return self
        return AuthState(self.status, key=self.key, service_info=self.service_info)

    def __getitem__(self, key: str) -> Any:
        value = getattr(self, _FIELDS[key])
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return (key for key, field in _FIELDS.items() if getattr(self, field) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


Listener = Callable[[AuthState], object]


def notify(listener: Listener, state: AuthState) -> None:
    """Call a listener; log an exception in it."""
    try:
        listener(state)
    except Exception:  # noqa: BLE001  (the user's code may raise anything)
        _log.exception("a listener failed on the state %s", state.status)
