"""Errors of a fleet."""

from __future__ import annotations

from pryv import AccessRefusedError, PryvError
from pryv_monitor import AnchorError


class FleetError(PryvError):
    """A fleet cannot do this: an account is unknown, or its state forbids it; or a key is missing or wrong."""


class BusyError(FleetError):
    """A worker passes the account now, or its platform has asked not to be called before a time: try again later."""

    retryable = True


class RefusedError(FleetError, AccessRefusedError):
    """The platform refuses the token of the account, which is not asked again until it gets a new one."""


class DatabaseError(FleetError, AnchorError):
    """PostgreSQL cannot be reached, or refused a statement.

    Attributes:
        retryable: Whether the same may succeed later: the server restarts, or the connection broke.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
