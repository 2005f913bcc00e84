"""OAuth sessions of a profile: what the commands use without `--endpoint`."""

from __future__ import annotations

from pryv.auth._profiles import Profile
from pryv.auth._stores import FileStore, OAuthSessionData
from pryv.oauth._client import OAuthClient
from pryv.oauth._stores import FileTokenStore, KeyringTokenStore, TokenStore


def client_of(kept: Profile, session: OAuthSessionData, *, dpop: bool = False) -> OAuthClient:
    """Return the client of a session of a profile, whose tokens are where the profile's credentials are.

    Args:
        kept: The profile.
        session: The session.
        dpop: Whether the tokens of a new login are bound to a key.
    """
    return OAuthClient(
        session["authorizationServer"],
        session["clientId"],
        scope=session["scope"],
        dpop=dpop,
        store=_token_store(kept, session),
    )


def _token_store(kept: Profile, session: OAuthSessionData) -> TokenStore:
    name = f"oauth {kept.name} {session['clientId']} {session['authorizationServer']}"
    return FileTokenStore(kept.store.path_of(name)) if isinstance(kept.store, FileStore) else KeyringTokenStore(name)
