"""The platform: what it is, its accounts, and how one gets access to them."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import requests

from pryv._access_requests import AccessRequest, poll, start, told
from pryv._assets import ServiceAssets
from pryv._service_info import URLS, ServiceInfo
from pryv._spelling import domain, web_url
from pryv._transport import json
from pryv._transport.account import Account
from pryv._transport.answers import member, result_of
from pryv._transport.http import Answer, Http
from pryv._transport.limits import Limits
from pryv._transport.platform import Platform
from pryv._transport.retry import RetryPolicy
from pryv._transport.timeouts import DEFAULT, DEFAULT_TIMEOUT, CallTimeout, Default, Timeout
from pryv._transport.urls import host_of, is_in_domain, is_no_less_secure, named, path_segment
from pryv.connection import Connection
from pryv.errors import (
    AccessRefusedError,
    MfaRequiredError,
    PryvError,
    PryvProtocolError,
    UnknownResourceError,
)
from pryv.types import AuthRequest, Hosting, UserCreated
from pryv.utils import build_api_endpoint, extract_token_and_api_endpoint

_USERNAME = re.compile(r"[A-Za-z0-9_-]+")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_FIRST_CAMEL_CASE_REGISTER = (1, 6)
_INFO = "GET service/info"
_POLL = "GET access request"


class Service:
    """A Pryv.io platform.

    It may be used from several threads, survives a fork, can be pickled, and is a context manager.

    Args:
        service_info_url: Where the platform describes itself, such as `https://reg.pryv.me/service/info`.
        customizations: Members of the service info to put in place of the platform's; without a URL, all of it.
        timeout: Seconds to wait for a connection, and for each step on it (a block sent, the head of an answer, a
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
        self._url = None if service_info_url is None else _http_url(service_info_url, "service_info_url")
        self._customizations = dict(customizations or {})
        self._platform = Platform(Http(retry, session, limits), timeout)
        self._info: ServiceInfo | None = None
        self._info_url: str | None = None
        self._assets: ServiceAssets | None = None

    def __repr__(self) -> str:
        return f"<Service {self._url or self._customizations.get('name')}>"

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
        self._platform.http.close()

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
        if self._info is None or force_fetch:
            self._info = self._given_info() if self._url is None else self._fetched_info(self._url, timeout)
        return self._info

    def _given_info(self) -> ServiceInfo:
        try:
            return ServiceInfo.from_wire(self._customizations)
        except ValueError as error:
            raise ValueError(f"there is no service_info_url, and the customizations are {error}") from None

    def _fetched_info(self, url: str, timeout: CallTimeout) -> ServiceInfo:
        wire, self._info_url = self._platform.get(url, _INFO, timeout)
        try:
            info = ServiceInfo.from_wire({**wire, **self._customizations})
        except ValueError as error:
            raise PryvProtocolError(f"{_INFO}: {error}") from None
        for key in set(URLS) - self._customizations.keys():
            if named(self._info_url, info[key].replace("{username}", "username")) is None:
                where = host_of(self._info_url)
                raise PryvProtocolError(f"{_INFO}: its {key} is no http(s) URL, or less secure than {where}")
        return info

    def info_sync(self) -> ServiceInfo | None:
        """Return the service info if it is known already, without a request."""
        return self._info

    def set_service_info(self, service_info: Mapping[str, Any]) -> None:
        """Take a service info from elsewhere, in place of fetching it.

        See the API's *Service info*.

        Args:
            service_info: All that it says, by the wire's keys.

        Raises:
            TypeError: it is not a dict.
            ValueError: it lacks its name or one of the URLs every platform has.
        """
        if not isinstance(service_info, Mapping):
            raise TypeError(f"a service info is a dict, not {type(service_info).__name__}")
        self._info, self._info_url = ServiceInfo.from_wire(service_info), None

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
            url = self.info(force_fetch, timeout=timeout).assets.get("definitions")
            if not isinstance(url, str):
                return None
            given = self._info_url is None or "assets" in self._customizations
            place = named("http:" if given else str(self._info_url), url)
            if place is None:
                raise PryvProtocolError(
                    f"{_INFO}: its assets are at no http(s) URL, or at one less secure than its own"
                )
            self._assets = ServiceAssets(*self._platform.get(place, "GET assets", timeout), self._platform)
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
        return self.build_api_endpoint(self.info(timeout=timeout), username, token)

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
        if not isinstance(service_info, Mapping):
            raise TypeError(f"a service info is a dict, not {type(service_info).__name__}")
        if not isinstance(username, str):
            raise TypeError(f"a username is a string, not {type(username).__name__}")
        if not _USERNAME.fullmatch(username):
            raise ValueError(f"not a username: {username!r}")
        template = service_info.get("api")
        if not isinstance(template, str):
            raise ValueError("the service info has no api, the template of API endpoints")
        return build_api_endpoint(template.replace("{username}", username), token)

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
            PryvError: there is no proper answer.
        """
        _require(username=username, password=password, app_id=app_id)
        if origin is not None:
            origin = _http_url(origin, "origin")
        data = {"username": username, "password": password, "appId": app_id}
        answer = self._send_trusted(username, "auth/login", data, origin, timeout)
        body = json.decode(answer.body, "auth.login") if answer.status == 302 else None
        if body is None:
            body = result_of(answer, "auth.login", sent=data)
        mfa_token = body.get("mfaToken") if isinstance(body, Mapping) else None
        if isinstance(mfa_token, str) and _TOKEN.fullmatch(mfa_token):
            raise MfaRequiredError(
                "a second factor is needed", mfa_token=mfa_token, status=answer.status, method="auth.login"
            )
        return self._logged_in(username, body, "auth.login")

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
            PryvError: the platform refused, or there is no proper answer.
        """
        _require(username=username, mfa_token=mfa_token)
        self._post_mfa(username, "challenge", mfa_token, {}, timeout)

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
            PryvError: the platform refused, or there is no proper answer.
        """
        _require(username=username, mfa_token=mfa_token, code=code)
        body = self._post_mfa(username, "verify", mfa_token, {"code": code}, timeout)
        return self._logged_in(username, body, "mfa.verify")

    def user_exists(self, username: str, *, timeout: CallTimeout = DEFAULT) -> bool:
        """Tell whether a username is taken.

        See the system API's *Get core*.

        Args:
            username: The name.
            timeout: In place of the service's.

        Raises:
            TypeError: the username is not a string.
            ValueError: the username is empty.
            PryvError: there is no proper answer.
        """
        _require(username=username)
        url = f"{self.info(timeout=timeout).register}{path_segment(username)}/server"
        try:
            self._platform.post(url, {}, "POST reg/…/server", timeout)
        except UnknownResourceError:
            return False
        return True

    def user_id_for_email(self, email: str, *, timeout: CallTimeout = DEFAULT) -> str | None:
        """Return the username that an e-mail address belongs to, `None` if it belongs to none.

        See the system API's *Get username from email*.

        Args:
            email: The address.
            timeout: In place of the service's.

        Raises:
            TypeError: the address is not a string.
            ValueError: the address is empty.
            PryvError: there is no proper answer.
        """
        _require(email=email)
        path, label = f"{path_segment(email)}/uid", "GET reg/…/uid"
        answer, place = self._platform.follow(self.info(timeout=timeout).register + path, label, timeout)
        body = json.decode(answer.body, label) if answer.status == 307 else None
        home = named(place, body.get("server")) if isinstance(body, Mapping) else None
        if home is not None:
            answer, _ = self._platform.follow(f"{home.rstrip('/')}/reg/{path}", label, timeout)
        try:
            body = result_of(answer, label)
        except UnknownResourceError:
            return None
        return member(body, "uid" if body.get("uid") else "username", str, label)

    def available_hostings(self, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """Return the places accounts can be hosted at, as the tree of regions, zones and hostings.

        See the system API's *Get hostings*.

        Args:
            timeout: In place of the service's.

        Raises:
            PryvError: there is no proper answer.
        """
        return self._platform.get(self.info(timeout=timeout).register + "hostings", "GET reg/hostings", timeout)[0]

    def flat_hostings(self, *, timeout: CallTimeout = DEFAULT) -> list[Hosting]:
        """Return the places accounts can be hosted at, as a list.

        See the system API's *Get hostings*.

        Args:
            timeout: In place of the service's.

        Raises:
            PryvError: there is no proper answer.
        """
        tree = self.available_hostings(timeout=timeout)
        with contextlib.suppress(AttributeError):
            return [
                Hosting(
                    key=key,
                    name=hosting.get("name"),
                    description=hosting.get("description"),
                    region=region_key,
                    zone=zone_key,
                    availableCore=hosting.get("availableCore"),
                    available=hosting.get("available") is True,
                )
                for region_key, region in tree.get("regions", {}).items()
                for zone_key, zone in region.get("zones", {}).items()
                for key, hosting in zone.get("hostings", {}).items()
            ]
        raise PryvProtocolError("GET reg/hostings: the answer is no tree of hostings")

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
            PryvError: there is no proper answer.
        """
        _require(username=username, password=password, email=email, app_id=app_id, hosting=hosting)
        if hosting == "auto":
            hosting = self._first_hosting(timeout)
        info = self.info(timeout=timeout)
        data = {"username": username, "password": password, "email": email, "hosting": hosting}
        if _has_camel_case_register(info.version):
            path = "users"
            data |= {"appId": app_id, "language": language, "invitationToken": invitation_token}
        else:
            path = "user"
            data |= {"appid": app_id, "languageCode": language, "invitationtoken": invitation_token}
        if referer is not None:
            data["referer"] = referer
        body = self._platform.post(info.register + path, data, f"POST reg/{path}", timeout)
        endpoint = _endpoint_named(info.register, body.get("apiEndpoint")) or self.build_api_endpoint(info, username)
        name = member({"username": username, **body}, "username", str, f"POST reg/{path}")
        return UserCreated(username=name, apiEndpoint=endpoint)

    def request_password_reset(self, username: str, app_id: str, *, timeout: CallTimeout = DEFAULT) -> None:
        """Have the platform send the user an e-mail with a reset token. For trusted apps only.

        Args:
            username: The user's name.
            app_id: The app's id, 6 characters at least.
            timeout: In place of the service's.

        Raises:
            TypeError: an argument is not a string.
            ValueError: an argument is empty.
            PryvError: the platform refused, or there is no proper answer.
        """
        _require(username=username, app_id=app_id)
        data = {"appId": app_id, "username": username}
        answer = self._send_trusted(username, "account/request-password-reset", data, None, timeout)
        result_of(answer, "account.requestPasswordReset")

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
            PryvError: the platform refused, or there is no proper answer.
        """
        _require(username=username, new_password=new_password, reset_token=reset_token, app_id=app_id)
        data = {"username": username, "newPassword": new_password, "resetToken": reset_token, "appId": app_id}
        answer = self._send_trusted(username, "account/reset-password", data, None, timeout)
        result_of(answer, "account.resetPassword", sent=data)

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
            PryvError: the platform refused, or there is no proper answer.
        """
        if not isinstance(auth_request, Mapping):
            raise TypeError(f"an auth request is a dict, not {type(auth_request).__name__}")
        if not auth_request.get("requestingAppId") or not isinstance(auth_request.get("requestedPermissions"), list):
            raise ValueError("an auth request has a requestingAppId and a list of requestedPermissions")
        return start(self._platform, self.info(timeout=timeout).access, auth_request, timeout)

    def poll_access_request(self, key_or_url: str, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """Ask once how an access request stands.

        See the API's *Poll request*.

        Args:
            key_or_url: The request's `key`, or better its `poll` URL.
            timeout: In place of the service's.

        Returns:
            The answer; its `status` is `NEED_SIGNIN`, `ACCEPTED` (then it has `apiEndpoint`), `REFUSED` or `ERROR`.
            Where the platform says `REDIRECTED`, it is that of the place it names.

        Raises:
            TypeError: the argument is not a string.
            ValueError: the argument is empty.
            UnknownResourceError: the platform does not know the request, or has forgotten it.
            PryvError: there is no proper answer.
        """
        _require(key_or_url=key_or_url)
        is_url = key_or_url.startswith(("http://", "https://"))
        url = key_or_url if is_url else self.info(timeout=timeout).access + path_segment(key_or_url)
        body, url = poll(self._platform, url, timeout)
        if body.get("status") == "ACCEPTED" and not body.keys().isdisjoint(("apiEndpoint", "token")):
            body["apiEndpoint"] = self._accepted_endpoint(body, url, timeout)
        return body

    def _accepted_endpoint(self, body: Mapping[str, Any], url: str, timeout: CallTimeout) -> str:
        """Return the API endpoint that an accepted access request leads to.

        Whoever knows the key of a request can answer it. So an endpoint outside of the platform's domain is not used:
        nothing at it can be trusted to say whose account it is. The account is found by the platform's own template
        then, and the platform says which core it is on.
        """
        info = self.info(timeout=timeout)
        endpoint, home = body.get("apiEndpoint"), domain(info.api)
        if endpoint is not None:
            place = _endpoint_named(url, endpoint)
            if place is None:
                raise PryvProtocolError(f"{_POLL}: its apiEndpoint is none, or less secure than {host_of(url)}")
            if is_in_domain(place, home):
                return place
        try:
            return self.build_api_endpoint(info, body["username"], body["token"])
        except (KeyError, TypeError, ValueError):
            where = f"its apiEndpoint is outside of {home}; " if endpoint is not None else ""
            raise PryvProtocolError(f"{_POLL}: {where}it has no proper username or token") from None

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
            PryvError: the request is not accepted (yet), or there is no proper answer.
        """
        _require(key=key)
        body = self.poll_access_request(key, timeout=timeout)
        status = body.get("status")
        if status == "REFUSED":
            raise AccessRefusedError("the user refused the access request")
        if status != "ACCEPTED":
            raise PryvError(f"the access request is not accepted; its status is {told(body, 'status', key)}")
        return self._connection(body.get("apiEndpoint"))

    def _connection(self, api_endpoint: Any) -> Connection:
        """Return the connection that the answer to an access request leads to."""
        http, timeout = self._platform.http, self._platform.timeout
        with contextlib.suppress(TypeError, ValueError):
            return Connection(
                api_endpoint,
                self,
                timeout=timeout,
                retry=http.retry,
                session=http.sessions.given,
                limits=http.limits,
            )
        raise PryvProtocolError("GET access request: the answer has no proper apiEndpoint")

    def _logged_in(self, username: str, body: Any, label: str) -> Connection:
        token = body.get("token") if isinstance(body, Mapping) else None
        if isinstance(token, str):
            with contextlib.suppress(ValueError):
                return self._connection(self.api_endpoint_for(username, token))
        raise PryvProtocolError(f"{label}: the answer has no token")

    def _first_hosting(self, timeout: CallTimeout) -> str:
        for hosting in self.flat_hostings(timeout=timeout):
            if hosting["available"]:
                return hosting["key"]
        raise PryvError("no hosting is available for a new account")

    def _send_trusted(
        self,
        username: str,
        path: str,
        data: dict[str, Any],
        origin: str | None,
        timeout: CallTimeout,
    ) -> Answer:
        """Send what only trusted apps may, which the platform knows by their `Origin`."""
        headers = {"Origin": _origin_of(self.info(timeout=timeout).register) if origin is None else origin}
        return self._send_to_account(username, path, data, timeout, headers=headers)

    def _post_mfa(
        self, username: str, step: str, mfa_token: str, data: dict[str, Any], timeout: CallTimeout
    ) -> dict[str, Any]:
        if not _TOKEN.fullmatch(mfa_token):
            raise ValueError("mfa_token is not a token")
        answer = self._send_to_account(username, f"mfa/{step}", data, timeout, token=mfa_token)
        return result_of(answer, f"mfa.{step}", mfa_token, *data.values(), sent=data)

    def _send_to_account(
        self,
        username: str,
        path: str,
        data: dict[str, Any],
        timeout: CallTimeout,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        endpoint = self.api_endpoint_for(username, timeout=timeout)
        account = Account(self._platform.http, endpoint, token, self._platform.timeout)
        headers = {**json.HEADERS, **(headers or {})}
        return account.send("POST", path, headers=headers, body=json.encode(data), timeout=timeout)


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
        PryvError: the request is not accepted (yet), or there is no proper answer.
    """
    with contextlib.ExitStack() as failing:
        service = failing.enter_context(Service(service_info_url, customizations))
        connection = service.connect_from_key(key, timeout=timeout)
        failing.pop_all()
    connection._service_is_own = True
    return connection


def _require(**arguments: Any) -> None:
    for name, value in arguments.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} is a string, not {type(value).__name__}")
        if not value:
            raise ValueError(f"{name} is empty")


def _http_url(url: Any, name: str) -> str:
    if not isinstance(url, str):
        raise TypeError(f"{name} is a string, not {type(url).__name__}")
    try:
        return web_url(url)
    except ValueError:
        raise ValueError(f"{name} is not a URL: expected http(s)://host/path, without credentials") from None


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _has_camel_case_register(version: object) -> bool:
    match = re.match(r"(\d+)\.(\d+)", str(version))
    return match is None or (int(match[1]), int(match[2])) >= _FIRST_CAMEL_CASE_REGISTER


def _endpoint_named(url: str, endpoint: Any) -> str | None:
    """Return the API endpoint that an answer of `url` names; `None` where it is none, or less secure."""
    try:
        token, place = extract_token_and_api_endpoint(endpoint)
    except (TypeError, ValueError):
        return None
    return build_api_endpoint(place, token) if is_no_less_secure(url, place) else None
