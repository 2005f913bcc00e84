"""OAuth 2: sessions that a person consents to once, and that programs keep."""

from pryv.errors import OAuthError, OAuthLoginRequiredError
from pryv.oauth._authorization import AuthorizationRequest
from pryv.oauth._client import OAuthClient
from pryv.oauth._dpop import DPoPKey
from pryv.oauth._metadata import AuthorizationServer
from pryv.oauth._signed import SignedConnection
from pryv.oauth._stores import FileTokenStore, KeyringTokenStore, MemoryTokenStore, TokenStore
from pryv.oauth._tokens import OAuthTokens

__all__ = [
    "AuthorizationRequest",
    "AuthorizationServer",
    "DPoPKey",
    "FileTokenStore",
    "KeyringTokenStore",
    "MemoryTokenStore",
    "OAuthClient",
    "OAuthError",
    "OAuthLoginRequiredError",
    "OAuthTokens",
    "SignedConnection",
    "TokenStore",
]


def __dir__() -> list[str]:
    return __all__
