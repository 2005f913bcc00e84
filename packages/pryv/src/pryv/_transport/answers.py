"""From an HTTP answer to the API's result or error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pryv.errors import ApiError, PryvProtocolError, RateLimitedError, ServerError, api_error

from . import json
from .failures import is_transient_status
from .http import Answer
from .redact import redact, redact_error
from .urls import host_of

T = TypeVar("T")
BodyT = TypeVar("BodyT", bound=Mapping[str, Any])


def result_of(answer: Answer, label: str, *secrets: str | None, sent: Any = None) -> dict[str, Any]:
    """Return the object a successful answer to a request with the data `sent` holds.

    Raises:
        ApiError: the answer is an error of the API.
        PryvProtocolError: the answer is not the API's.
    """
    if answer.status >= 300 and not _is_result_without_place(answer):
        raise error_of(answer, label, *secrets, sent=sent)
    body = json.decode(answer.body, label) if answer.value is None else answer.value
    if not isinstance(body, dict):
        raise PryvProtocolError(f"{label}: an object was expected, not {type(body).__name__}")
    if isinstance(body.get("error"), dict):
        raise _api_error(body["error"], answer, label, secrets, sent)
    return body


def _is_result_without_place(answer: Answer) -> bool:
    """Tell whether a 302 leads nowhere, as that of `mfa.activate` does."""
    return answer.status == 302 and "Location" not in answer.headers and bool(answer.body)


def error_of(answer: Answer, label: str, *secrets: str | None, sent: Any = None) -> ApiError | PryvProtocolError:
    """Return the error that an unsuccessful answer to a request with the data `sent` tells of."""
    try:
        body = json.decode(answer.body, label)
    except PryvProtocolError:
        body = None
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, Mapping):
        return _api_error(error, answer, label, secrets, sent)
    if answer.status == 511:  # RFC 6585
        return PryvProtocolError(f"{label}: HTTP 511: the network wants its user to sign in first")
    if is_transient_status(answer.status) or answer.status >= 500:
        return _api_error({"message": "no answer of the API"}, answer, label, secrets, sent)
    if answer.status in (414, 431):
        return PryvProtocolError(f"{label}: HTTP {answer.status}: the URL is too long for the platform")
    if 300 <= answer.status < 400:
        place = redact(host_of(answer.headers.get("Location", "")), *secrets) or "an unnamed place"
        return PryvProtocolError(f"{label}: HTTP {answer.status} redirects to {place}; this is not followed")
    return PryvProtocolError(f"{label}: HTTP {answer.status}, and not with an answer of the API")


def member(body: Mapping[str, Any], key: str, kind: type[T], label: str) -> T:
    """Return a member of an answer that is of a kind.

    Raises:
        PryvProtocolError: there is none, or it is of another.
    """
    value = body.get(key)
    if isinstance(value, kind):
        return value
    del body, value  # or a traceback would hold them
    raise _without_member(key, kind, label)


def having(body: BodyT, key: str, kind: type, label: str) -> BodyT:
    """Return an answer that has a member of a kind.

    Raises:
        PryvProtocolError: there is none, or it is of another.
    """
    if isinstance(body.get(key), kind):
        return body
    del body  # or a traceback would hold it
    raise _without_member(key, kind, label)


_JSON_KINDS: Final[dict[type, str]] = {dict: "object", list: "array", str: "string", bool: "boolean"}


def _without_member(key: str, kind: type, label: str) -> PryvProtocolError:
    return PryvProtocolError(f"{label}: the answer has no {key!r} of type {_JSON_KINDS.get(kind, kind.__name__)}")


def _api_error(
    body: Mapping[str, Any], answer: Answer, label: str, secrets: tuple[str | None, ...], sent: Any
) -> ApiError:
    shown = redact_error(body, *secrets, sent=sent)
    error = api_error(shown, status=answer.status, method=redact(label, *secrets))
    if answer.status >= 400:
        error.retryable = is_transient_status(answer.status)
    if isinstance(error, (RateLimitedError, ServerError)):
        error.retry_after = answer.retry_after
    return error
