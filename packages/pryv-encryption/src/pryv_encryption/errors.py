"""Exceptions of this package; none of them holds a key, a passphrase or plaintext."""

from __future__ import annotations

from typing import Any

from pryv import PryvError


class EncryptionError(PryvError):
    """Something cannot be encrypted or decrypted."""


class UnknownMethodError(EncryptionError):
    """No encryption method of that name is registered."""


class MissingKeyError(EncryptionError):
    """The keyring has no key for it.

    Attributes:
        key_ref: The name of the key, `None` where the event has none.
        hint: The event's hint about the key, `None` where it has none.
    """

    def __init__(self, message: str, *, key_ref: str | None = None, hint: Any = None) -> None:
        super().__init__(message)
        self.key_ref = key_ref
        self.hint = hint


class DecryptionError(EncryptionError):
    """An event or a file cannot be decrypted: it was altered, or encrypted with another key or in another way.

    Attributes:
        event_id: The id of the event, `None` where it is not known.
    """

    def __init__(self, message: str, *, event_id: str | None = None) -> None:
        super().__init__(message)
        self.event_id = event_id
