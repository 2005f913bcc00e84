"""Errors of anchors and mirrors."""

from __future__ import annotations

from pryv import PryvError


class AnchorError(PryvError):
    """The anchor or the mirror cannot be used."""


class AnchorMismatchError(AnchorError):
    """The anchor belongs to another scope, account, or access to the account; the message says which.

    Use a separate store or mirror, or `reset()` this one. Another access to the same account can `Monitor.adopt` it.

    Attributes:
        differs: `scope`, `account` or `access`.
    """

    def __init__(self, message: str, *, differs: str = "account") -> None:
        super().__init__(message)
        self.differs = differs


class AnchorCorruptError(AnchorError):
    """The anchor or the mirror is damaged: `reset()` it to start over."""


class AnchorLockedError(AnchorError):
    """Another monitor uses the anchor or the mirror."""

    retryable = True


class ContendedError(AnchorError):
    """Another worker has committed to the mirror since this pass began. Nothing of this pass is committed.

    A started monitor makes another pass, which starts from what the other worker has committed.
    """

    retryable = True
