"""From an HTTP answer to the API's result or error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pryv.errors import ApiError, PryvProtocolError, RateLimitedError, ServerError, api_error

from . import json
from .failures import TRANSIENT_STATUSES
from .http import Answer
from .redact import redact, redact_data
from .urls import host_of


def result_of(answer: Answer, label: str, *secrets: str | None) -> dict[str, Any]:
    """Return the object a successful answer holds.

    Raises:
        ApiError: the answer is an error of the API.
        PryvProtocolError: the answer is not the API's.
    """
    if answer.status >= 300:
        raise error_of(answer, label, *secrets)
    body = json.decode(answer.body, label)
    if not isinstance(body, dict):
        raise PryvProtocolError(f"{label}: an object was expected, not {type(body).__name__}")
    if isinstance(body.get("error"), dict):
        raise _api_error(body["error"], answer, label, secrets)
    return body


def error_of(answer: Answer, label: str, *secrets: str | None) -> ApiError | PryvProtocolError:
    """Return the error an unsuccessful answer tells of."""
    try:
        body = json.decode(answer.body, label)
    except PryvProtocolError:
        body = None
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, Mapping):
        return _api_error(dict(error), answer, label, secrets)
    if answer.status == 511:  # RFC 6585
        return PryvProtocolError(f"{label}: HTTP 511: the network wants its user to sign in first")
    if answer.status in TRANSIENT_STATUSES or answer.status >= 500:
        return _api_error({"message": "no answer of the API"}, answer, label, secrets)
    if 300 <= answer.status < 400:
        place = host_of(answer.headers.get("Location", "")) or "an unnamed place"
        return PryvProtocolError(f"{label}: HTTP {answer.status} redirects to {place}; this is not followed")
    return PryvProtocolError(f"{label}: HTTP {answer.status}, and not with an answer of the API")


def _api_error(body: dict[str, Any], answer: Answer, label: str, secrets: tuple[str | None, ...]) -> ApiError:
    error = api_error(redact_data(body, *secrets), status=answer.status, method=redact(label, *secrets))
    if answer.status >= 400:
        error.retryable = answer.status in TRANSIENT_STATUSES
    if isinstance(error, (RateLimitedError, ServerError)):
        error.retry_after = answer.retry_after
    return error
