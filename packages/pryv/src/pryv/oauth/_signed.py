"""Connections whose token is bound to a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from pryv._display import secret
from pryv._transport.limits import Limits
from pryv._transport.retry import RetryPolicy
from pryv._transport.timeouts import DEFAULT_TIMEOUT, Timeout
from pryv.connection import Connection
from pryv.oauth._dpop import BoundToken, DPoPKey

if TYPE_CHECKING:
    from pryv.service import Service


class SignedConnection(Connection):
    """A connection whose token is bound to a key (DPoP): each attempt of a request carries a new proof.

    It is used as a `Connection`. The platform accepts a bound token in HTTP calls of the API only: sockets and series
    raise a `PryvError` before any request. Proofs are dated by the platform's time, as its last response has it.

    Args:
        api_endpoint: The account's API endpoint, with the token.
        key: The key that the token is bound to.
        service: As for `Connection`.
        timeout: As for `Connection`.
        retry: As for `Connection`.
        session: As for `Connection`.
        chunk_size: As for `Connection`.
        limits: As for `Connection`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `api_endpoint` is malformed or has no token, or a number is out of range.
    """

    def __init__(
        self,
        api_endpoint: str,
        key: DPoPKey,
        service: Service | None = None,
        *,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008  (frozen)
        session: requests.Session | None = None,
        chunk_size: int = 1000,
        limits: Limits = Limits(),  # noqa: B008  (frozen)
    ) -> None:
        api_endpoint = secret(api_endpoint)
        super().__init__(
            api_endpoint,
            service,
            timeout=timeout,
            retry=retry,
            session=session,
            chunk_size=chunk_size,
            limits=limits,
        )
        if not isinstance(key, DPoPKey):
            raise TypeError(f"key is a DPoPKey, not {type(key).__name__}")
        if self.token is None:
            raise ValueError("api_endpoint has no token")
        self._account.credentials = BoundToken(self.token, key)
