"""The settings of a platform."""

from __future__ import annotations

from dataclasses import dataclass

API_VERSION = "2.0.0-pre.4"
SERIAL = "2026112101"
MAX_BODY_SIZE = 10 * 1024 * 1024
KEEP_ALIVE = 5
"""Seconds after which an idle connection is closed, as Node.js does."""


@dataclass(frozen=True)
class OAuthSettings:
    """The lifetimes of OAuth 2's codes and tokens, in seconds.

    Attributes:
        access_lifetime: an access token.
        refresh_lifetime: a refresh token.
        refresh_limit: all refresh tokens that follow one consent.
        reuse_grace: the time in which a used refresh token that comes again is refused, but revokes nothing.
        code_lifetime: a code.
        consent_lifetime: the time in which a person may decide.
    """

    access_lifetime: float = 3600
    refresh_lifetime: float = 30 * 24 * 3600
    refresh_limit: float = 90 * 24 * 3600
    reuse_grace: float = 10
    code_lifetime: float = 600
    consent_lifetime: float = 300


@dataclass(frozen=True)
class Settings:
    """The settings of a platform.

    Attributes:
        data: the file that keeps the data; in memory if ``None``.
        name: the name of the platform in its service info.
        visibility_window: upper bound, in seconds, of the random time between the ``modified`` stamp of a write
            and the moment it can be read; with ``None``, a few turns of the event loop.
        trusted_hosts: patterns (``fnmatch``) of the hosts whose web pages may send a password, besides that of the
            platform. Requests without an ``Origin`` may too.
        keep_history: whether former versions of events are kept.
        reset_lifetime: seconds after which a token to reset a password expires.
        session_lifetime: seconds after which an unused session expires.
        verification_lifetime: seconds after which a token to verify an e-mail address expires.
        resend_interval: seconds before such a token can be sent again.
        mfa_lifetime: seconds after which an ``mfaToken`` expires.
        username_changes: how often a user may change the username.
        oauth: the lifetimes of OAuth 2's codes and tokens.
        results_limit: the maximum number of items in a result in a batch, or over a socket.
        page_size: events per page of a streamed response.
        subscriptions: whether sockets have subscriptions; older platforms have none.
        null_characters: whether texts may contain the character U+0000. A platform on PostgreSQL responds to an item
            with this character with status 500.
    """

    data: str | None = None
    name: str = "Local Pryv (reference)"
    visibility_window: float | None = None
    trusted_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1", "*.backloop.dev")
    keep_history: bool = True
    reset_lifetime: float = 3600
    session_lifetime: float = 14 * 24 * 3600
    verification_lifetime: float = 24 * 3600
    resend_interval: float = 300
    mfa_lifetime: float = 30 * 60
    username_changes: int = 2
    oauth: OAuthSettings = OAuthSettings()
    results_limit: int = 100_000
    page_size: int = 1000
    subscriptions: bool = True
    null_characters: bool = True
