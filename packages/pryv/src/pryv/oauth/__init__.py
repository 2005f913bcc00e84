"""OAuth 2: sessions that a person consents to once, and that programs keep."""

from pryv.oauth._dpop import DPoPKey
from pryv.oauth._signed import SignedConnection

__all__ = ["DPoPKey", "SignedConnection"]


def __dir__() -> list[str]:
    return __all__
