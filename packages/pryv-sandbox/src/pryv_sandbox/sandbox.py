"""The sandbox: a platform, its server, and functions for tests."""

from __future__ import annotations

import os
import secrets
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from pryv_sandbox.consent.auth_requests import AuthRequests
from pryv_sandbox.consent.page import ConsentPage
from pryv_sandbox.faults.faults import Faults
from pryv_sandbox.http.app import create_app
from pryv_sandbox.http.oauth_routes import OAuthRoutes
from pryv_sandbox.http.server_thread import ServerThread
from pryv_sandbox.methods import account, registration, second_factor
from pryv_sandbox.methods.oauth.authorization import Authorization, UnsafeRequestError
from pryv_sandbox.methods.oauth.tokens import Tokens
from pryv_sandbox.model.endpoints import api_endpoint
from pryv_sandbox.model.errors import ApiError
from pryv_sandbox.model.oauth import OAuthError
from pryv_sandbox.sockets.server import Sockets
from pryv_sandbox.state import oauth as oauth_state
from pryv_sandbox.state.oauth import Client
from pryv_sandbox.state.outbox import Mail, TextMessage
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.sessions import open_session
from pryv_sandbox.state.settings import OAuthSettings, Settings

T = TypeVar("T")
Offered = list[dict[str, Any]] | tuple[list[dict[str, Any]], bool] | str


@dataclass(frozen=True)
class Account:
    """An account that was created on the sandbox, with a personal token."""

    username: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    api_endpoint: str = field(repr=False)


class Sandbox:
    """A Pryv.io platform on this machine, with HTTP and Socket.IO on one port.

    It is served inside its context. A sandbox that is started again keeps its port and its data.

    Args:
        host: the address to listen on.
        port: the port to listen on; ``0`` for any that is free.
        data: the file that keeps the data; if ``None``, it is in memory and lives as long as this object.
        visibility_window: upper bound, in seconds, of the random time between the ``modified`` stamp of a write and
            the moment it can be read.
        ping_interval: seconds between the pings of a socket.
        ping_timeout: seconds after which a socket is closed that does not respond to a ping.
        subscriptions: whether sockets have subscriptions; older platforms have none.
        oauth: the lifetimes of OAuth 2's codes and tokens.
        null_characters: whether texts may contain the character U+0000. A platform on PostgreSQL responds to an item
            with this character with status 500.

    Attributes:
        faults: faults that can be simulated.
        sockets: the open Socket.IO connections.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        data: str | os.PathLike[str] | None = None,
        visibility_window: float | None = None,
        ping_interval: float = 25.0,
        ping_timeout: float = 20.0,
        subscriptions: bool = True,
        null_characters: bool = True,
        oauth: OAuthSettings = OAuthSettings(),  # noqa: B008
    ) -> None:
        self._platform = Platform(
            Settings(
                data=None if data is None else os.fspath(data),
                visibility_window=visibility_window,
                subscriptions=subscriptions,
                null_characters=null_characters,
                oauth=oauth,
            )
        )
        self._authorization = Authorization(self._platform)
        weakref.finalize(self, self._platform.close)
        self._host = host
        self._server = ServerThread(self._make_app, host, port)
        self.faults = Faults(self._platform.clock, self._server.refuse)
        self.sockets = Sockets(self._platform, self._server.call, ping_interval, ping_timeout)

    def __repr__(self) -> str:
        return f"<Sandbox {self.url}>"

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start serving; when this returns, the platform accepts requests."""
        self._server.start()

    def stop(self) -> None:
        """Stop serving; open connections are reset."""
        self._server.stop()

    @property
    def url(self) -> str:
        """The URL of the platform."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.port}/"

    @property
    def service_info_url(self) -> str:
        """The URL of the service info."""
        return f"{self.url}reg/service/info"

    def create_account(self, username: str | None = None, password: str | None = None, *, mfa: bool = False) -> Account:
        """Register an account, by default with a random name and password.

        Args:
            username: its name.
            password: its password.
            mfa: whether a login needs a second factor; its code is ``second_factor.CODE``.

        Raises:
            ValueError: the platform refuses the name or the password, or the name is taken.
        """
        username = username or f"user{secrets.token_hex(4)}"
        password = password or secrets.token_hex(8)
        person = {
            "username": username,
            "password": password,
            "email": f"{username}@example.org",
            "appId": "pryv-sandbox",
        }
        try:
            token = self._server.call(self._register(person, mfa))
        except ApiError as error:
            raise ValueError(f"{error.message} {error.data}") from None
        return Account(username, password, token, api_endpoint(self.url, token, username))

    @property
    def mails(self) -> list[Mail]:
        """The mails that a real platform would have sent since this object was made, oldest first."""
        return list(self._platform.outbox.mails)

    @property
    def text_messages(self) -> list[TextMessage]:
        """The text messages with codes of second factors, likewise."""
        return list(self._platform.outbox.text_messages)

    def reset_token(self, username: str) -> str:
        """The token in the last e-mail to reset the user's password.

        Args:
            username: the username.

        Raises:
            LookupError: if the user has not asked, or has used it.
        """
        return self._call(lambda: account.reset_token(self._platform, username))

    # ---- OAuth 2

    def register_oauth_client(
        self,
        client_id: str,
        *,
        redirect_uris: Iterable[str],
        offers: Mapping[str, Offered] | None = None,
        grant_types: Iterable[str] = ("authorization_code", "refresh_token"),
        secret: str | None = None,
        jwks: dict[str, Any] | None = None,
    ) -> None:
        """Register a client, as an operator does.

        Args:
            client_id: its name. With ``client_credentials``, it is the username of the client's own account.
            redirect_uris: the URLs to which codes may be sent.
            offers: the permissions that it may request, by name; the scope is ``cmc:NAME``. An offer is a list of
                permissions, which people accept as a whole; a pair of such a list and ``True``, if people may leave
                out permissions without ``mandatory``; or the ``capabilityUrl`` of a consent request.
            grant_types: the grant types that it may use.
            secret: its secret.
            jwks: its public keys, as a JWK Set (RFC 7517, 5).
        """
        kept = {name: (offer, False) if isinstance(offer, list) else offer for name, offer in (offers or {}).items()}
        keys = jwks["keys"] if jwks else []
        client = Client(client_id, list(redirect_uris), kept, list(grant_types), secret, keys)
        self._call(lambda: oauth_state.save_client(self._platform, client))

    def accept_oauth(self, authorization_url: str, username: str, granted: list[dict[str, Any]] | None = None) -> str:
        """Accept a client's request in the name of a person, without the consent page.

        Args:
            authorization_url: the URL to which the client would send a browser.
            username: the person's username.
            granted: the permissions that the person grants; all that are offered if ``None``.

        Returns:
            The URL to which the browser would be sent back.

        Raises:
            ValueError: the request cannot be accepted.
        """
        return self._call(lambda: self._accept(authorization_url, username, granted))

    def revoke_key(self, thumbprint: str) -> None:
        """Refuse DPoP proofs by a key from now on, as an operator does."""
        self._call(lambda: oauth_state.revoke_key(self._platform, thumbprint))

    def _accept(self, authorization_url: str, username: str, granted: list[dict[str, Any]] | None) -> str:
        issuer = self.url.rstrip("/")
        user = self._platform.users.find(username)
        try:
            asked = dict(parse_qsl(urlsplit(authorization_url).query))
            state = dict(parse_qsl(urlsplit(self._authorization.authorize(asked, issuer)).query))["state"]
            offered = self._authorization.asked(state)["offer"]["permissions"]
            token = open_session(self._platform, user, "pryv-sandbox") if user else "none"
            answer = {"state": state, "username": username, "userToken": token}
            kept = offered if granted is None else granted
            return self._authorization.accept({**answer, "grantedPermissions": kept}, issuer)
        except (OAuthError, UnsafeRequestError) as error:
            raise ValueError(str(error)) from None

    def _call(self, action: Callable[[], T]) -> T:
        """Run an action on the server's loop, on whose thread the state is used."""

        async def run() -> T:
            return action()

        return self._server.call(run())

    async def _register(self, person: dict[str, str], mfa: bool) -> str:
        user, token = await registration.register(self._platform, person)
        if mfa:
            second_factor.require(self._platform, user)
        return token

    def _make_app(self) -> web.Application:
        app = create_app(self._platform, self.faults.middleware)
        auth_requests = AuthRequests(self._platform)
        app.add_routes(auth_requests.routes())
        app.add_routes(OAuthRoutes(self._authorization, Tokens(self._platform)).routes())
        app.add_routes(ConsentPage(auth_requests, self._authorization, self._platform.settings.name).routes())
        self.sockets.attach(app)
        return app
