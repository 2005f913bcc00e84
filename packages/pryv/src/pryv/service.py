"""A platform: its description, its accounts, and how an app gets access to them."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import requests

from pryv._access_requests import AccessRequest, accepted_endpoint, poll, start
from pryv._arguments import as_dict, http_url
from pryv._assets import ServiceAssets, fetch_assets
from pryv._display import public_names, safe_repr, secret
from pryv._login import login, mfa_verify
from pryv._registration import (
    available_hostings,
    create_user,
    delete_user,
    flat_hostings,
    request_password_reset,
    reset_password,
    user_exists,
    user_id_for_email,
    verify_email,
)
from pryv._second_factor import mfa_activate, mfa_challenge, mfa_confirm, mfa_deactivate, mfa_recover
from pryv._service_info import DescribedPlatform, ServiceInfo, endpoint_of
from pryv._transport.http import Http
from pryv._transport.limits import Limits
from pryv._transport.platform import Platform
from pryv._transport.retry import RetryPolicy
from pryv._transport.timeouts import DEFAULT, DEFAULT_TIMEOUT, CallTimeout, Default, Timeout
from pryv.connection import Connection
from pryv.errors import PryvProtocolError
from pryv.types import AuthRequest, Hosting, Untyped, UserCreated


class Service:
    """A Pryv.io platform.

    It may be used from several threads, survives a fork, can be pickled, and is a context manager.

    Args:
        service_info_url: The URL of the platform's service info, such as `https://reg.pryv.me/service/info`.
        customizations: Members of the service info that replace those of the platform. Without a URL, the whole
            service info.
        timeout: Seconds for connecting, and for each step after it (sending a block, receiving the head of a response,
            receiving a piece of its body): one number for both or a pair; `None` is no limit.
        retry: How idempotent calls are retried; `None` turns it off.
        session: A session that sends every request, from all threads, with its own proxies, certificates and adapters.
            It is neither changed nor closed.
        limits: The limits of responses in size and rate. They apply to the service's connections too.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `service_info_url` is not a URL, or a number is out of range.
    """

    def __init__(
        self,
        service_info_url: str | None = None,
        customizations: Mapping[str, Any] | None = None,
        *,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008  (frozen)
        session: requests.Session | None = None,
        limits: Limits = Limits(),  # noqa: B008  (frozen)
    ) -> None:
        url = None if service_info_url is None else http_url(service_info_url, "service_info_url")
        calls = Platform(Http(retry, session, limits), timeout)
        replaced = {} if customizations is None else dict(as_dict(customizations, "customizations"))
        self._platform = DescribedPlatform(calls, url, replaced)
        self._assets: ServiceAssets | None = None

    @safe_repr
    def __repr__(self) -> str:
        return f"<Service {self._platform.url or self._platform.customizations.get('name')}>"

    __dir__ = public_names

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _with_options(self, timeout: CallTimeout, retry: RetryPolicy | Default | None) -> Service:
        """Return the same platform with other limits, over the same network connections."""
        other = copy.copy(self)
        other._platform = self._platform.with_options(timeout, retry)
        return other

    def close(self) -> None:
        """Close the open network connections of all threads; a later call opens new ones."""
        self._platform.calls.http.close()

    def info(self, force_fetch: bool = False, *, timeout: CallTimeout = DEFAULT) -> ServiceInfo:
        """Return the platform's service info, with the customizations.

        See `Service info <https://pryv.github.io/reference/#service-info>`__ in the API reference.

        Args:
            force_fetch: Whether to fetch it again; otherwise it is fetched once.
            timeout: Replaces the service's timeout.

        Raises:
            ValueError: there is no URL to fetch it from, and the customizations are not a complete service info.
            PryvProtocolError: the response is not a service info, or it came over https and contains an http URL.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._platform.info(timeout, force_fetch=force_fetch)

    def info_sync(self) -> ServiceInfo | None:
        """Return the service info if it is known already, otherwise `None`; this sends no request."""
        return self._platform.known.info

    def set_service_info(self, service_info: Mapping[str, Any]) -> None:
        """Set the service info, so that it need not be fetched.

        See `Service info <https://pryv.github.io/reference/#service-info>`__ in the API reference.

        Args:
            service_info: The whole service info, with the keys of the API.

        Raises:
            TypeError: it is not a dict.
            ValueError: `name`, `api`, `access` or `register` is missing, or a member is malformed.
        """
        self._platform.set_info(service_info)

    def supports_hf(self, *, timeout: CallTimeout = DEFAULT) -> bool:
        """Return whether the platform has high-frequency series.

        See `Service info <https://pryv.github.io/reference/#service-info>`__ in the API reference.

        Args:
            timeout: Replaces the service's timeout.

        Raises:
            PryvError: the service info cannot be fetched.
        """
        return self.info(timeout=timeout).features.get("noHF") is not True

    def supports_content_queries(self, *, timeout: CallTimeout = DEFAULT) -> bool:
        """Return whether `events.get` supports conditions on `content` and `clientData`.

        See `Service info <https://pryv.github.io/reference/#service-info>`__ in the API reference.

        Args:
            timeout: Replaces the service's timeout.

        Raises:
            PryvError: the service info cannot be fetched.
        """
        return self.info(timeout=timeout).features.get("contentQueries") is True

    def is_dns_less(self, *, timeout: CallTimeout = DEFAULT) -> bool:
        """Return whether API endpoints have the username in their path, and not in their host name.

        See `Service info <https://pryv.github.io/reference/#service-info>`__ in the API reference.

        Args:
            timeout: Replaces the service's timeout.

        Raises:
            PryvError: the service info cannot be fetched.
        """
        return "{username}" not in urlsplit(self.info(timeout=timeout).api).netloc

    def assets(self, force_fetch: bool = False, *, timeout: CallTimeout = DEFAULT) -> ServiceAssets | None:
        """Return the platform's assets, or `None` if it has none.

        See `Service info <https://pryv.github.io/reference/#service-info>`__ (`assets`) in the API reference.

        Args:
            force_fetch: Whether to fetch them again, with the service info; otherwise they are fetched once.
            timeout: Replaces the service's timeout, for each request.

        Raises:
            PryvError: the assets or the service info cannot be fetched.
        """
        if self._assets is None or force_fetch:
            self._assets = fetch_assets(self._platform, force_fetch, timeout)
        return self._assets

    def api_endpoint_for(self, username: str, token: str | None = None, *, timeout: CallTimeout = DEFAULT) -> str:
        """Return the API endpoint of a user's account, with the token in it if one is given.

        See `API endpoint <https://pryv.github.io/reference/#api-endpoint>`__ in the API reference.

        Args:
            username: The user's name.
            token: An access token. An endpoint with a token is a secret.
            timeout: Replaces the service's timeout.

        Raises:
            TypeError: the username is not a string.
            ValueError: the username or the token is malformed.
            PryvError: the service info cannot be fetched.
        """
        token = secret(token)
        return self._platform.endpoint_of(username, timeout, token)

    @staticmethod
    def build_api_endpoint(service_info: Mapping[str, Any], username: str, token: str | None = None) -> str:
        """Return the API endpoint of a user's account, made from a service info; see `api_endpoint_for`.

        Args:
            service_info: A `ServiceInfo`, or a dict with the keys of the API.
            username: The user's name.
            token: An access token. An endpoint with a token is a secret.

        Raises:
            TypeError: the service info is not a dict, or the username not a string.
            ValueError: the service info has no `api`, or the username or the token is malformed.
        """
        token = secret(token)
        return endpoint_of(service_info, username, token)

    def login(
        self,
        username: str,
        password: str,
        app_id: str,
        origin: str | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> Connection:
        """Log a user in and return the connection, with a personal token that expires. For trusted apps only.

        See `Login user <https://pryv.github.io/reference/#login-user>`__ in the API reference.

        Args:
            username: The user's name.
            password: The user's password.
            app_id: The app's id, 6 characters at least.
            origin: The `Origin` header: an origin that the platform trusts, by default that of its register.
            timeout: Replaces the service's timeout.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty, or `origin` is not a URL.
            InvalidCredentialsError: the username or the password is wrong, or the app or the origin is not trusted.
            MfaRequiredError: a second factor is needed; continue with `mfa_verify`.
            PryvError: the call failed; see *Errors and retries*.
        """
        password = secret(password)
        return self._connection(login(self._platform, username, password, app_id, origin, timeout))

    def mfa_challenge(self, username: str, mfa_token: str, *, timeout: CallTimeout = DEFAULT) -> None:
        """Ask the platform to send the second factor's code again.

        See `Trigger MFA challenge <https://pryv.github.io/reference/#trigger-mfa-challenge>`__ in the API reference.

        Args:
            username: The user's name.
            mfa_token: The `mfa_token` of the `MfaRequiredError` that `login` raised.
            timeout: Replaces the service's timeout.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty, or `mfa_token` is malformed.
            PryvError: the call failed; see *Errors and retries*.
        """
        mfa_token = secret(mfa_token)
        mfa_challenge(self._platform, username, mfa_token, timeout)

    def mfa_verify(self, username: str, mfa_token: str, code: str, *, timeout: CallTimeout = DEFAULT) -> Connection:
        """Finish a login with the second factor's code, and return the connection.

        See `Verify MFA challenge <https://pryv.github.io/reference/#verify-mfa-challenge>`__ in the API reference.

        Args:
            username: The user's name.
            mfa_token: The `mfa_token` of the `MfaRequiredError` that `login` raised.
            code: The code that the user received.
            timeout: Replaces the service's timeout.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty, or `mfa_token` is malformed.
            PryvError: the call failed; see *Errors and retries*.
        """
        mfa_token, code = secret(mfa_token), secret(code)
        return self._connection(mfa_verify(self._platform, username, mfa_token, code, timeout))

    def mfa_activate(self, connection: Connection, *, timeout: CallTimeout = DEFAULT, **profile: Any) -> str:
        """Start the activation of a second factor; the platform sends a code to the user.

        Continue with `mfa_confirm`. Until then, logins need no second factor.

        See `Activate MFA <https://pryv.github.io/reference/#activate-mfa>`__ in the API reference.

        Args:
            connection: A connection with a personal token.
            timeout: Replaces the connection's timeout.
            profile: What the platform needs to send a code, such as `phone`. Without any, the platform confirms the
                activation, but does not require a second factor.

        Returns:
            The token for `mfa_confirm`; a secret, so its `repr` is masked.

        Raises:
            TypeError: `connection` is not a connection, or a value has no JSON form.
            ValueError: a value has no JSON form.
            ForbiddenError: the token is not a personal one.
            ServerError: the platform has no second factor (`api-unavailable`).
            PryvError: the call failed; see *Errors and retries*.
        """
        return mfa_activate(_checked(connection)._account, profile, timeout)

    def mfa_confirm(self, username: str, token: str, code: str, *, timeout: CallTimeout = DEFAULT) -> list[str]:
        """Finish the activation of a second factor: from now on, logins need it.

        See `Confirm MFA activation <https://pryv.github.io/reference/#confirm-mfa-activation>`__ in the API reference.

        Args:
            username: The user's name.
            token: The token that `mfa_activate` returned.
            code: The code that the user received.
            timeout: Replaces the service's timeout.

        Returns:
            The recovery codes, for `mfa_recover`; the platform returns them only once. Secrets, so their `repr` is
            masked.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty, or `token` is malformed.
            InvalidParametersError: the code is wrong.
            InvalidAccessTokenError: the token is unknown or expired.
            PryvError: the call failed; see *Errors and retries*. If there is no response, the second factor may be
                active: `mfa_deactivate` with the personal token, which stays valid, and start over.
        """
        token, code = secret(token), secret(code)
        return mfa_confirm(self._platform, username, token, code, timeout)

    def mfa_deactivate(self, connection: Connection, *, timeout: CallTimeout = DEFAULT) -> None:
        """Deactivate the second factor: from now on, logins do not need it.

        See `Deactivate MFA <https://pryv.github.io/reference/#deactivate-mfa>`__ in the API reference.

        Args:
            connection: A connection with a personal token.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `connection` is not a connection.
            ForbiddenError: the token is not a personal one.
            PryvError: the call failed; see *Errors and retries*.
        """
        mfa_deactivate(_checked(connection)._account, timeout)

    def mfa_recover(self, username: str, password: str, recovery_code: str, *, timeout: CallTimeout = DEFAULT) -> None:
        """Deactivate the second factor of a user who has lost it, with a recovery code.

        See `Recover MFA <https://pryv.github.io/reference/#recover-mfa>`__ in the API reference.

        Args:
            username: The user's name.
            password: The user's password.
            recovery_code: One of the codes that `mfa_confirm` returned.
            timeout: Replaces the service's timeout.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty.
            InvalidCredentialsError: the username or the password is wrong.
            InvalidParametersError: the code is wrong, or the user has no second factor (`invalid-operation`).
            PryvError: the call failed; see *Errors and retries*.
        """
        password, recovery_code = secret(password), secret(recovery_code)
        mfa_recover(self._platform, username, password, recovery_code, timeout)

    def user_exists(self, username: str, *, timeout: CallTimeout = DEFAULT) -> bool:
        """Return whether a username is taken.

        See `Get core <https://pryv.github.io/reference-system/#get-core>`__ in the system API reference.

        Args:
            username: The username.
            timeout: Replaces the service's timeout.

        Raises:
            TypeError: the username is not a string.
            ValueError: the username is empty.
            PryvError: the call failed; see *Errors and retries*.
        """
        return user_exists(self._platform, username, timeout)

    def user_id_for_email(self, email: str, *, timeout: CallTimeout = DEFAULT) -> str | None:
        """Return the username of the account that has an e-mail address, `None` if there is no such account.

        See `Get username from email <https://pryv.github.io/reference-system/#get-username-from-email>`__ in the system
        API reference.

        Args:
            email: The address.
            timeout: Replaces the service's timeout.

        Raises:
            TypeError: the address is not a string.
            ValueError: the address is empty.
            PryvError: the call failed; see *Errors and retries*.
        """
        return user_id_for_email(self._platform, email, timeout)

    def available_hostings(self, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """Return the available hostings of accounts, as a tree of regions, zones and hostings.

        See `Get hostings <https://pryv.github.io/reference-system/#get-hostings>`__ in the system API reference.

        Args:
            timeout: Replaces the service's timeout.

        Raises:
            PryvError: the call failed; see *Errors and retries*.
        """
        return available_hostings(self._platform, timeout)

    def flat_hostings(self, *, timeout: CallTimeout = DEFAULT) -> list[Hosting]:
        """Return the hostings of accounts as a list.

        See `Get hostings <https://pryv.github.io/reference-system/#get-hostings>`__ in the system API reference.

        Args:
            timeout: Replaces the service's timeout.

        Raises:
            PryvError: the call failed; see *Errors and retries*.
        """
        return flat_hostings(self._platform, timeout)

    def create_user(
        self,
        *,
        username: str,
        password: str,
        email: str,
        app_id: str,
        hosting: str = "auto",
        language: str = "en",
        invitation_token: str = "enjoy",
        referer: str | None = None,
        timeout: CallTimeout = DEFAULT,
    ) -> UserCreated:
        """Register an account.

        See `Create user <https://pryv.github.io/reference-system/#create-user>`__ in the system API reference. A
        platform older than 1.6 gets the request in its older form.

        Args:
            username: 5 to 60 characters of a-z 0-9 -.
            password: The user's password.
            email: The user's e-mail address; no other account may have it.
            app_id: The app's id, 6 characters at least.
            hosting: The key of the account's hosting; `auto` chooses the first that is available.
            language: The user's language, a two-letter code.
            invitation_token: The token that a platform with closed registration requires.
            referer: An id of the user's referrer, for analytics.
            timeout: Replaces the service's timeout.

        Returns:
            The `username` and `apiEndpoint` of the account. The endpoint has no token if the platform returned none.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty.
            ItemAlreadyExistsError: the username or the e-mail address is taken.
            InvalidParametersError: the platform does not accept one of them.
            PryvError: the call failed; see *Errors and retries*.
        """
        password = secret(password)
        return create_user(
            self._platform,
            username=username,
            password=password,
            email=email,
            app_id=app_id,
            hosting=hosting,
            language=language,
            invitation_token=invitation_token,
            referer=referer,
            timeout=timeout,
        )

    def request_password_reset(self, username: str, app_id: str, *, timeout: CallTimeout = DEFAULT) -> None:
        """Ask the platform to send the user an e-mail with a reset token. For trusted apps only.

        See `Request password reset <https://pryv.github.io/reference/#request-password-reset>`__ in the API reference.

        Args:
            username: The user's name.
            app_id: The app's id, 6 characters at least.
            timeout: Replaces the service's timeout.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty.
            PryvError: the call failed; see *Errors and retries*.
        """
        request_password_reset(self._platform, username, app_id, timeout)

    def reset_password(
        self,
        username: str,
        new_password: str,
        reset_token: str,
        app_id: str,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> None:
        """Set a new password with the token from the reset e-mail. For trusted apps only.

        See `Reset password <https://pryv.github.io/reference/#reset-password>`__ in the API reference.

        Args:
            username: The user's name.
            new_password: The user's new password.
            reset_token: The token in the e-mail.
            app_id: The app's id, 6 characters at least.
            timeout: Replaces the service's timeout.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty.
            PryvError: the call failed; see *Errors and retries*.
        """
        new_password, reset_token = secret(new_password), secret(reset_token)
        reset_password(self._platform, username, new_password, reset_token, app_id, timeout)

    def verify_email(self, username: str, token: str, app_id: str, *, timeout: CallTimeout = DEFAULT) -> str:
        """Verify an e-mail address with the token that the platform sent to it, and return the address.

        For trusted apps only. `connection.account.update` adds addresses.

        See `Update account information <https://pryv.github.io/reference/#update-account-information>`__ in the API
        reference.

        Args:
            username: The user's name.
            token: The token in the e-mail.
            app_id: The app's id, 6 characters at least.
            timeout: Replaces the service's timeout.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty.
            InvalidAccessTokenError: the token is unknown, used, or expired.
            PryvError: the call failed; see *Errors and retries*.
        """
        token = secret(token)
        return verify_email(self._platform, username, token, app_id, timeout)

    def delete_user(self, username: str, token: str, *, timeout: CallTimeout = DEFAULT) -> None:
        """Delete an account with all its data, for good. The platform decides which tokens may do this.

        See `Delete user <https://pryv.github.io/reference-system/#delete-user>`__ in the system API reference.

        Args:
            username: The user's name.
            token: The platform's admin key, or a personal token of the account.
            timeout: Replaces the service's timeout, for each request.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty, or `token` is malformed.
            UnknownResourceError: there is no such user, or the platform does not let this kind of token delete users.
            InvalidAccessTokenError: the token is neither the admin key nor a personal token of the account.
            PryvError: the call failed; see *Errors and retries*.
        """
        token = secret(token)
        delete_user(self._platform, username, token, timeout)

    def start_access_request(
        self, auth_request: AuthRequest | Untyped, *, timeout: CallTimeout = DEFAULT
    ) -> AccessRequest:
        """Ask a user for access to the account; the user answers on the page `auth_url`.

        See `Auth request <https://pryv.github.io/reference/#auth-request>`__ in the API reference.

        Args:
            auth_request: `requestingAppId`, `requestedPermissions` and further members of the API's auth request.
            timeout: Replaces the service's timeout.

        Raises:
            TypeError: `auth_request` is not a dict.
            ValueError: it has no `requestingAppId`, or no list of `requestedPermissions`.
            PryvError: the call failed; see *Errors and retries*.
        """
        return start(self._platform, auth_request, timeout)

    def poll_access_request(self, key_or_url: str, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """Poll the status of an access request once.

        See `Poll request <https://pryv.github.io/reference/#poll-request>`__ in the API reference.

        Args:
            key_or_url: The request's `poll` URL (preferred) or its `key`.
            timeout: Replaces the service's timeout.

        Returns:
            The response; its `status` is `NEED_SIGNIN`, `ACCEPTED` (then it has `apiEndpoint`), `REFUSED` or `ERROR`.
            A response with the status `REDIRECTED` is followed to the URL that it contains.

        Raises:
            TypeError: the argument is not a string.
            ValueError: the argument is empty.
            UnknownResourceError: the platform does not know the request, or no longer knows it.
            PryvError: the call failed; see *Errors and retries*.
        """
        return poll(self._platform, key_or_url, timeout)

    def connect_from_key(self, key: str, *, timeout: CallTimeout = DEFAULT) -> Connection:
        """Return the connection that an accepted access request gives.

        See `Poll request <https://pryv.github.io/reference/#poll-request>`__ in the API reference.

        Args:
            key: The request's key.
            timeout: Replaces the service's timeout for this call; the connection gets the service's timeout.

        Raises:
            TypeError: the key is not a string.
            ValueError: the key is empty.
            AccessRefusedError: the user refused.
            UnknownResourceError: the platform does not know the request, or no longer knows it.
            PryvError: the request is not accepted (yet), or the call failed; see *Errors and retries*.
        """
        return self._connection(accepted_endpoint(self._platform, key, timeout))

    def _connection(self, api_endpoint: Any) -> Connection:
        """Return the connection to an API endpoint that a response contains."""
        http, timeout = self._platform.calls.http, self._platform.calls.timeout
        with contextlib.suppress(TypeError, ValueError):
            return Connection(
                api_endpoint,
                self,
                timeout=timeout,
                retry=http.retry,
                session=http.sessions.given,
                limits=http.limits,
            )
        del api_endpoint  # or a traceback would show it
        raise PryvProtocolError("GET access request: the apiEndpoint of the response is missing or malformed")


def _checked(connection: Connection) -> Connection:
    if not isinstance(connection, Connection):
        raise TypeError(f"connection is a pryv.Connection, not {type(connection).__name__}")
    return connection


def connect_from_key(
    key: str,
    service_info_url: str,
    customizations: Mapping[str, Any] | None = None,
    *,
    timeout: CallTimeout = DEFAULT,
) -> Connection:
    """Return the connection that an accepted access request gives; see `Service.connect_from_key`.

    See `Auth request <https://pryv.github.io/reference/#auth-request>`__ in the API reference.

    Args:
        key: The request's key.
        service_info_url: The URL of the platform's service info.
        customizations: Members of the service info that replace those of the platform.
        timeout: Seconds, as in `Service`.

    Raises:
        TypeError: the key is not a string.
        ValueError: the key is empty, or `service_info_url` is not a URL.
        AccessRefusedError: the user refused.
        UnknownResourceError: the platform does not know the request, or no longer knows it.
        PryvError: the request is not accepted (yet), or the call failed; see *Errors and retries*.
    """
    with contextlib.ExitStack() as failing:
        service = failing.enter_context(Service(service_info_url, customizations))
        connection = service.connect_from_key(key, timeout=timeout)
        failing.pop_all()
    connection._service_is_own = True
    return connection
