"""Exceptions of this package; none of them contains a key, a passphrase or plaintext."""

from __future__ import annotations

from typing import Any

from pryv import PryvError


class EncryptionError(PryvError):
    """An event or a file cannot be encrypted or decrypted."""


class UnknownMethodError(EncryptionError):
    """The encryption method is not registered."""


class MissingKeyError(EncryptionError):
    """The keyring does not have the key.

    Attributes:
        key_ref: The name of the key, `None` if the event has none.
        hint: The event's hint about the key, `None` if it has none.
    """

    def __init__(self, message: str, *, key_ref: str | None = None, hint: Any = None) -> None:
        super().__init__(message)
        self.key_ref = key_ref
        self.hint = hint


class DecryptionError(EncryptionError):
    """An event or a file cannot be decrypted: it was altered, or encrypted with another key or method.

    Attributes:
        event_id: The id of the event, `None` if it is not known.
    """

    def __init__(self, message: str, *, event_id: str | None = None) -> None:
        super().__init__(message)
        self.event_id = event_id
