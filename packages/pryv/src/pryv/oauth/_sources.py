"""Where tokens come from: those of a person from a store, those of a client's own account from its credentials."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Protocol

import attrs

from pryv._transport.redact import redact
from pryv.errors import OAuthError, OAuthLoginRequiredError, PryvConnectionError, PryvError
from pryv.oauth._server import ServerClient
from pryv.oauth._stores import MemoryTokenStore, TokenStore
from pryv.oauth._tokens import OAuthTokens

_LOCK_TIMEOUT = 300
"""Seconds to wait while others refresh the tokens."""

_ATTEMPTS = 2
"""How often a refresh token is sent: a second time only if the outcome of the first is not known."""

_log = logging.getLogger("pryv.oauth")


class TokenSource(Protocol):
    """Where a connection gets its tokens."""

    @property
    def tokens(self) -> OAuthTokens | None:
        """The tokens, `None` if there are none; they may have expired."""

    def usable(self) -> OAuthTokens:
        """Return the tokens, renewed if that is due."""

    def renewed(self, refused: str) -> OAuthTokens:
        """Return tokens with another access token than the one that was refused."""


class Lifetimes:
    """Decides when tokens are due to be renewed.

    Args:
        server: The server, whose clock counts.
        leeway: The seconds before they expire.
    """

    def __init__(self, server: ServerClient, leeway: float) -> None:
        self._server = server
        self._leeway = leeway

    def is_due(self, tokens: OAuthTokens) -> bool:
        """Return whether tokens expire soon; those with a life of less than the leeway are renewed at half of it."""
        lifetime = tokens.expires_in
        leeway = lifetime / 2 if lifetime is not None and lifetime <= self._leeway else self._leeway
        return self._expires_within(tokens, leeway)

    def has_expired(self, tokens: OAuthTokens) -> bool:
        """Return whether tokens have expired."""
        return self._expires_within(tokens, 0)

    def _expires_within(self, tokens: OAuthTokens, seconds: float) -> bool:
        return tokens.expires_at is not None and tokens.expires_at - self._server.now() < seconds


class StoredTokens:
    """The tokens of a person's session, in a store that other threads and processes may use too."""

    def __init__(self, server: ServerClient, store: TokenStore, lifetimes: Lifetimes) -> None:
        self._server = server
        self._store = store
        self._lifetimes = lifetimes
        self._known: OAuthTokens | None = None
        self._unsaved: tuple[OAuthTokens, OAuthTokens] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": None, "_unsaved": None}

    @property
    def tokens(self) -> OAuthTokens | None:
        """The tokens in the store, `None` if there are none; they may have expired."""
        self._known = self._load()
        return self._known

    def usable(self, *, reload: bool = False) -> OAuthTokens:
        """Return the tokens that were read last, or those in the store, refreshed if that is due.

        Raises:
            OAuthLoginRequiredError: there are none, or they cannot be refreshed any more.
            OAuthError: the server refused, or they could not be saved.
            PryvError: the store or the request failed.
            OSError: the store failed.
        """
        tokens = self._loaded() if reload or self._known is None else self._known
        return self.renewed(tokens.access_token) if self._lifetimes.is_due(tokens) else tokens

    def renewed(self, refused: str) -> OAuthTokens:
        """Return tokens with another access token than the one that was refused, or is due: stored, or refreshed."""
        with self._store.lock(_LOCK_TIMEOUT):
            stored = self._loaded()
            if stored.access_token != refused and not self._lifetimes.has_expired(stored):
                return stored
            return self._refresh(stored)

    def refresh(self) -> OAuthTokens:
        """Return refreshed tokens."""
        with self._store.lock(_LOCK_TIMEOUT):
            return self._refresh(self._loaded())

    def keep(self, tokens: OAuthTokens) -> None:
        """Replace the session by a new one."""
        with self._store.lock(_LOCK_TIMEOUT):
            self._keep_new(tokens)

    def check_store(self) -> None:
        """Check that the store can be locked, and so written to, and does not have the session of another client.

        Raises:
            OAuthError: it has the session of another client, or others have locked it.
            OSError: it cannot be locked.
        """
        with self._store.lock(_LOCK_TIMEOUT):
            try:
                stored = self._store.load()
            except (PryvError, OSError):
                return  # new tokens replace what cannot be read
            self._check_owner(stored)

    def forget(self) -> None:
        """Delete the tokens."""
        with self._store.lock(_LOCK_TIMEOUT):
            self._delete()

    def _loaded(self) -> OAuthTokens:
        tokens = self.tokens
        if tokens is None:
            raise login_required("there is no session in the store")
        return tokens

    def _load(self) -> OAuthTokens | None:
        """Return the tokens in the store, or those that could not be saved there after them."""
        stored = self._store.load()
        self._check_owner(stored)
        if stored is None or self._unsaved is None or stored.refresh_token != self._unsaved[0].refresh_token:
            return stored
        return self._unsaved[1]

    def _check_owner(self, stored: OAuthTokens | None) -> None:
        """Check that tokens in the store were given to this client: a refresh would show them to its server.

        Raises:
            OAuthError: they were given to another client, or by another server.
        """
        if stored is None or stored.issuer is None:
            return
        if (stored.issuer, stored.client_id) != self._owner:
            raise OAuthError(
                "other-client", "the store has the tokens of another client or server; use a store for each"
            )

    @property
    def _owner(self) -> tuple[str, str]:
        return self._server.issuer, self._server.authentication.client_id

    def _refresh(self, tokens: OAuthTokens) -> OAuthTokens:
        """Refresh tokens, while the store is locked.

        Before the refresh token is sent, the attempt is counted in the store: this process may be killed, and the
        server deletes the person's consent when a used refresh token comes again later. This also shows that the store
        can be written to while the old tokens are still valid. A refusal counts too: Pryv.io uses up a refresh token
        before it checks the client and the key.
        """
        if tokens.refresh_token is None:
            raise login_required("the session has no refresh token")
        if tokens.is_bound and tokens.key is None:  # the server would end the session
            raise login_required("the session is bound to a key (DPoP) that the store does not have")
        if tokens.refresh_attempts >= _ATTEMPTS:
            raise login_required("the refresh token was sent twice without new tokens in return; it is not sent again")
        counted = attrs.evolve(tokens, refresh_attempts=tokens.refresh_attempts + 1)
        grant = {"refresh_token": tokens.refresh_token, "grant_type": "refresh_token"}
        try:
            new = self._server.tokens(
                grant,
                key=tokens.key,
                previous=tokens,
                before_sending=lambda: self._save(counted, valid=tokens),
            )
        except OAuthError as refusal:
            if refusal.error != "invalid_grant":
                raise
            ended = OAuthLoginRequiredError(refusal.error, refusal.description, status=refusal.status)
        except PryvConnectionError as failure:
            if not failure.sent:
                with contextlib.suppress(OAuthError):
                    self._save(tokens, valid=tokens)
            raise
        else:
            renewed = self._keep_new(new, predecessor=tokens)
            _log.info("refreshed the tokens of %s", self._server.authentication.client_id)
            return renewed
        self._delete()
        raise ended

    def _keep_new(self, new: OAuthTokens, predecessor: OAuthTokens | None = None) -> OAuthTokens:
        issuer, client_id = self._owner
        tokens = attrs.evolve(new, issuer=issuer, client_id=client_id)
        self._known = tokens
        self._unsaved = None if predecessor is None else (predecessor, tokens)
        self._save(tokens, valid=tokens)
        self._unsaved = None
        return tokens

    def _save(self, tokens: OAuthTokens, *, valid: OAuthTokens) -> None:
        """Save tokens; an error carries those that are valid."""
        try:
            self._store.save(tokens)
        except Exception as failure:  # noqa: BLE001  (a store may be anyone's)
            reason = redact(_reason(failure), tokens.access_token, tokens.refresh_token)
        else:
            return
        still = "" if valid is tokens else "nothing was sent, and "
        problem = f"the tokens could not be saved ({reason}): {still}this error's `tokens` are the only valid ones"
        error = OAuthError("not-saved", problem)
        error.tokens = valid
        raise error

    def _delete(self) -> None:
        self._known = self._unsaved = None
        self._store.delete()


class ClientTokens:
    """The tokens of a client's own account, which it gets with its own credentials.

    Attributes:
        scope: The scope that is requested.
    """

    def __init__(self, server: ServerClient, lifetimes: Lifetimes, scope: str | None) -> None:
        self._server = server
        self._lifetimes = lifetimes
        self._memory = MemoryTokenStore()
        self.scope = scope

    def __reduce__(self) -> tuple[Any, ...]:
        return ClientTokens, (self._server, self._lifetimes, self.scope)

    @property
    def tokens(self) -> OAuthTokens | None:
        """The tokens, `None` if there are none; they may have expired."""
        return self._memory.load()

    def usable(self) -> OAuthTokens:
        """Return the tokens, new ones if that is due.

        Raises:
            OAuthError: the server refused.
            PryvError: the request failed.
        """
        tokens = self.tokens
        if tokens is None or self._lifetimes.is_due(tokens):
            return self.renewed(None if tokens is None else tokens.access_token)
        return tokens

    def renewed(self, refused: str | None) -> OAuthTokens:
        """Return tokens with another access token than the one that was refused, or is due."""
        with self._memory.lock(_LOCK_TIMEOUT):
            tokens = self.tokens
            if tokens is None or tokens.access_token == refused:
                scope = {} if self.scope is None else {"scope": self.scope}
                tokens = self._server.tokens({"grant_type": "client_credentials", **scope}, may_retry=True)
                self._memory.save(tokens)
            return tokens


def login_required(reason: str) -> OAuthLoginRequiredError:
    """Return the error for a session that a person must begin anew."""
    return OAuthLoginRequiredError("login-required", f"{reason}: log in again")


def _reason(failure: Exception) -> str:
    if isinstance(failure, OSError) and failure.strerror:
        return failure.strerror
    return type(failure).__name__
