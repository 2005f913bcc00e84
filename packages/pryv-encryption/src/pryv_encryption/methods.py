"""The methods of encryption, named by the second part of the type `encrypted/METHOD`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from pryv_encryption._ecies import EciesAes256Gcm
from pryv_encryption._gcm import Aes256Gcm
from pryv_encryption._legacy import AesTextBase64


class EncryptionMethod(Protocol):
    """A method of encryption, for `EventsCipher.register_method`.

    A method that also encrypts has `encrypt(material, key)`, which returns members of the encrypted event's content,
    such as `payload`. A method for attached files has `encrypt_bytes(data, key)` and `decrypt_bytes(data, key)`, which
    return bytes. An exception in a method is a failed decryption; its text is not shown.
    """

    def decrypt(self, content: Mapping[str, Any], key: Any, /) -> Mapping[str, Any]:
        """Return the plaintext: a dict with the event's `type` and `content`.

        Args:
            content: The content of the encrypted event.
            key: The key in the keyring.
        """
        ...


METHODS: Mapping[str, EncryptionMethod] = MappingProxyType(
    {
        "aes-256-gcm": Aes256Gcm(),
        "ecies-aes-256-gcm": EciesAes256Gcm(),
        "aes-text-base64": AesTextBase64(),
    }
)
"""The methods that each `EventsCipher` knows, by name; `aes-text-base64` is only for decryption."""
