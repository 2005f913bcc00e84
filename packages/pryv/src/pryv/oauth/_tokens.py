"""The tokens of an OAuth session."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
from attrs import validators

from pryv._display import SecretText
from pryv._transport.urls import host_of
from pryv.oauth._dpop import DPoPKey

_IS_TIME = validators.optional(validators.instance_of((int, float)))


def _secret(text: str | None) -> SecretText | None:
    return None if text is None else SecretText(text)


@attrs.frozen(kw_only=True)
class OAuthTokens:
    """The tokens of an OAuth session. They are secret: the `repr` shows none.

    Attributes:
        access_token: The token of the account.
        refresh_token: The token to get new ones with, once; `None` if there is none.
        token_type: `Bearer`, or `DPoP` for a token that is bound to a key.
        expires_at: The platform's time, in seconds since 1970, at which the access token expires; `None` if the server
            did not say.
        scope: The scope that was granted.
        api_endpoint: The account's API endpoint, with the access token in it.
        key: The `DPoPKey` that the tokens are bound to, `None` if they are not.
        expires_in: The seconds from the response of the server to `expires_at`.
        refresh_attempts: How often the refresh token was sent without new tokens in return; it is not sent a third
            time.
        issuer: The server that the tokens are of.
        client_id: The client that they were given to. A client refuses to use the tokens of another one, as it would
            show the refresh token to its own server.
    """

    access_token: str = attrs.field(converter=SecretText, repr=False)
    refresh_token: str | None = attrs.field(default=None, converter=_secret, repr=False)
    token_type: str = "Bearer"
    expires_at: float | None = attrs.field(default=None, validator=_IS_TIME)
    scope: str | None = None
    api_endpoint: str = attrs.field(converter=SecretText, repr=host_of)
    key: DPoPKey | None = None
    expires_in: float | None = attrs.field(default=None, repr=False, validator=_IS_TIME)
    refresh_attempts: int = attrs.field(default=0, validator=validators.instance_of(int))
    issuer: str | None = attrs.field(default=None, repr=False)
    client_id: str | None = attrs.field(default=None, repr=False)

    @property
    def is_bound(self) -> bool:
        """Whether the server said that the tokens are bound to a key."""
        return self.token_type.lower() == "dpop"


def tokens_of(
    answer: Mapping[str, Any], received: float, key: DPoPKey | None = None, previous: OAuthTokens | None = None
) -> OAuthTokens | None:
    """Return the tokens in a response of a token endpoint; `None` if there is no access token in it.

    Members that are missing stay as they are in the previous tokens (RFC 6749, section 6).

    Args:
        answer: The response.
        received: The platform's time at which it arrived.
        key: The key that the tokens were requested with.
        previous: The tokens that were refreshed.
    """
    access_token = _secret(_text(answer, "access_token"))
    if access_token is None:
        return None
    lifetime = _seconds(answer.get("expires_in"))
    kept = OAuthTokens(access_token="", api_endpoint="") if previous is None else previous
    return OAuthTokens(
        access_token=access_token,
        refresh_token=_text(answer, "refresh_token") or kept.refresh_token,
        token_type=_text(answer, "token_type") or "Bearer",
        expires_at=None if lifetime is None else received + lifetime,
        scope=_text(answer, "scope") or kept.scope,
        api_endpoint=_text(answer, "apiEndpoint") or kept.api_endpoint,
        key=key,
        expires_in=lifetime,
    )


def _text(answer: Mapping[str, Any], name: str) -> str | None:
    value = answer.get(name)
    return value if isinstance(value, str) and value else None


def _seconds(value: Any) -> float | None:
    """Return a lifetime; a server may send a number as text."""
    try:
        seconds = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < math.inf else None
