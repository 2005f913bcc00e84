"""AES-256-GCM with a header: the layout of encrypted events and files."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pryv.addons import without_frames
from pryv_encryption import _base64
from pryv_encryption._material import Material, parsed, serialized
from pryv_encryption.errors import DecryptionError
from pryv_encryption.keys import symmetric_key

IV_SIZE = 12
TAG_SIZE = 16


class AesGcmMethod(ABC):
    """A method whose payload is a header that ends with the IV, the ciphertext, and the tag; no associated data.

    Attributes:
        header_size: Bytes of the header.
    """

    header_size: ClassVar[int]

    @without_frames
    def encrypt(self, material: Mapping[str, Any], key: Any) -> dict[str, str]:
        """Return the members of an encrypted event's content, for its type and content.

        Args:
            material: The `type` and `content` of the event.
            key: The key.

        Raises:
            TypeError: the key cannot be used, or a value in the material has no JSON form.
            ValueError: the same.
        """
        return {"payload": _base64.encode(self._encrypted(serialized(material), key))}

    @without_frames
    def decrypt(self, content: Mapping[str, Any], key: Any) -> Material:
        """Return the type and content of an event, from the content of the encrypted one.

        Args:
            content: The content of the encrypted event.
            key: The key.

        Raises:
            DecryptionError: it was altered, or encrypted with another key or method.
        """
        return parsed(self._decrypted(payload(content), key))

    @without_frames
    def encrypt_bytes(self, data: bytes, key: Any) -> bytes:
        """Return encrypted bytes.

        Args:
            data: The bytes to encrypt.
            key: The key.

        Raises:
            TypeError: the key cannot be used.
            ValueError: the same.
        """
        return self._encrypted(data, key)

    @without_frames
    def decrypt_bytes(self, data: bytes, key: Any) -> bytes:
        """Return decrypted bytes.

        Args:
            data: The encrypted bytes.
            key: The key.

        Raises:
            DecryptionError: they were altered, or encrypted with another key or method.
        """
        return self._decrypted(bytes(data), key)

    def _encrypted(self, data: bytes, key: Any) -> bytes:
        header, content_key = self.seal(key)
        return header + AESGCM(content_key).encrypt(header[-IV_SIZE:], data, None)

    def _decrypted(self, data: bytes, key: Any) -> bytes:
        header, rest = data[: self.header_size], data[self.header_size :]
        if len(rest) < TAG_SIZE:
            raise DecryptionError("too short")
        try:
            return AESGCM(self.open(header, key)).decrypt(header[-IV_SIZE:], rest, None)
        except InvalidTag:
            raise DecryptionError("altered, or encrypted with another key") from None

    def open(self, header: bytes, key: Any) -> bytes:
        """Return the AES key for a header and a key.

        Raises:
            DecryptionError: the key cannot be used, or the header is invalid.
        """
        try:
            return self._content_key(header, key)
        except (TypeError, ValueError) as error:
            raise DecryptionError(str(error)) from None

    @abstractmethod
    def seal(self, key: Any) -> tuple[bytes, bytes]:
        """Return a new header, and the AES key for it.

        Raises:
            TypeError: the key cannot be used.
            ValueError: the same.
        """

    @abstractmethod
    def _content_key(self, header: bytes, key: Any) -> bytes: ...


class Aes256Gcm(AesGcmMethod):
    """`aes-256-gcm`: one key of 32 bytes encrypts and decrypts. The header is the IV."""

    header_size = IV_SIZE

    def seal(self, key: Any) -> tuple[bytes, bytes]:
        """Return a new IV, and the key."""
        return os.urandom(IV_SIZE), symmetric_key(key)

    def _content_key(self, header: bytes, key: Any) -> bytes:
        return symmetric_key(key)


def payload(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of a payload.

    Raises:
        DecryptionError: the payload is missing, or is not Base64.
    """
    text = content.get("payload")
    if not isinstance(text, str):
        raise DecryptionError("content.payload is not a string")
    try:
        return _base64.decode(text)
    except ValueError as error:
        raise DecryptionError(f"content.payload: {error}") from None
