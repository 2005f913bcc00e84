"""What can be wrong with an anchor."""

from __future__ import annotations

from pryv import PryvError


class AnchorError(PryvError):
    """The anchor, or the mirror that holds it, cannot be used."""


class AnchorMismatchError(AnchorError):
    """The anchor belongs to another scope, account, or access to the account; the message says which.

    Use a separate store or mirror, or `reset()` this one. Another access to the same account can `Monitor.adopt` it.
    """


class AnchorCorruptError(AnchorError):
    """The anchor is not what was written: `reset()` the store to start over."""


class AnchorLockedError(AnchorError):
    """Another monitor is using the anchor."""

    retryable = True


class ContendedError(AnchorError):
    """Another worker has committed to the mirror since this pass began; nothing of this one is committed.

    A monitor that follows an account makes another pass, which starts from what the other has committed.
    """

    retryable = True
