"""The platform: what it is, its accounts, and how one gets access to them."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import requests

from pryv._access_requests import AccessRequest, accepted_endpoint, poll, start
from pryv._arguments import http_url
from pryv._assets import ServiceAssets, fetch_assets
from pryv._login import login, mfa_challenge, mfa_verify
from pryv._registration import (
    available_hostings,
    create_user,
    flat_hostings,
    request_password_reset,
    reset_password,
    user_exists,
    user_id_for_email,
)
from pryv._service_info import DescribedPlatform, ServiceInfo, endpoint_of
from pryv._transport.http import Http
from pryv._transport.limits import Limits
from pryv._transport.platform import Platform
from pryv._transport.retry import RetryPolicy
from pryv._transport.timeouts import DEFAULT, DEFAULT_TIMEOUT, CallTimeout, Default, Timeout
from pryv.connection import Connection
from pryv.errors import PryvProtocolError
from pryv.types import AuthRequest, Hosting, UserCreated


class Service:
    """A Pryv.io platform.

    It may be used from several threads, survives a fork, can be pickled, and is a context manager.

    Args:
        service_info_url: Where the platform describes itself, such as `https://reg.pryv.me/service/info`.
        customizations: Members of the service info to put in place of the platform's; without a URL, all of it.
        timeout: Seconds to wait for a connection, and for each step on it (a block sent, the head of a response, a
            piece of its body), one number for both or a pair; `None` is no limit.
        retry: How calls that are safe to repeat are repeated; `None` turns it off.
        session: A session to send every request with, used as given; neither changed nor closed.
        limits: How large a response may be, and how slow; for its connections too.

    Raises:
        TypeError: an argument is of another type.
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
        self._platform = DescribedPlatform(calls, url, dict(customizations or {}))
        self._assets: ServiceAssets | None = None

    def __repr__(self) -> str:
        return f"<Service {self._platform.url or self._platform.customizations.get('name')}>"

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

        See the API's *Service info*.

        Args:
            force_fetch: Whether to fetch it again; otherwise it is fetched once.
            timeout: In place of the service's.

        Raises:
            ValueError: there is no URL to fetch it from, and the customizations are not all of it.
            PryvProtocolError: what came is not a service info, or came over https and names a place with http.
            PryvError: it cannot be fetched.
        """
        return self._platform.info(timeout, force_fetch=force_fetch)

    def info_sync(self) -> ServiceInfo | None:
        """Return the service info if it is known already, without a request."""
        return self._platform.known.info

    def set_service_info(self, service_info: Mapping[str, Any]) -> None:
        """Take a service info from elsewhere, in place of fetching it.

        See the API's *Service info*.

        Args:
            service_info: All that it says, by the wire's keys.

        Raises:
            TypeError: it is not a dict.
            ValueError: it lacks its name or one of the URLs every platform has.
        """
        self._platform.set_info(service_info)

    def supports_hf(self, *, timeout: CallTimeout = DEFAULT) -> bool:
        """Tell whether the platform keeps high-frequency series.

        See the API's *Service info*.

        Args:
            timeout: In place of the service's.

        Raises:
            PryvError: there is no service info.
        """
        return self.info(timeout=timeout).features.get("noHF") is not True

    def supports_content_queries(self, *, timeout: CallTimeout = DEFAULT) -> bool:
        """Tell whether `events.get` takes conditions on `content` and `clientData`.

        See the API's *Service info*.

        Args:
            timeout: In place of the service's.

        Raises:
            PryvError: there is no service info.
        """
        return self.info(timeout=timeout).features.get("contentQueries") is True

    def is_dns_less(self, *, timeout: CallTimeout = DEFAULT) -> bool:
        """Tell whether usernames are part of the path of API endpoints, not of their host name.

        See the API's *Service info*.

        Args:
            timeout: In place of the service's.

        Raises:
            PryvError: there is no service info.
        """
        return "{username}" not in urlsplit(self.info(timeout=timeout).api).netloc

    def assets(self, force_fetch: bool = False, *, timeout: CallTimeout = DEFAULT) -> ServiceAssets | None:
        """Return the platform's assets, or `None` if it has none.

        See the API's *Service info* (`assets`).

        Args:
            force_fetch: Whether to fetch them again, with the service info; otherwise they are fetched once.
            timeout: In place of the service's, for each request.

        Raises:
            PryvError: they, or the service info, cannot be fetched.
        """
        if self._assets is None or force_fetch:
            self._assets = fetch_assets(self._platform, force_fetch, timeout)
        return self._assets

    def api_endpoint_for(self, username: str, token: str | None = None, *, timeout: CallTimeout = DEFAULT) -> str:
        """Return the API endpoint of a user's account, with the token in it if one is given.

        See the API's *API endpoint*.

        Args:
            username: The user's name.
            token: An access token; what is returned is a secret then.
            timeout: In place of the service's.

        Raises:
            TypeError: the username is not a string.
            ValueError: the username cannot be one, or the token cannot be part of an endpoint.
            PryvError: there is no service info.
        """
        return self._platform.endpoint_of(username, timeout, token)

    @staticmethod
    def build_api_endpoint(service_info: Mapping[str, Any], username: str, token: str | None = None) -> str:
        """Return the API endpoint of a user's account by a service info; see `api_endpoint_for`.

        Args:
            service_info: A `ServiceInfo`, or a dict by the wire's keys.
            username: The user's name.
            token: An access token; what is returned is a secret then.

        Raises:
            TypeError: the service info is not a dict, or the username not a string.
            ValueError: the service info has no `api`, the username cannot be one, or the token cannot be part of an
                endpoint.
        """
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

        See the API's *Login user*.

        Args:
            username: The user's name.
            password: The user's password.
            app_id: The app's id, 6 characters at least.
            origin: The `Origin` the platform trusts; by default that of its register.
            timeout: In place of the service's.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty, or `origin` is not one.
            InvalidCredentialsError: username and password do not match, or the app or origin is not trusted.
            MfaRequiredError: a second factor is needed; go on with `mfa_verify`.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._connection(login(self._platform, username, password, app_id, origin, timeout))

    def mfa_challenge(self, username: str, mfa_token: str, *, timeout: CallTimeout = DEFAULT) -> None:
        """Ask the platform to send the second factor's code again.

        See the API's *Trigger MFA challenge*.

        Args:
            username: The user's name.
            mfa_token: That of the `MfaRequiredError` which `login` raised.
            timeout: In place of the service's.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty, or `mfa_token` cannot be a token.
            PryvError: the call failed; see *Errors and retries*.
        """
        mfa_challenge(self._platform, username, mfa_token, timeout)

    def mfa_verify(self, username: str, mfa_token: str, code: str, *, timeout: CallTimeout = DEFAULT) -> Connection:
        """Finish a login with the second factor's code, and return the connection.

        See the API's *Verify MFA challenge*.

        Args:
            username: The user's name.
            mfa_token: That of the `MfaRequiredError` which `login` raised.
            code: What the user received.
            timeout: In place of the service's.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty, or `mfa_token` cannot be a token.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._connection(mfa_verify(self._platform, username, mfa_token, code, timeout))

    def user_exists(self, username: str, *, timeout: CallTimeout = DEFAULT) -> bool:
        """Tell whether a username is taken.

        See the system API's *Get core*.

        Args:
            username: The name.
            timeout: In place of the service's.

        Raises:
            TypeError: the username is not a string.
            ValueError: the username is empty.
            PryvError: the call failed; see *Errors and retries*.
        """
        return user_exists(self._platform, username, timeout)

    def user_id_for_email(self, email: str, *, timeout: CallTimeout = DEFAULT) -> str | None:
        """Return the username that an e-mail address belongs to, `None` if it belongs to none.

        See the system API's *Get username from email*.

        Args:
            email: The address.
            timeout: In place of the service's.

        Raises:
            TypeError: the address is not a string.
            ValueError: the address is empty.
            PryvError: the call failed; see *Errors and retries*.
        """
        return user_id_for_email(self._platform, email, timeout)

    def available_hostings(self, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """Return the places accounts can be hosted at, as the tree of regions, zones and hostings.

        See the system API's *Get hostings*.

        Args:
            timeout: In place of the service's.

        Raises:
            PryvError: the call failed; see *Errors and retries*.
        """
        return available_hostings(self._platform, timeout)

    def flat_hostings(self, *, timeout: CallTimeout = DEFAULT) -> list[Hosting]:
        """Return the places accounts can be hosted at, as a list.

        See the system API's *Get hostings*.

        Args:
            timeout: In place of the service's.

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

        See the system API's *Create user*; platforms older than 1.6 are spoken to in their own form.

        Args:
            username: 5 to 60 characters of a-z 0-9 -.
            password: The user's password.
            email: The user's e-mail address, no other account's.
            app_id: The app's id, 6 characters at least.
            hosting: Where the account is to be; `auto` takes the first that is available.
            language: The user's language, a two-letter code.
            invitation_token: What a platform that is not open to everyone asks for.
            referer: What led the user here.
            timeout: In place of the service's.

        Returns:
            The `username` and `apiEndpoint` of the account; the latter without a token where the platform gave none.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty.
            ItemAlreadyExistsError: the username or the e-mail address is taken.
            InvalidParametersError: the platform does not accept one of them.
            PryvError: the call failed; see *Errors and retries*.
        """
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
        """Have the platform send the user an e-mail with a reset token. For trusted apps only.

        Args:
            username: The user's name.
            app_id: The app's id, 6 characters at least.
            timeout: In place of the service's.

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

        Args:
            username: The user's name.
            new_password: The user's password from now on.
            reset_token: What the e-mail holds.
            app_id: The app's id, 6 characters at least.
            timeout: In place of the service's.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty.
            PryvError: the call failed; see *Errors and retries*.
        """
        reset_password(self._platform, username, new_password, reset_token, app_id, timeout)

    def start_access_request(
        self, auth_request: AuthRequest | Mapping[str, Any], *, timeout: CallTimeout = DEFAULT
    ) -> AccessRequest:
        """Ask for access to an account, whose user is to answer on the page `auth_url`.

        See the API's *Auth request*.

        Args:
            auth_request: `requestingAppId`, `requestedPermissions` and further members as the API takes them.
            timeout: In place of the service's.

        Raises:
            TypeError: `auth_request` is not a dict.
            ValueError: it names no app or no permissions.
            PryvError: the call failed; see *Errors and retries*.
        """
        return start(self._platform, auth_request, timeout)

    def poll_access_request(self, key_or_url: str, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """Ask once how an access request stands.

        See the API's *Poll request*.

        Args:
            key_or_url: The request's `key`, or better its `poll` URL.
            timeout: In place of the service's.

        Returns:
            The response; its `status` is `NEED_SIGNIN`, `ACCEPTED` (then it has `apiEndpoint`), `REFUSED` or `ERROR`.
            Where the platform says `REDIRECTED`, it is that of the place it names.

        Raises:
            TypeError: the argument is not a string.
            ValueError: the argument is empty.
            UnknownResourceError: the platform does not know the request, or has forgotten it.
            PryvError: the call failed; see *Errors and retries*.
        """
        return poll(self._platform, key_or_url, timeout)

    def connect_from_key(self, key: str, *, timeout: CallTimeout = DEFAULT) -> Connection:
        """Return the connection that an accepted access request leads to.

        See the API's *Poll request*.

        Args:
            key: The request's key.
            timeout: In place of the service's; the connection has the service's own.

        Raises:
            TypeError: the key is not a string.
            ValueError: the key is empty.
            AccessRefusedError: the user refused.
            UnknownResourceError: the platform does not know the request, or has forgotten it.
            PryvError: the request is not accepted (yet), or the call failed; see *Errors and retries*.
        """
        return self._connection(accepted_endpoint(self._platform, key, timeout))

    def _connection(self, api_endpoint: Any) -> Connection:
        """Return the connection that the answer to an access request leads to."""
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
        raise PryvProtocolError("GET access request: the response has no proper apiEndpoint")


def connect_from_key(
    key: str,
    service_info_url: str,
    customizations: Mapping[str, Any] | None = None,
    *,
    timeout: CallTimeout = DEFAULT,
) -> Connection:
    """Return the connection that an accepted access request leads to; see `Service.connect_from_key`.

    Args:
        key: The request's key.
        service_info_url: The platform.
        customizations: Members of the service info to put in place of the platform's.
        timeout: Seconds, as `Service` takes them.

    Raises:
        TypeError: the key is not a string.
        ValueError: the key is empty, or `service_info_url` is not a URL.
        AccessRefusedError: the user refused.
        UnknownResourceError: the platform does not know the request, or has forgotten it.
        PryvError: the request is not accepted (yet), or the call failed; see *Errors and retries*.
    """
    with contextlib.ExitStack() as failing:
        service = failing.enter_context(Service(service_info_url, customizations))
        connection = service.connect_from_key(key, timeout=timeout)
        failing.pop_all()
    connection._service_is_own = True
    return connection
