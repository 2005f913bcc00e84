"""The API's error ids and the exceptions raised by this package.

Every exception derives from `PryvError` and can be pickled. Its `retryable` says whether the same call may succeed
later.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pryv._text import printable


class ERRORS:
    """Ids of the API's errors, to compare with `ApiError.id`."""

    API_UNAVAILABLE: Final = "api-unavailable"
    CORRUPTED_DATA: Final = "corrupted-data"
    FORBIDDEN: Final = "forbidden"
    INVALID_ACCESS_TOKEN: Final = "invalid-access-token"
    INVALID_CREDENTIALS: Final = "invalid-credentials"
    UNSUPPORTED_OPERATION: Final = "unsupported-operation"
    INVALID_EVENT_TYPE: Final = "invalid-event-type"
    INVALID_ITEM_ID: Final = "invalid-item-id"
    INVALID_METHOD: Final = "invalid-method"
    INVALID_OPERATION: Final = "invalid-operation"
    INVALID_PARAMETER: Final = "invalid-parameter"
    INVALID_PARAMETERS: Final = "invalid-parameters"
    INVALID_PARAMETERS_FORMAT: Final = "invalid-parameters-format"
    INVALID_REQUEST_STRUCTURE: Final = "invalid-request-structure"
    ITEM_ALREADY_EXISTS: Final = "item-already-exists"
    STALE_RESOURCE: Final = "stale-resource"
    MISSING_HEADER: Final = "missing-header"
    MISSING_PARAMETER: Final = "missing-parameter"
    UNEXPECTED_ERROR: Final = "unexpected-error"
    UNKNOWN_REFERENCED_RESOURCE: Final = "unknown-referenced-resource"
    UNKNOWN_RESOURCE: Final = "unknown-resource"
    UNSUPPORTED_CONTENT_TYPE: Final = "unsupported-content-type"
    TOO_MANY_RESULTS: Final = "too-many-results"
    GONE: Final = "removed-method"
    UNAVAILABLE_METHOD: Final = "unavailable-method"
    WRONG_CORE: Final = "wrong-core"
    USER_ACCOUNT_RELOCATED: Final = "user-account-relocated"
    USER_INTERVENTION_REQUIRED: Final = "user-intervention-required"

    INVALID_INVITATION_TOKEN: Final = "invitationToken-invalid"
    INVALID_USERNAME: Final = "username-invalid"
    USERNAME_REQUIRED: Final = "username-required"
    INVALID_EMAIL: Final = "email-invalid"
    INVALID_LANGUAGE: Final = "language-invalid"
    INVALID_APP_ID: Final = "appid-invalid"
    INVALID_PASSWORD: Final = "password-invalid"
    INVALID_REFERER: Final = "referer-invalid"
    EMAIL_REQUIRED: Final = "email-required"
    PASSWORD_REQUIRED: Final = "password-required"
    MISSING_REQUIRED_FIELD: Final = "missing-required-field"
    NEW_PASSWORD_FIELD_IS_REQUIRED: Final = "newPassword-required"

    DENIED_STREAM_ACCESS: Final = "denied-stream-access"
    TOO_HIGH_ACCESS_FOR_SYSTEM_STREAMS: Final = "too-high-access-for-account-stream"
    FORBIDDEN_MULTIPLE_ACCOUNT_STREAMS: Final = "forbidden-multiple-account-streams-events"
    FORBIDDEN_ACCOUNT_EVENT_MODIFICATION: Final = "forbidden-none-editable-account-streams"
    FORBIDDEN_TO_CHANGE_ACCOUNT_STREAM_ID: Final = "forbidden-change-account-streams-id"
    FORBIDDEN_TO_EDIT_NONEDITABLE_ACCOUNT_FIELDS: Final = "forbidden-to-edit-noneditable-account-fields"

    UNKNOWN_USER: Final = "unknown-user"
    UNKNOWN_EMAIL: Final = "unknown-email"
    UNKNOWN_ACCESS_KEY: Final = "unknown-access-key"


def _restore(cls: type[PryvError], args: tuple[Any, ...], state: dict[str, Any]) -> PryvError:
    error = cls.__new__(cls)
    error.args = args  # an OSError leaves them to its __init__
    error.__dict__.update(state)
    return error


class PryvError(Exception):
    """Base class of the exceptions of this package.

    Attributes:
        retryable: Whether the same call may succeed later.
    """

    retryable: bool = False

    def __str__(self) -> str:
        return printable(super().__str__())

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


class ApiError(PryvError):
    """The platform responded with an error.

    Attributes:
        id: The API's error id (see `ERRORS`), `None` if the response has none.
        message: The platform's message.
        data: The platform's details, `None` if there are none.
        status: HTTP status, `None` for an error inside a batch.
        method: The API method (`events.create`) or HTTP call (`GET events`) that failed.
        index: The number of its call in a batch, from 0; `None` where it was not raised by a batch.
        results: Where a batch raised it, the results received.
    """

    index: int | None = None
    results: list[Any]

    def __init__(
        self,
        message: str,
        *,
        id: str | None = None,
        data: Any = None,
        status: int | None = None,
        method: str | None = None,
    ) -> None:
        super().__init__(message)
        self.id = id
        self.message = message
        self.data = data
        self.status = status
        self.method = method

    def __str__(self) -> str:
        number = "" if self.index is None else f"call {self.index}: "
        where = f"{number}{_cut(self.method)}: " if self.method else number
        facts = [_cut(self.id)] if self.id else []
        if self.status is not None:
            facts.append(f"HTTP {self.status}")
        retry_after = getattr(self, "retry_after", None)
        if retry_after is not None:
            facts.append(f"retry after {retry_after:.0f} s")
        known = f" [{', '.join(facts)}]" if facts else ""
        message = _cut(self.message)
        objections = itertools.islice(_validation_messages(self.data), _LONGEST)  # more are not shown
        others = dict.fromkeys(text for text in objections if text not in message)
        why = f": {_cut('; '.join(others))}" if others else ""
        return f"{where}{message}{known}{why}"


class InvalidAccessTokenError(ApiError):
    """The token is missing, unknown, expired or revoked."""


class InvalidCredentialsError(ApiError):
    """The username and password, or the app id, were not accepted."""


class ForbiddenError(ApiError):
    """The access lacks the permission for this call."""


class SharedSecretUnavailableError(ForbiddenError):
    """A shared secret cannot be read: it was read or discarded before, has expired, or lacks the right proof.

    Attributes:
        message: The message of its creator.
        return_url: The http(s) URL of a page of its creator, `None` if there is none.
    """

    @property
    def return_url(self) -> str | None:
        """The URL of a page of its creator."""
        url = self.data.get("returnUrl") if isinstance(self.data, dict) else None
        return url if isinstance(url, str) and url.lower().startswith(("http://", "https://")) else None


class UnknownResourceError(ApiError):
    """The event, stream, access, user, e-mail address, key… does not exist."""


class ItemAlreadyExistsError(ApiError):
    """An item with the same unique fields exists already; `data` names them."""


class InvalidParametersError(ApiError):
    """The platform did not accept the parameters; `data` contains which and why."""


class TooManyResultsError(ApiError):
    """The result is too large for a batch or a socket; read it with `Connection.iter_events`."""


class StaleAccessIdError(ApiError):
    """The access was updated: its id names an older version.

    Attributes:
        provided: The id that was sent.
        current_serial: The serial of the current version, `None` if the platform did not say.
    """

    @property
    def provided(self) -> str | None:
        """The id that was sent."""
        provided: str | None = self._detail("provided")
        return provided

    @property
    def current_serial(self) -> int | None:
        """The serial of the access's current version."""
        serial: int | None = self._detail("currentSerial")
        return serial

    def _detail(self, key: str) -> Any:
        return self.data.get(key) if isinstance(self.data, dict) else None


class MfaRequiredError(ApiError):
    """The login needs a second factor: continue with `Service.mfa_verify`.

    Attributes:
        mfa_token: The token for `Service.mfa_challenge` and `Service.mfa_verify`. A secret: not part of the message.
    """

    def __init__(self, message: str, *, mfa_token: str, status: int | None = None, method: str | None = None) -> None:
        super().__init__(message, id="mfa-required", status=status, method=method)
        self.mfa_token = mfa_token


class RateLimitedError(ApiError):
    """Too many requests (429).

    Attributes:
        retry_after: Seconds that the platform asks to wait, a day at most; `None` if it does not say.
    """

    retryable = True
    retry_after: float | None = None


class ServerError(ApiError):
    """The platform failed (5xx).

    Attributes:
        retry_after: Seconds that the platform asks to wait, a day at most; `None` if it does not say.
    """

    retryable = True
    retry_after: float | None = None


class PryvConnectionError(PryvError):
    """There is no complete response: the connection failed, or broke before the end.

    Attributes:
        sent: Whether the platform may have received the request, and carried it out.
    """

    retryable = True

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class PryvTimeoutError(PryvConnectionError, TimeoutError):
    """The platform did not respond in time."""


class PryvTlsError(PryvConnectionError):
    """A certificate was not accepted or cannot be used, or there is no TLS version in common.

    A handshake that was cut short is transient: it is a plain `PryvConnectionError`.
    """

    retryable = False


class PryvStreamError(PryvError):
    """A streamed response was cut short or is malformed.

    Attributes:
        events_seen: How many events (deletions included) had been yielded before.
    """

    retryable = True

    def __init__(self, message: str, *, events_seen: int = 0) -> None:
        super().__init__(message)
        self.events_seen = events_seen


class PryvProtocolError(PryvError):
    """The response is not one of the Pryv.io API: another server, or a proxy, may have sent it."""


class ResponseTooLargeError(PryvError):
    """A response is larger than the connection's `Limits` allow; the message names the limit."""


class IntegrityError(PryvError):
    """A downloaded attachment does not have the size or checksum the platform announced."""

    retryable = True


class AccessRefusedError(PryvError):
    """The user refused the access request."""


class AccessTimeoutError(PryvError):
    """The user did not answer the access request in time, or the platform no longer knows it."""


class OAuthError(PryvError):
    """An authorization server refused a request, or an OAuth session cannot be used or kept.

    Attributes:
        error: An error code of OAuth (`RFC 6749, section 5.2 <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>`__),
            such as `invalid_grant`; or one of this package: `login-required`, `invalid-callback`, `outcome-unknown`,
            `not-saved`, `locked`, `other-client`.
        description: The reason, `None` if the server gave none.
        status: HTTP status, `None` if this is not the response to a request.
        tokens: The `OAuthTokens` that could not be saved, and are now the only valid ones; `None` for other errors.
            They are secret, and not part of a pickle.
    """

    tokens: Any = None

    def __init__(self, error: str, description: str | None = None, *, status: int | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status

    def __str__(self) -> str:
        status = "" if self.status is None else f" [HTTP {self.status}]"
        return f"{_cut(self.error)}{status}{f': {_cut(self.description)}' if self.description else ''}"

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in self.__dict__.items() if name != "tokens"}
        return _restore, (type(self), self.args, state)


class OAuthLoginRequiredError(OAuthError):
    """There is no OAuth session, or it has ended: a person must log in again."""


class MissingAddonError(PryvError):
    """An add-on or an extra is not installed; the message names the `pip install` line."""


_CLASS_BY_ID: Final[dict[str, type[ApiError]]] = {
    ERRORS.INVALID_ACCESS_TOKEN: InvalidAccessTokenError,
    ERRORS.INVALID_CREDENTIALS: InvalidCredentialsError,
    ERRORS.FORBIDDEN: ForbiddenError,
    ERRORS.DENIED_STREAM_ACCESS: ForbiddenError,
    ERRORS.UNKNOWN_RESOURCE: UnknownResourceError,
    ERRORS.UNKNOWN_REFERENCED_RESOURCE: UnknownResourceError,
    ERRORS.UNKNOWN_USER: UnknownResourceError,
    ERRORS.UNKNOWN_EMAIL: UnknownResourceError,
    ERRORS.UNKNOWN_ACCESS_KEY: UnknownResourceError,
    ERRORS.ITEM_ALREADY_EXISTS: ItemAlreadyExistsError,
    ERRORS.STALE_RESOURCE: StaleAccessIdError,
    ERRORS.TOO_MANY_RESULTS: TooManyResultsError,
    ERRORS.MISSING_PARAMETER: InvalidParametersError,
    ERRORS.INVALID_PARAMETER: InvalidParametersError,
    ERRORS.INVALID_PARAMETERS: InvalidParametersError,
    ERRORS.INVALID_PARAMETERS_FORMAT: InvalidParametersError,
    ERRORS.INVALID_REQUEST_STRUCTURE: InvalidParametersError,
    ERRORS.INVALID_EVENT_TYPE: InvalidParametersError,
    ERRORS.INVALID_ITEM_ID: InvalidParametersError,
    ERRORS.API_UNAVAILABLE: ServerError,
    ERRORS.UNEXPECTED_ERROR: ServerError,
}

_CLASS_BY_DETAIL: Final[dict[str, type[ApiError]]] = {"shared-secret-unavailable": SharedSecretUnavailableError}
"""By the `id` in an error's data."""

_CLASS_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    400: InvalidParametersError,
    401: InvalidAccessTokenError,
    403: ForbiddenError,
    404: UnknownResourceError,
    429: RateLimitedError,
}


_LONGEST = 250
"""Characters of a text of the platform that a message shows."""
_DEEPEST = 10
"""Levels of an error's data that are searched for messages."""


def _cut(text: str) -> str:
    shown = printable(text[:_LONGEST])
    return shown if len(shown) < _LONGEST else f"{shown[: _LONGEST - 1]}…"


def _validation_messages(data: Any) -> Iterator[str]:
    """Yield the messages in the data of an error, each with the path that it is about."""
    if isinstance(data, str):
        yield data
    else:
        yield from _messages(data)


def _messages(data: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(data, Mapping):
        if isinstance(data.get("message"), str):
            yield _validation_message(data["message"], data)
        data = list(data.values())
    if isinstance(data, list) and depth < _DEEPEST:
        for item in data:
            yield from _messages(item, depth + 1)


def _validation_message(message: str, about: Mapping[str, Any]) -> str:
    """Return the message of a schema validation error, with the path `#/update/emails` as `update.emails`."""
    path = ".".join(filter(None, str(about.get("path") or "").lstrip("#").split("/"))) or about.get("param")
    params = about.get("params")
    names = [name for name in params if isinstance(name, str)] if isinstance(params, list) else []
    unnamed = ", ".join(name for name in names if name not in message)
    return f"{f'{path}: ' if path else ''}{message}{f' ({unnamed})' if unnamed else ''}"


def api_error(body: Any, *, status: int | None = None, method: str | None = None) -> ApiError:
    """Return the exception for an error object of the API (`{"id", "message", "data"}`).

    The id in the data decides the class, then the id, then the status; otherwise it is a plain `ApiError`. See
    `Errors <https://pryv.github.io/reference/#errors>`__ in the API reference.

    Args:
        body: The error object.
        status: The HTTP status of the response, if it has one.
        method: The name of the call in the message, without secrets.
    """
    error = body if isinstance(body, dict) else {}
    error_id = error.get("id") if isinstance(error.get("id"), str) else None
    cls = _CLASS_BY_DETAIL.get(_detail_id(error)) or _CLASS_BY_ID.get(error_id or "")
    if cls is None and status is not None:
        cls = ServerError if status >= 500 else _CLASS_BY_STATUS.get(status)
    message = error.get("message")
    if not isinstance(message, str) or not message:
        message = "the platform responded with an error"
    return (cls or ApiError)(message, id=error_id, data=error.get("data"), status=status, method=method)


def _detail_id(error: Mapping[str, Any]) -> str:
    data = error.get("data")
    detail_id = data.get("id") if isinstance(data, Mapping) else None
    return detail_id if isinstance(detail_id, str) else ""
