"""Interim responses (1xx), which come before the response itself: RFC 9110, section 15.2.

`http.client` (`HTTPResponse.begin`) reads past 100 alone, any number of times, and takes the others for the response
itself, which then stays on the connection, as if it answered the next request.
"""

from __future__ import annotations

from http.client import HTTPException
from typing import Any

import requests
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import ProtocolError

MOST = 100
"""Interim responses that come before one response."""


class TooManyInterimResponsesError(HTTPException):
    """No response came among the first `MOST`."""


def is_interim(status: int) -> bool:
    """Tell whether another response follows one of this status."""
    return 100 <= status < 200 and status != 101


def read_past(response: requests.Response) -> None:
    """Make what was taken for the response, where it is an interim one, into the response that follows.

    Raises:
        urllib3.exceptions.ProtocolError: none follows.
    """
    raw: Any = response.raw
    original = raw._original_response
    interim = 0
    try:
        while is_interim(response.status_code) and original is not None:
            interim += 1
            if interim > MOST:
                raise TooManyInterimResponsesError
            original.headers = original.msg = None  # for a head to be read again
            original.begin()
            raw.status = response.status_code = original.status
    except (HTTPException, OSError) as failure:
        response.close()
        raise ProtocolError("no response after an interim one", failure) from failure
    if interim:
        raw.headers = HTTPHeaderDict(original.msg.items())
        raw.chunked = original.chunked
        raw.length_remaining = raw._init_length(response.request.method)
