"""Getting access to an account from its user: access requests, the flow around them, and credential stores."""

from pryv.auth._controller import AuthController, LoginUI
from pryv.auth._settings import AuthSettings
from pryv.auth._setup import setup_auth
from pryv.auth._sign_in import sign_in, sign_out
from pryv.auth._states import AuthState, AuthStates
from pryv.auth._stores import (
    AuthorizationData,
    CredentialStore,
    FileStore,
    KeyringStore,
    MemoryStore,
    default_store,
)
from pryv.auth._terminal import TerminalLogin
from pryv.auth._waiting import wait_for_access

__all__ = [
    "AuthController",
    "AuthSettings",
    "AuthState",
    "AuthStates",
    "AuthorizationData",
    "CredentialStore",
    "FileStore",
    "KeyringStore",
    "LoginUI",
    "MemoryStore",
    "TerminalLogin",
    "default_store",
    "setup_auth",
    "sign_in",
    "sign_out",
    "wait_for_access",
]


def __dir__() -> list[str]:
    return __all__
