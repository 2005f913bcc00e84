"""Sign in with stored credentials, or by asking the user; and sign out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pryv._arguments import http_url, require, require_methods
from pryv._display import SecretText
from pryv._spelling import domain
from pryv._transport.timeouts import DEFAULT_TIMEOUT, Timeout
from pryv._transport.urls import is_in_domain
from pryv.auth._controller import LoginUI
from pryv.auth._permissions import covers
from pryv.auth._profiles import DEFAULT, Profile
from pryv.auth._settings import AuthSettings
from pryv.auth._states import notify
from pryv.auth._stores import AuthorizationData, CredentialStore, default_store
from pryv.auth._terminal import TerminalLogin
from pryv.auth._waiting import WAIT, accepted_state, check_wait
from pryv.connection import Connection
from pryv.errors import ForbiddenError, InvalidAccessTokenError, UnknownResourceError
from pryv.service import Service
from pryv.types import Permission, Untyped


def sign_in(
    service_info_url: str,
    app_id: str,
    permissions: Sequence[Permission | Untyped],
    *,
    store: CredentialStore | None = None,
    profile: str = DEFAULT,
    ui: LoginUI | Callable[[AuthSettings, Service], LoginUI] | None = None,
    timeout: float | None = WAIT,
) -> Connection:
    """Return a connection to the user's account, with stored credentials if possible.

    The credentials stored for the platform, app and profile are used if their access still works and has all of the
    permissions. Otherwise the user is asked, by default with `TerminalLogin`, and the new credentials are stored
    before the connection is returned. If the platform cannot be reached, the error is raised, and the stored
    credentials are kept.

    See `Auth request <https://pryv.github.io/reference/#auth-request>`__ in the API reference.

    Args:
        service_info_url: The URL of the platform's service info.
        app_id: The app's id.
        permissions: The permissions that the app needs, each with a `streamId`, a `level` and, for a stream that may
            have to be created, a `defaultName`.
        store: The credential store; by default the system's keyring, or files that only their owner can read.
        profile: The name of a user or account, if there are several: up to 64 letters, digits and `._@+-`.
        ui: The user interface for the sign-in page: a `LoginUI`, of which only `on_state_change` is called, or a
            callable that makes one from the settings and the service. By default a `TerminalLogin`.
        timeout: Seconds to wait for the answer; `None` waits until the platform deletes the request.

    Returns:
        The connection. It has its own service, which is closed with it.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `service_info_url` is not a URL, `app_id` or `permissions` is empty, a permission has no stream
            and level, `profile` is not a name, or `timeout` is not above 0.
        OSError: the store cannot be read, or cannot be written to (which is checked before the user is asked).
        AccessRefusedError: the user refused.
        AccessTimeoutError: the user did not answer in time, or the platform no longer knows the request.
        PryvError: a call or the store failed; see *Errors and retries*.
    """
    require(app_id=app_id)
    check_wait(timeout)
    if not (ui is None or callable(ui) or hasattr(ui, "on_state_change")):
        raise TypeError(f"ui is a LoginUI, not {type(ui).__name__}")
    url = http_url(service_info_url, "service_info_url")
    settings = AuthSettings({"requestingAppId": app_id, "requestedPermissions": _listed(permissions)})
    kept = Profile(default_store() if store is None else store, profile)
    with contextlib.ExitStack() as failing:
        service = failing.enter_context(Service(url))
        usable = [stored for stored in _of_platform(kept, url, service) if stored.get("appId", app_id) == app_id]
        connection = _connection_from_store(service, usable, settings)
        if connection is None:
            kept.check_writable()
            new = _request_access(service, settings, _login_ui(ui, settings, service, kept.store), timeout)
            connection = service._connection(new["apiEndpoint"])
            new["serviceInfoUrl"], new["appId"] = url, app_id
            kept.keep(new, replaced=usable)
        connection._service_is_own = True
        failing.pop_all()
    return connection


def sign_out(
    service_info_url: str,
    *,
    store: CredentialStore | None = None,
    profile: str = DEFAULT,
    timeout: Timeout = DEFAULT_TIMEOUT,
) -> None:
    """Revoke the accesses that a profile has on a platform, and remove their credentials from the store.

    If there are no credentials, nothing happens. If an access was revoked already, only its credentials are removed.
    If the platform cannot be reached, the error is raised, and the credentials are kept. OAuth sessions are left:
    `OAuthClient.forget` and `pryv logout` end them.

    See `Delete access <https://pryv.github.io/reference/#delete-access>`__ in the API reference.

    Args:
        service_info_url: The URL of the platform's service info.
        store: The credential store; by default the system's keyring, or files that only their owner can read.
        profile: The profile, as in `sign_in`.
        timeout: The time limits of each request, as in `pryv.Connection`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `service_info_url` is not a URL, `profile` is not a name, or a number in `timeout` is out of range.
        OSError: the store cannot be read or written to.
        ForbiddenError: the access may not revoke itself; its credentials are removed nevertheless.
        PryvError: a call or the store failed; see *Errors and retries*.
    """
    url = http_url(service_info_url, "service_info_url")
    kept = Profile(default_store() if store is None else store, profile)
    with Service(url, timeout=timeout) as service:
        revoke_and_forget(kept, _of_platform(kept, url, service), timeout)


def revoke_and_forget(
    kept: Profile, credentials: Iterable[AuthorizationData], timeout: Timeout = DEFAULT_TIMEOUT
) -> None:
    """Revoke the accesses of credentials, and remove them from their profile.

    Raises:
        OSError: the store cannot be written to.
        ForbiddenError: an access may not revoke itself; its credentials are removed nevertheless.
        PryvError: an access could not be revoked; its credentials are kept.
    """
    refused = None
    for stored in credentials:
        try:
            with Connection(stored["apiEndpoint"], timeout=timeout) as connection:
                if _works(connection):
                    connection.revoke()
        except ForbiddenError as error:
            refused = error
        kept.forget(stored)
    if refused is not None:
        raise refused


def _listed(permissions: Any) -> list[dict[str, Any]]:
    if isinstance(permissions, (str, bytes, Mapping)) or not isinstance(permissions, Iterable):
        raise TypeError(f"permissions is a list of dicts, not {type(permissions).__name__}")
    listed = [dict(item) if isinstance(item, Mapping) else item for item in permissions]
    if not listed:
        raise ValueError("permissions is empty: name at least one stream")
    for number, item in enumerate(listed):
        if not isinstance(item, dict):
            raise TypeError(f"permission {number} is a dict, not {type(item).__name__}")
        if not (item.get("streamId") and item.get("level")) and "feature" not in item:
            raise ValueError(f"permission {number} has no streamId and level")
    return listed


def _of_platform(kept: Profile, url: str, service: Service) -> list[AuthorizationData]:
    """Return the credentials of a platform; those without its URL are recognized by their host."""

    def is_of_platform(stored: AuthorizationData) -> bool:
        if "serviceInfoUrl" in stored:
            return stored["serviceInfoUrl"] == url
        return is_in_domain(stored["apiEndpoint"], domain(service.info().api))

    return [stored for stored in kept.credentials() if "oauth" not in stored and is_of_platform(stored)]


def _connection_from_store(
    service: Service, usable: Iterable[AuthorizationData], settings: AuthSettings
) -> Connection | None:
    """Return a connection with the first credentials that work and have the permissions."""
    for stored in usable:
        connection = service._connection(stored["apiEndpoint"])
        with contextlib.ExitStack() as failing:
            failing.callback(connection.close)
            if _works(connection) and covers(connection, settings.auth_request["requestedPermissions"]):
                failing.pop_all()
                return connection
    return None


def _works(connection: Connection) -> bool:
    """Return whether a connection's access still exists, and has not expired.

    Raises:
        PryvError: the call failed.
    """
    try:
        connection.access_info()
    except (InvalidAccessTokenError, ForbiddenError, UnknownResourceError):  # revoked, expired, the account deleted
        return False
    return True


def _login_ui(ui: Any, settings: AuthSettings, service: Service, store: CredentialStore) -> LoginUI:
    if ui is None:
        return TerminalLogin(settings, service, store=store)
    made: LoginUI = ui(settings, service) if callable(ui) else ui
    require_methods(made, "ui", "a LoginUI", "on_state_change")
    return made


def _request_access(service: Service, settings: AuthSettings, ui: LoginUI, timeout: float | None) -> AuthorizationData:
    """Ask the user for access, and return the credentials."""
    request = service.start_access_request(settings.auth_request)
    state = accepted_state(service, request, timeout, lambda state: notify(ui.on_state_change, state))
    credentials = AuthorizationData(apiEndpoint=SecretText(state["apiEndpoint"]))  # tracebacks show variables
    if state.username is not None:
        credentials["username"] = state.username
    return credentials
