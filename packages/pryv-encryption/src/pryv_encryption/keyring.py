"""Keys by name, and functions that find further keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from pryv.addons import require_callback, without_frames
from pryv_encryption._key_files import read_keys

Resolver = Callable[[str, str | None, Any], Any]
"""Returns the key for the method's name, the key's name and the hint, `None` if it has none."""


class Keyring:
    """Keys by the name in the `keyRef` of events. Its `repr` contains no key, and it cannot be pickled.

    A key is stored unchanged; each method accepts certain forms:

    - `aes-256-gcm`: 32 bytes, or their Base64;
    - `ecies-aes-256-gcm`: a key on P-256, the public one to encrypt, the private one to decrypt, or a pair of both
      (`KeyPair`, or a dict with `publicKey` and `privateKey`). Keys are JWK dicts, PEM, objects of `cryptography`, an
      uncompressed point (public) or PKCS#8 (private) as bytes or Base64;
    - `aes-text-base64`: the passphrase, a string.

    Args:
        keys: Keys by name.

    Raises:
        TypeError: `keys` is not a dict, a name is not a string, or there is no key.
    """

    @without_frames
    def __init__(self, keys: Mapping[str, Any] | None = None) -> None:
        if not isinstance(keys, (Mapping, type(None))):
            raise TypeError(f"keys is a dict of keys by name, not {type(keys).__name__}")
        self._keys: dict[str, Any] = {}
        self._resolvers: list[Resolver] = []
        for key_ref, key in (keys or {}).items():
            self.set(key_ref, key)

    @classmethod
    @without_frames
    def from_file(cls, path: str | os.PathLike[str]) -> Keyring:
        """Return a keyring with the keys in a key file.

        A key file is a JSON object: the keys by name, each a Base64 text, a JWK, a pair of JWKs, or a passphrase. Only
        its owner may access it.

        Args:
            path: The file's path.

        Raises:
            PermissionError: other users have access to the file.
            ValueError: it is not a key file.
            OSError: it cannot be read.
        """
        return cls(read_keys(path))

    @without_frames
    def set(self, key_ref: str, key: Any) -> Keyring:
        """Add a key, or replace the one of this name; returns the keyring.

        Args:
            key_ref: The name of the key; everyone who reads the events sees it.
            key: The key.

        Raises:
            TypeError: the name is not a string, or there is no key.
        """
        if not isinstance(key_ref, str):
            raise TypeError(f"the name of a key is a string, not {type(key_ref).__name__}")
        if key is None:
            raise TypeError(f"None is not a key, for {key_ref!r}")
        self._keys[key_ref] = key
        return self

    def use(self, resolver: Resolver) -> Keyring:
        """Add a function that finds keys which are not in the keyring; returns the keyring.

        Functions are called in the order they were added, and the first result that is not `None` is used. During
        decryption, an exception in such a function is a failed decryption; during encryption, it is raised.

        Args:
            resolver: A function that gets the name of the method, the name of the key, and the hint; the last two are
                `None` if the event has none.

        Raises:
            TypeError: it is not callable, or is a coroutine function.
        """
        require_callback(resolver, "resolver")
        self._resolvers.append(resolver)
        return self

    def get_key_for(self, method: str, key_ref: str | None = None, hint: Any = None) -> Any:
        """Return a key unchanged, `None` if none is known.

        Args:
            method: The name of the method.
            key_ref: The name of the key.
            hint: The event's hint about the key.
        """
        if key_ref is not None and key_ref in self._keys:
            return self._keys[key_ref]
        keys = (resolver(method, key_ref, hint) for resolver in self._resolvers)
        return next((key for key in keys if key is not None), None)

    def __repr__(self) -> str:
        return f"Keyring({len(self._keys)} keys, {len(self._resolvers)} resolvers)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keyring cannot be pickled: it contains keys")
