"""The token of an account, and the headers by which each request carries it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import attrs
import requests
from requests.auth import AuthBase

from pryv.errors import ERRORS


@attrs.frozen
class Refusal:
    """A response by which the platform refused a request, and did not carry it out.

    Attributes:
        token: The token that the request had.
        error_id: The id of the API's error, `None` if the response has none.
        message: The message of that error.
        headers: The headers of the response.
        clock_ahead: The seconds by which the `Date` of the response is ahead of the local time, if it has one.
    """

    token: str | None = attrs.field(repr=False)
    error_id: str | None
    message: str | None
    headers: Mapping[str, str] = attrs.field(repr=False)
    clock_ahead: float | None

    @property
    def is_of_token(self) -> bool:
        """Whether the token is unknown, revoked or expired. Of one that has expired, the platform says `forbidden`."""
        has_expired = self.error_id == ERRORS.FORBIDDEN and "has expired" in (self.message or "")
        return has_expired or self.error_id == ERRORS.INVALID_ACCESS_TOKEN


class Credentials(ABC):
    """The token of an account, which may change, and the headers that carry it.

    Several threads may use it.

    Attributes:
        is_bound: Whether the token is of no use without a proof in each request, so that only HTTP can carry it.
    """

    is_bound = False

    @property
    @abstractmethod
    def token(self) -> str | None:
        """The current token."""

    @property
    @abstractmethod
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown: the current token, and earlier ones."""

    @abstractmethod
    def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the headers of one attempt of a request; `url` is the one that it is sent to."""

    @abstractmethod
    def before_request(self) -> None:
        """Renew the token if that is due.

        Raises:
            PryvError: it could not be renewed.
        """

    @abstractmethod
    def renewed(self, refusal: Refusal) -> bool:
        """Return whether there are other headers now than those refused, so that the request may be repeated once.

        Raises:
            PryvError: the token could not be renewed.
        """

    @abstractmethod
    def observe_clock(self, ahead: float) -> None:
        """Take note of the seconds by which the platform's clock is ahead of the local one."""


class StaticToken(Credentials):
    """A token that stays the same, or no token."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._headers = {} if token is None else {"Authorization": token}

    @property
    def token(self) -> str | None:
        """The token."""
        return self._token

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token."""
        return () if self._token is None else (self._token,)

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the header with the token as it is."""
        del method, url
        return self._headers

    def before_request(self) -> None:
        """Do nothing: it is never due."""

    def renewed(self, refusal: Refusal) -> bool:
        """Return that there are no others."""
        del refusal
        return False

    def observe_clock(self, ahead: float) -> None:
        """Do nothing: the header has no time."""


class Authorization(AuthBase):
    """Adds the headers of credentials to each attempt of a request. With it, `requests` does not read `.netrc`.

    See https://requests.readthedocs.io/en/latest/user/authentication/#netrc-authentication.

    Attributes:
        token: The token of the last attempt.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self.token: str | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the headers to a request, whose method and URL are final."""
        self.token = self._credentials.token
        request.headers.update(self._credentials.headers(str(request.method), str(request.url)))
        return request

    def __repr__(self) -> str:
        return "Authorization(***)"
