"""A client of an authorization server: from a person's consent to connections that renew their tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import attrs
import requests

from pryv._arguments import require, require_callback, require_methods, require_seconds
from pryv._display import safe_repr
from pryv._transport.http import Http
from pryv._transport.retry import RetryPolicy
from pryv._transport.timeouts import DEFAULT, DEFAULT_TIMEOUT, CallTimeout, Timeout, checked_timeout, limit_of
from pryv.auth._browser import PageInBrowser
from pryv.auth._waiting import WAIT, check_wait
from pryv.connection import Connection
from pryv.errors import ForbiddenError, InvalidAccessTokenError, OAuthError, PryvError
from pryv.oauth._authentication import PrivateKey, authentication_of
from pryv.oauth._authorization import (
    AuthorizationRequest,
    callback_params,
    code_of,
    has_state,
    is_answer,
    new_request,
)
from pryv.oauth._credentials import RenewedCredentials, endpoint_of
from pryv.oauth._dpop import DPoPKey
from pryv.oauth._es256 import require_cryptography
from pryv.oauth._loopback import Loopback, print_url
from pryv.oauth._metadata import AuthorizationServer
from pryv.oauth._server import ServerClient
from pryv.oauth._signed import SignedConnection
from pryv.oauth._sources import ClientTokens, Lifetimes, StoredTokens, TokenSource
from pryv.oauth._stores import MemoryTokenStore, TokenStore
from pryv.oauth._tokens import OAuthTokens
from pryv.oauth._urls import checked_redirect_uri, issuer_of
from pryv.utils import build_api_endpoint

_log = logging.getLogger("pryv.oauth")

_SHORTEST_LEEWAY = 1
"""Seconds: HTTP dates, which the platform's time is known by, are rounded to seconds."""

_REMEMBERED = 1000
"""How many requests are remembered that a browser came back from."""


class OAuthClient:
    """A client that is registered at an authorization server, and one person's session.

    Its connections renew the tokens themselves: before a request if they expire soon, and once after the platform has
    refused them. The tokens are in a store; several threads and processes may use one store, and one of them refreshes
    the tokens. A client and its connections can be pickled if the store can.

    Args:
        authorization_server: The URL of the server, its issuer. Only the server on this machine may have an http URL.
        client_id: The id that the client is registered with.
        scope: What a person is asked for: `cmc:NAME`, the name of one of the client's offers.
        redirect_uri: The URL that the browser comes back to, as it is registered. At `http://127.0.0.1` or
            `http://[::1]`, any port may be used.
        client_secret: The client's secret, if it has one.
        private_key: The client's private key on the curve P-256, if it has one: the text of a PEM file, or a JWK (a
            dict). Needs `pip install "pryv[dpop]"`.
        key_id: The `kid` of its public key at the server, if there are several.
        dpop: Whether the tokens of a new session are bound to a new key (DPoP), which is stored with them. A server
            that does not support it gives plain tokens; the log has a warning. Needs `pip install "pryv[dpop]"`.
        store: Keeps the tokens of the session; by default the memory of this process.
        leeway: Seconds before their expiry at which tokens are renewed, at least 1.
        timeout: The time limits of its requests and connections, as in `pryv.Connection`.
        retry: How idempotent calls are retried; `None` turns it off. Requests for tokens are never sent twice.
        session: A session that sends every request, as in `pryv.Connection`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `authorization_server` is not an https URL, `redirect_uri` is not usable, or another argument is
            empty or out of range.
        MissingAddonError: `private_key` or `dpop` is given, and the extra is not installed.
    """

    def __init__(
        self,
        authorization_server: str,
        client_id: str,
        *,
        scope: str | None = None,
        redirect_uri: str = "http://127.0.0.1/callback",
        client_secret: str | None = None,
        private_key: PrivateKey | None = None,
        key_id: str | None = None,
        dpop: bool = False,
        store: TokenStore | None = None,
        leeway: float = 60,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008  (frozen)
        session: requests.Session | None = None,
    ) -> None:
        try:
            authentication = authentication_of(client_id, client_secret, private_key, key_id)
        finally:
            del client_secret, private_key  # or a traceback would hold them
        if scope is not None:
            require(scope=scope)
        if dpop:
            require_cryptography()
        self._redirect_uri = checked_redirect_uri(redirect_uri)
        self._scope = scope
        self._store = MemoryTokenStore() if store is None else _checked_store(store)
        self._timeout = checked_timeout(timeout)
        self._options: dict[str, Any] = {"retry": retry, "session": session}
        self._dpop = dpop
        issuer = issuer_of(authorization_server)
        self._server = ServerClient(Http(retry, session), self._timeout, issuer, authentication)
        leeway = require_seconds(leeway, "leeway", endless=True)
        self._lifetimes = Lifetimes(self._server, max(leeway, _SHORTEST_LEEWAY))
        self._stored = StoredTokens(self._server, self._store, self._lifetimes)
        self._own: ClientTokens | None = None
        self._answered: dict[str, object] = {}

    @safe_repr
    def __repr__(self) -> str:
        return f"<OAuthClient {self._server.authentication.client_id} of {self._server.issuer}>"

    def metadata(self, force_fetch: bool = False) -> AuthorizationServer:
        """Return the server's metadata, which are fetched once.

        Args:
            force_fetch: Whether to fetch them again.

        Raises:
            PryvConnectionError: there is no complete response.
            PryvProtocolError: the response is not the metadata of this server, or names a URL that is not secure.
            PryvError: the request failed; see *Errors and retries*.
        """
        return self._server.metadata(force_fetch=force_fetch)

    def authorization_request(
        self, *, redirect_uri: str | None = None, state: str | None = None
    ) -> AuthorizationRequest:
        """Return a new request to a person, for a browser; this sends nothing but the request for the metadata.

        Args:
            redirect_uri: Replaces that of the client.
            state: The value that comes back with the browser; by default a random one.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: `redirect_uri` is not usable, or `state` is empty.
            PryvError: the metadata could not be fetched; see *Errors and retries*.
        """
        target = self._redirect_uri if redirect_uri is None else checked_redirect_uri(redirect_uri)
        if state is not None:
            require(state=state)
        return new_request(self.metadata(), self._server.authentication.client_id, target, self._scope, state)

    def handle_callback(self, url_or_query: str, request: AuthorizationRequest) -> Connection:
        """Return the connection to the account of the person whose browser has come back; the tokens are stored.

        Args:
            url_or_query: The URL that the browser came back to, or its query.
            request: The request that the browser was sent with. It is answered once.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: the request was answered before.
            AccessRefusedError: the person refused.
            OAuthError: the browser does not come from this request, the server sent an error, or the tokens could not
                be saved: then the error has them.
            PryvError: the tokens could not be requested; see *Errors and retries*.
        """
        if not isinstance(request, AuthorizationRequest):
            raise TypeError(f"request is an AuthorizationRequest, not {type(request).__name__}")
        try:
            params = callback_params(url_or_query)
        finally:
            del url_or_query  # or a traceback would hold the code
        if request.code_verifier in self._answered:
            raise _answered_before()
        if not has_state(params, request):
            raise OAuthError("invalid-callback", "state is not that of the authorization request")
        server = self.metadata()
        try:
            code = code_of(params, request, server)
        except PryvError:
            self._claim(request)
            raise
        grant = {
            "redirect_uri": request.redirect_uri,
            "code": code,
            "code_verifier": request.code_verifier,
            "grant_type": "authorization_code",
        }
        key = DPoPKey.generate() if self._dpop else None
        self._stored.check_store()
        tokens = self._server.tokens(grant, key=key, before_sending=lambda: self._claim(request))
        if self._dpop and not tokens.is_bound:
            _log.warning("the authorization server does not support DPoP: the tokens are not bound to a key")
            tokens = attrs.evolve(tokens, key=None)
        self._stored.keep(tokens)
        return self._connection(self._stored, tokens, self._timeout)

    def login(
        self,
        *,
        port: int = 0,
        open_browser: bool = True,
        timeout: float | None = WAIT,
        on_url: Callable[[str], object] = print_url,
    ) -> Connection:
        """Ask a person with a browser on this machine, and return the connection to the account; the tokens are stored.

        It listens on this machine only, until the browser comes back from the server. Through ssh, forward the port:
        `ssh -L 8080:127.0.0.1:8080 host`, with `port=8080`.

        Args:
            port: The port to listen on; 0 for that of `redirect_uri`, or any that is free.
            open_browser: Whether to open the page in a browser, as `auth.TerminalLogin` does.
            timeout: Seconds to wait for the answer; `None` waits without limit.
            on_url: A callback that shows the URL of the page; by default, it is printed to standard error.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: `redirect_uri` is not at `http://127.0.0.1` or `http://[::1]`, or a number is out of range.
            OSError: the port is in use, or the store failed.
            AccessRefusedError: the person refused.
            AccessTimeoutError: the person did not answer in time.
            OAuthError: the server sent an error, or the tokens could not be saved: then the error has them.
            PryvError: the store or a request failed; see *Errors and retries*.
        """
        check_wait(timeout)
        require_callback(on_url, "on_url")
        self._stored.check_store()
        with Loopback(self._redirect_uri, port) as loopback, PageInBrowser() as page:
            request = self.authorization_request(redirect_uri=loopback.redirect_uri)
            loopback.listen(lambda query: is_answer(query, request))
            on_url(request.url)
            if open_browser:
                page.open(request.url)
            query = loopback.wait(timeout)
        return self.handle_callback(query, request)

    def connection(self, *, timeout: CallTimeout = DEFAULT) -> Connection:
        """Return a connection with the stored tokens, which are refreshed if they expire soon.

        Args:
            timeout: Replaces the client's timeout for the connection.

        Raises:
            TypeError: `timeout` has the wrong type.
            ValueError: a number in it is out of range.
            OAuthLoginRequiredError: there is no session, or it has ended.
            OAuthError: the server refused, or the tokens could not be saved: then the error has them.
            PryvError: the store or a request failed; see *Errors and retries*.
            OSError: the store failed.
        """
        limit = limit_of(timeout, self._timeout)
        return self._connection(self._stored, self._stored.usable(reload=True), limit)

    def refresh(self) -> Connection:
        """Refresh the tokens even if they are not due, and return a connection.

        The refresh token is sent once. If the outcome is not known, the next refresh sends it once more, and later ones
        raise an `OAuthLoginRequiredError`: the server would delete the person's consent.

        Raises:
            OAuthLoginRequiredError: there is no session, or it has ended.
            OAuthError: the server refused, or the tokens could not be saved: then the error has them.
            PryvError: the store or a request failed; see *Errors and retries*.
            OSError: the store failed.
        """
        return self._connection(self._stored, self._stored.refresh(), self._timeout)

    def client_credentials(self, scope: str | None = None) -> Connection:
        """Return a connection to the client's own account, for a client with credentials.

        Its tokens stay in memory. New ones are requested when they are due.

        Args:
            scope: The scope to request. A Pryv.io server knows none here, and gives access to the whole account.

        Raises:
            TypeError: `scope` is not a string.
            ValueError: the client has no credentials, or `scope` is empty.
            OAuthError: the server refused.
            PryvError: the request failed; see *Errors and retries*.
        """
        if not self._server.authentication.is_confidential:
            raise ValueError("client_credentials needs a client_secret or a private_key")
        if scope is not None:
            require(scope=scope)
        if self._own is None or self._own.scope != scope:
            self._own = ClientTokens(self._server, self._lifetimes, scope)
        return self._connection(self._own, self._own.usable(), self._timeout)

    def forget(self, revoke: bool = True) -> None:
        """End the session: delete its access, and the stored tokens.

        The server has no call to revoke a refresh token: a copy of it stays valid until it is used or expires, which
        takes 30 days by default. Only the person ends the consent, by deleting the client's access in the account.

        Args:
            revoke: Whether to delete the access; otherwise, only the tokens are deleted.

        Raises:
            ForbiddenError: the access may not delete itself; the tokens are deleted nevertheless.
            PryvError: the store failed, or the access could not be deleted: then the tokens are kept.
            OSError: the store failed.
        """
        tokens = self._stored.tokens
        refusal = None
        if revoke and tokens is not None and not self._lifetimes.has_expired(tokens):
            try:
                with self._unrenewed(tokens, self._timeout) as connection:
                    connection.revoke()
            except InvalidAccessTokenError:
                _log.info("the access was deleted already")
            except ForbiddenError as error:
                refusal = None if "has expired" in error.message else error
        self._stored.forget()
        if refusal is not None:
            raise refusal

    @property
    def tokens(self) -> OAuthTokens | None:
        """The tokens of the session, or those of the client's own account; `None` if there are none."""
        own = None if self._own is None else self._own.tokens
        return own or self._stored.tokens

    def _claim(self, request: AuthorizationRequest) -> None:
        """Note that a request is answered now.

        Raises:
            ValueError: it was answered before, perhaps in another thread.
        """
        claim = object()
        if self._answered.setdefault(request.code_verifier, claim) is not claim:
            raise _answered_before()
        if len(self._answered) > _REMEMBERED:
            self._answered.pop(next(iter(self._answered)), None)

    def _connection(self, source: TokenSource, tokens: OAuthTokens, timeout: Timeout) -> Connection:
        connection = self._unrenewed(tokens, timeout)
        account = connection._account
        account.credentials = RenewedCredentials(source, tokens, account.state, self._server.clock.ahead)
        return connection

    def _unrenewed(self, tokens: OAuthTokens, timeout: Timeout) -> Connection:
        endpoint = build_api_endpoint(endpoint_of(tokens), tokens.access_token)
        if tokens.key is None:
            return Connection(endpoint, timeout=timeout, **self._options)
        return SignedConnection(endpoint, tokens.key, timeout=timeout, **self._options)


def _answered_before() -> ValueError:
    return ValueError("the authorization request was answered before")


def _checked_store(store: TokenStore) -> TokenStore:
    require_methods(store, "store", "a TokenStore", "load", "save", "delete", "lock")
    return store
