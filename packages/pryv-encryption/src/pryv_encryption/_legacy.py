"""`aes-text-base64`, the format of crypto-js (OpenSSL's `enc` with a passphrase). It is only decrypted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from pryv.addons import without_frames
from pryv_encryption._gcm import payload
from pryv_encryption._material import Material, parsed
from pryv_encryption.errors import DecryptionError

_PREFIX = b"Salted__"
_SALT_SIZE = 8
_KEY_SIZE = 32
_BLOCK = 16


class AesTextBase64:
    """`aes-text-base64`: the key is a passphrase. An altered payload is not detected: new events use another method."""

    @without_frames
    def decrypt(self, content: Mapping[str, Any], key: Any) -> Material:
        """Return the type and content of an event, from the content of the encrypted one.

        Args:
            content: The content of the encrypted event.
            key: The passphrase.

        Raises:
            DecryptionError: it was altered, or encrypted with another passphrase or method.
        """
        if not isinstance(key, str):
            raise DecryptionError(f"the key is a passphrase, a string, not {type(key).__name__}")
        data = payload(content)
        start = len(_PREFIX) + _SALT_SIZE
        if not data.startswith(_PREFIX):
            raise DecryptionError("the payload has a wrong beginning")
        if len(data) <= start or (len(data) - start) % _BLOCK:
            raise DecryptionError("the payload is cut short")
        try:
            return parsed(_plain(data[start:], key.encode(), data[len(_PREFIX) : start]))
        except ValueError:  # of the padding, the JSON, or a passphrase without a UTF-8 form
            raise DecryptionError("altered, or encrypted with another passphrase") from None


def _plain(data: bytes, passphrase: bytes, salt: bytes) -> bytes:
    derived = _derived(passphrase, salt)
    decryptor = Cipher(algorithms.AES(derived[:_KEY_SIZE]), modes.CBC(derived[_KEY_SIZE:])).decryptor()
    unpadder = PKCS7(8 * _BLOCK).unpadder()
    padded = decryptor.update(data) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _derived(passphrase: bytes, salt: bytes) -> bytes:
    """Return key and IV, by one round of MD5 (https://docs.openssl.org/3.0/man3/EVP_BytesToKey/)."""
    derived = last = b""
    while len(derived) < _KEY_SIZE + _BLOCK:
        last = hashlib.md5(last + passphrase + salt, usedforsecurity=False).digest()
        derived += last
    return derived
