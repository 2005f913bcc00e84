"""Interim responses (1xx), which come before the response itself: RFC 9110, section 15.2.

`http.client` skips only 100 (Continue), any number of times. It returns any other interim response as the response.
The real response then stays on the connection, and would be read as the response to the next request.
"""

from __future__ import annotations

from http.client import HTTPException

import requests
from urllib3.exceptions import ProtocolError

from .libraries import read_next_head

MOST = 100
"""Interim responses allowed before one response."""


class TooManyInterimResponsesError(HTTPException):
    """More than `MOST` interim responses came before a response."""


def is_interim(status: int) -> bool:
    """Return whether another response follows one of this status."""
    return 100 <= status < 200 and status != 101


def read_past(response: requests.Response) -> None:
    """Replace an interim response by the response that follows it.

    Raises:
        urllib3.exceptions.ProtocolError: none follows.
    """
    interim = 0
    try:
        while is_interim(response.status_code):
            interim += 1
            if interim > MOST:
                raise TooManyInterimResponsesError
            if not read_next_head(response):
                return
    except (HTTPException, OSError) as failure:
        response.close()
        raise ProtocolError("no response after an interim one", failure) from failure
