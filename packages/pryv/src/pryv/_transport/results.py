"""From an HTTP response to the result or the error of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pryv._tracebacks import without_frames
from pryv.errors import ApiError, PryvProtocolError, RateLimitedError, ServerError, api_error

from . import json
from .failures import is_transient_status
from .http import Response
from .redact import redact, redact_error
from .urls import host_of

T = TypeVar("T")
BodyT = TypeVar("BodyT", bound=Mapping[str, Any])

_REASONS: Final = {
    413: "the request is too large for the platform",
    414: "the URL is too long for the platform",
    431: "the URL is too long for the platform",
    511: "the network requires its user to sign in first",  # RFC 6585
}
"""The reasons of statuses that a server in front of the platform may send, mostly with a page."""

_ERROR_MEMBERS: Final = frozenset(("error", "meta"))
"""The members of an error. A result may have an `error` too, as that of `accesses.checkApp`."""


@without_frames
def result_of(response: Response, *secrets: str | None, sent: Any = None) -> dict[str, Any]:
    """Return the object in a successful response to a request with the data `sent`.

    Raises:
        ApiError: the response is an error of the API.
        PryvProtocolError: the response is not one of the API.
    """
    if response.status >= 300 and not _is_result_without_place(response):
        raise error_of(response, *secrets, sent=sent)
    body = json.decode(response.body, response.label) if response.value is None else response.value
    if not isinstance(body, dict):
        raise PryvProtocolError(f"{response.label}: an object was expected, not {type(body).__name__}")
    if isinstance(body.get("error"), dict) and not body.keys() - _ERROR_MEMBERS:
        raise _api_error(body["error"], response, secrets, sent)
    return body


def _is_result_without_place(response: Response) -> bool:
    """Return whether a response is a 302 without a `Location`, such as that of `mfa.activate`."""
    return response.status == 302 and "Location" not in response.headers and bool(response.body)


def error_of(response: Response, *secrets: str | None, sent: Any = None) -> ApiError | PryvProtocolError:
    """Return the error in an unsuccessful response to a request with the data `sent`."""
    label = response.label
    try:
        body = json.decode(response.body, label)
    except PryvProtocolError:
        body = None
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, Mapping):
        return _api_error(error, response, secrets, sent)
    if response.status in _REASONS:
        return PryvProtocolError(f"{label}: HTTP {response.status}: {_REASONS[response.status]}")
    if is_transient_status(response.status) or response.status >= 500:
        return _api_error({"message": "no response of the API"}, response, secrets, sent)
    if 300 <= response.status < 400 and "Location" in response.headers:
        place = redact(host_of(response.headers["Location"]), *secrets) or "another path of the host"
        return PryvProtocolError(f"{label}: HTTP {response.status} redirects to {place}; the redirect is not followed")
    return PryvProtocolError(f"{label}: HTTP {response.status}, and not a response of the API")


def error_among(
    members: Mapping[str, Any], response: Response, *secrets: str | None, sent: Any = None
) -> ApiError | None:
    """Return the error among the members of a streamed response, sent after its status; `None` without one."""
    error = members.get("error")
    return _api_error(error, response, secrets, sent) if isinstance(error, Mapping) else None


def member(body: Mapping[str, Any], key: str, kind: type[T], label: str) -> T:
    """Return a member of a response, checked to be of a type.

    Raises:
        PryvProtocolError: the member is missing, or has another type.
    """
    value = body.get(key)
    if isinstance(value, kind):
        return value
    del body, value  # or a traceback would hold them
    raise _without_member(key, kind, label)


def with_members(body: BodyT, label: str, **kinds: type) -> BodyT:
    """Return a response, checked to have members of types.

    Raises:
        PryvProtocolError: a member is missing, or has another type.
    """
    wrong = [(key, kind) for key, kind in kinds.items() if not isinstance(body.get(key), kind)]
    if not wrong:
        return body
    del body  # or a traceback would hold it
    raise _without_member(*wrong[0], label)


_JSON_KINDS: Final[dict[type, str]] = {dict: "object", list: "array", str: "string", bool: "boolean"}


def _without_member(key: str, kind: type, label: str) -> PryvProtocolError:
    return PryvProtocolError(f"{label}: the response has no {key!r} of type {_JSON_KINDS.get(kind, kind.__name__)}")


def _api_error(body: Mapping[str, Any], response: Response, secrets: tuple[str | None, ...], sent: Any) -> ApiError:
    shown = redact_error(body, *secrets, sent=sent)
    error = api_error(shown, status=response.status, method=redact(response.label, *secrets))
    if response.status >= 400:
        error.retryable = is_transient_status(response.status)
    if isinstance(error, (RateLimitedError, ServerError)):
        error.retry_after = response.retry_after
    return error
