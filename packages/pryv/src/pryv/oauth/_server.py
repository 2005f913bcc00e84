"""The requests to an authorization server: its metadata, and tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from pryv._display import SecretText
from pryv._transport import json
from pryv._transport.http import Http, Request, Response
from pryv._transport.redact import redact
from pryv._transport.timeouts import Timeout
from pryv.errors import OAuthError, PryvConnectionError, PryvProtocolError, ResponseTooLargeError
from pryv.oauth._authentication import ClientAuthentication
from pryv.oauth._clock import PlatformClock
from pryv.oauth._dpop import DPoPKey, Prover
from pryv.oauth._metadata import LABEL, AuthorizationServer, server_of
from pryv.oauth._tokens import OAuthTokens, tokens_of
from pryv.oauth._urls import metadata_url

UNKNOWN = "outcome-unknown"

_TOKEN = "POST oauth2/token"
_UNKNOWN = "the outcome is unknown: the server may have processed the request, and it is not sent again"


class ServerClient:
    """An authorization server, and one client of it.

    Attributes:
        issuer: The URL of the server.
        authentication: How the client authenticates.
        clock: The platform's time.
    """

    def __init__(self, http: Http, timeout: Timeout, issuer: str, authentication: ClientAuthentication) -> None:
        self._http = http
        self._timeout = timeout
        self._metadata: AuthorizationServer | None = None
        self.issuer = issuer
        self.authentication = authentication
        self.clock = PlatformClock()

    def metadata(self, *, force_fetch: bool = False) -> AuthorizationServer:
        """Return the server's metadata; see `OAuthClient.metadata`."""
        if self._metadata is None or force_fetch:
            return self._fetched()
        return self._metadata

    def now(self) -> float:
        """Return the platform's time; it is requested if no response has contained it yet."""
        if not self.clock.is_set:
            self.metadata(force_fetch=True)
        return self.clock.now()

    def tokens(
        self,
        grant: Mapping[str, str],
        *,
        key: DPoPKey | None = None,
        previous: OAuthTokens | None = None,
        before_sending: Callable[[], object] = lambda: None,
        may_retry: bool = False,
    ) -> OAuthTokens:
        """Request tokens.

        The metadata are fetched first: the tokens in `grant` may be sent only once, so they are not sent to a server
        that is down, or over a connection of the user's session that the server closed long ago.

        Args:
            grant: The parameters of the grant.
            key: The key to bind the tokens to, or that those are bound to which are refreshed.
            previous: The tokens that are refreshed.
            before_sending: A callback for the moment between the two requests.
            may_retry: Whether the request is retried where nothing was sent.

        Raises:
            OAuthError: the server refused, or its response does not say what it did.
            PryvConnectionError: there is no complete response; it is `retryable` if `may_retry` and nothing was sent.
            PryvProtocolError: the response is not one of an authorization server.
            ResponseTooLargeError: the response is larger than the limit.
        """
        server = self._fetched()
        before_sending()
        prover = None if key is None else Prover(key)
        response = self._sent(server, grant, prover, may_retry)
        if prover is not None and _asks_for_nonce(response) and prover.accept_nonce(response.headers):
            response = self._sent(server, grant, prover, may_retry)
        self.clock.observe(response)
        if response.status != 200:
            hidden = [value for value in grant.values() if isinstance(value, SecretText)]
            raise _refusal(response, *hidden, *self.authentication.secrets)
        tokens = tokens_of(_object(response) or {}, self.clock.now(), key, previous)
        if tokens is None:
            raise PryvProtocolError(f"{_TOKEN}: the response has no access token; {_UNKNOWN}")
        return tokens

    def _fetched(self) -> AuthorizationServer:
        url = metadata_url(self.issuer)
        headers = {"Cache-Control": "no-cache"}  # the Date of a copy is that of an earlier response
        request = Request("GET", url, LABEL, headers=headers, idempotent=True, timeout=self._timeout)
        response = _send(self._http, request)
        self.clock.observe(response)
        metadata = self._metadata = server_of(response, self.issuer)
        return metadata

    def _sent(
        self, server: AuthorizationServer, grant: Mapping[str, str], prover: Prover | None, may_retry: bool
    ) -> Response:
        headers, params = self.authentication.of(server, self.clock.now())
        proof = {}
        if prover is not None:
            prover.observe_clock(self.clock.ahead)
            proof = prover.headers("POST", server.token_endpoint)
        request = Request(
            "POST",
            server.token_endpoint,
            _TOKEN,
            headers={"Content-Type": "application/x-www-form-urlencoded", **headers, **proof},
            body=urlencode({**grant, **params}).encode(),
            timeout=self._timeout,
        )
        try:
            return _send(self._http if may_retry else self._http.with_retry(None), request)
        except PryvConnectionError as error:
            error.retryable = may_retry and not error.sent
            if error.sent:
                error.args = (f"{error.args[0]}; {_UNKNOWN}",)
            raise
        except ResponseTooLargeError as error:
            error.args = (f"{error.args[0]}; {_UNKNOWN}",)
            raise


def _send(http: Http, request: Request) -> Response:
    """Send a request over connections of its own, which no other thread closes and none has kept open for long."""
    with contextlib.closing(Http(http.retry, http.sessions.given, http.limits)) as own:
        return own.send(request)


def _asks_for_nonce(response: Response) -> bool:
    """Return whether a server asks for its nonce, which refuses the request only for now (RFC 9449, section 8)."""
    return response.status in (400, 401) and (_object(response) or {}).get("error") == "use_dpop_nonce"


def _object(response: Response) -> dict[str, Any] | None:
    try:
        body = json.decode(response.body, _TOKEN)
    except PryvProtocolError:
        return None
    return body if isinstance(body, dict) else None


def _refusal(response: Response, *hidden: str) -> OAuthError:
    """Return the error in an unsuccessful response (RFC 6749, section 5.2)."""
    body = _object(response) or {}
    error, description = body.get("error"), body.get("error_description")
    if not isinstance(error, str) or not error:
        problem = f"{_TOKEN}: not a response of an authorization server; {_UNKNOWN}"
        return OAuthError(UNKNOWN, problem, status=response.status)
    shown = redact(description, *hidden) if isinstance(description, str) and description else None
    return OAuthError(redact(error, *hidden), shown, status=response.status)
