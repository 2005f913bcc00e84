"""The credentials of connections to an OAuth session: they renew themselves."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping

from pryv._transport.account import AccountState
from pryv._transport.credentials import Credentials, Refusal
from pryv.errors import PryvProtocolError
from pryv.oauth._dpop import Prover
from pryv.oauth._sources import TokenSource
from pryv.oauth._tokens import OAuthTokens
from pryv.oauth._urls import secure_endpoint
from pryv.utils import build_api_endpoint

_REMEMBERED = 4
"""How many tokens are masked in messages: requests with earlier ones may still be under way."""


class RenewedCredentials(Credentials):
    """The credentials of an account, with the tokens that a source has at each moment.

    Args:
        source: The source of the tokens.
        tokens: The tokens that it has now.
        state: The state of the account, whose endpoint the tokens name.
        clock_ahead: The seconds by which the platform's clock is ahead of the local one.
    """

    def __init__(self, source: TokenSource, tokens: OAuthTokens, state: AccountState, clock_ahead: float) -> None:
        self._source = source
        self._state = state
        self._secrets: deque[str] = deque(maxlen=_REMEMBERED)
        self._prover: Prover | None = None
        self._use(tokens)
        self.observe_clock(clock_ahead)

    @property
    def token(self) -> str:
        """The current access token."""
        return self._token

    @property
    def secrets(self) -> tuple[str, ...]:
        """The current access token, and earlier ones."""
        return tuple(self._secrets)

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the headers of one attempt of a request."""
        if self._prover is None:
            return {"Authorization": self._token}
        return self._prover.headers(method, url, self._token)

    def before_request(self) -> None:
        """Renew the tokens if that is due."""
        self._use_if_new(self._source.usable())

    def renewed(self, refusal: Refusal) -> bool:
        """Return whether there is another proof, or there are other tokens, than those refused."""
        if self._prover is not None and self._prover.correct(refusal):
            return True
        if refusal.token is None or not refusal.is_of_token:
            return False
        self._use_if_new(self._source.renewed(refusal.token))
        return True

    def observe_clock(self, ahead: float) -> None:
        """Date proofs by the platform's time."""
        if self._prover is not None:
            self._prover.observe_clock(ahead)

    def _use_if_new(self, tokens: OAuthTokens) -> None:
        if tokens.access_token != self._token:
            self._use(tokens)

    def _use(self, tokens: OAuthTokens) -> None:
        endpoint = endpoint_of(tokens)
        if endpoint != self._state.first_endpoint:
            self._state.first_endpoint, self._state.moved_to = endpoint, None
        self.is_bound = tokens.key is not None
        if tokens.key is None:
            self._prover = None
        elif self._prover is None or self._prover.key != tokens.key:
            self._prover = Prover(tokens.key)
        self._secrets.append(tokens.access_token)
        self._token = tokens.access_token


def endpoint_of(tokens: OAuthTokens) -> str:
    """Return the endpoint of the account that tokens are for.

    Raises:
        PryvProtocolError: it is missing, malformed or not secure; the token cannot be part of an API endpoint; or it is
            bound to another key than that of the session.
    """
    endpoint = secure_endpoint(tokens.api_endpoint)
    if endpoint is None:
        raise PryvProtocolError("the apiEndpoint that the authorization server sent is missing, or not an https URL")
    if tokens.is_bound != (tokens.key is not None):
        kind = "is" if tokens.is_bound else "is not"
        raise PryvProtocolError(f"the token that the authorization server sent {kind} bound to a key (DPoP)")
    with contextlib.suppress(ValueError):
        build_api_endpoint(endpoint, tokens.access_token)
        return endpoint
    raise PryvProtocolError("the access token that the authorization server sent cannot be part of an API endpoint")
