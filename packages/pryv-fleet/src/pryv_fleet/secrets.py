"""The tokens of a fleet's accounts: where they are, and how they are encrypted."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from pryv_fleet.errors import FleetError

KEY_VARIABLE: Final = "PRYV_FLEET_KEY"
_DSN_VARIABLE: Final = "PRYV_FLEET_DSN"


class Secrets(Protocol):
    """A store of tokens, such as a vault. Without one, tokens are encrypted in the table `accounts`."""

    def load(self, name: str) -> str:
        """Return the token of an account.

        Raises:
            FleetError: there is none.
        """
        ...

    def save(self, name: str, token: str) -> None:
        """Keep the token of an account, instead of the one before."""
        ...

    def delete(self, name: str) -> None:
        """Delete the token of an account; nothing if there is none."""
        ...


class TokenCipher:
    """Encrypts tokens with Fernet, and hashes names.

    Args:
        keys: Fernet keys. The first one encrypts; all decrypt, so that the keys can be changed.

    Raises:
        ValueError: a key is malformed.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = list(keys)
        self._fernet: MultiFernet | None = None
        with suppress(ValueError):  # without a key, and where a frame holds a malformed one
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        if keys and self._fernet is None:
            raise ValueError(f"{KEY_VARIABLE}: a key is 32 bytes in URL-safe base64; `pryv-fleet key` makes one")

    def __repr__(self) -> str:
        return f"<TokenCipher with {len(self._keys)} keys>"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> TokenCipher:
        """Return the cipher with the keys in `PRYV_FLEET_KEY`, or in the file that `PRYV_FLEET_KEY_FILE` names.

        Raises:
            ValueError: a key is malformed.
            OSError: the file cannot be read.
        """
        text = setting(KEY_VARIABLE, environment) or ""
        return cls(text.replace(",", " ").split())

    def encrypt(self, token: str) -> str:
        """Return a token as ciphertext.

        Raises:
            FleetError: there is no key.
        """
        return self._required().encrypt(token.encode()).decode()

    def decrypt(self, secret: str) -> str:
        """Return the token of a ciphertext.

        Raises:
            FleetError: there is no key, or none that fits.
        """
        fernet = self._required()
        with suppress(InvalidToken):
            return fernet.decrypt(secret).decode()
        raise FleetError(f"the token cannot be decrypted: {KEY_VARIABLE} has no key that fits")

    def rotate(self, secret: str) -> str:
        """Return a ciphertext that the first key decrypts.

        Raises:
            FleetError: there is no key, or none that fits.
        """
        return self.encrypt(self.decrypt(secret))

    def hash_of(self, name: str) -> str | None:
        """Return a hash of a name that only a holder of the first key can compute; `None` without a key."""
        if not self._keys:
            return None
        return hmac.new(self._keys[0].encode(), b"pryv-fleet name " + name.encode(), hashlib.sha256).hexdigest()

    def check_key(self) -> None:
        """Check that there is a key.

        Raises:
            FleetError: there is none.
        """
        self._required()

    def _required(self) -> MultiFernet:
        if self._fernet is None:
            raise FleetError(f"tokens are encrypted with a key: set {KEY_VARIABLE} to one that `pryv-fleet key` makes")
        return self._fernet


def generate_key() -> str:
    """Return a new key for `PRYV_FLEET_KEY`."""
    return Fernet.generate_key().decode()


def dsn_from_environment(environment: Mapping[str, str] = os.environ) -> str:
    """Return the connection string in `PRYV_FLEET_DSN`, or in the file that `PRYV_FLEET_DSN_FILE` names.

    Raises:
        ValueError: neither is set.
        OSError: the file cannot be read.
    """
    dsn = setting(_DSN_VARIABLE, environment)
    if dsn is None:
        raise ValueError(
            f"set {_DSN_VARIABLE}, or {_DSN_VARIABLE}_FILE, to the connection string of a PostgreSQL database"
        )
    return dsn


def setting(name: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return a setting: of a variable, or of the file that the variable `NAME_FILE` names; `None` if it is empty.

    Raises:
        OSError: the file cannot be read.
    """
    if environment.get(name):
        return environment[name]
    file = environment.get(f"{name}_FILE")
    return Path(file).read_text(encoding="utf-8").strip() or None if file else None
