"""The errors the platform answers with."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An error with its place in the API: an id, a message, perhaps data, and an HTTP status."""

    def __init__(self, status: int, error_id: str, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.id = error_id
        self.message = message
        self.data = data

    def public(self) -> dict[str, Any]:
        """The error as it is sent."""
        error = {"id": self.id, "message": self.message}
        return error if self.data is None else {**error, "data": self.data}


def forbidden(message: str = "The given token's access permissions do not allow this operation.") -> ApiError:
    """The token may not do that."""
    return ApiError(403, "forbidden", message)


def gone() -> ApiError:
    """The method existed once."""
    return ApiError(410, "removed-method", "API method gone, please stop using it.")


def invalid_access_token(message: str, status: int = 401) -> ApiError:
    """The token is missing, unknown or no longer valid."""
    return ApiError(status, "invalid-access-token", message)


def invalid_credentials(message: str = "The given username/password pair is invalid.") -> ApiError:
    """Wrong username or password, or not from there."""
    return ApiError(401, "invalid-credentials", message)


def invalid_method(method_id: str) -> ApiError:
    """There is no such method."""
    return ApiError(404, "invalid-method", f'Invalid method id "{method_id}"')


def invalid_operation(message: str, data: Any = None) -> ApiError:
    """The request is well formed but cannot be carried out as things stand."""
    return ApiError(400, "invalid-operation", message, data)


def invalid_parameters(data: Any, message: str = "The parameters' format is invalid.") -> ApiError:
    """The parameters break their schema."""
    return ApiError(400, "invalid-parameters-format", message, data)


def invalid_request_structure(message: str, data: Any = None) -> ApiError:
    """The request itself cannot be read."""
    return ApiError(400, "invalid-request-structure", message, data)


def already_exists(kind: str, keys: dict[str, Any], store: str | None = None) -> ApiError:
    """Another item has the same unique values; the message names the store that says so, if it does."""
    article = "An" if kind[0] in "aeiou" else "A"
    values = ", ".join(f'{key} "{"null" if value is None else value}"' for key, value in keys.items())
    origin = f'Error from data store "{store}": ' if store else ""
    return ApiError(409, "item-already-exists", f"{origin}{article} {kind} with {values} already exists", keys)


def unexpected(message: str) -> ApiError:
    """The platform failed."""
    return ApiError(500, "unexpected-error", f"Unexpected error: {message}")


def unknown_resource(kind: str = "resource", item_id: str = "") -> ApiError:
    """There is nothing at this place."""
    return ApiError(404, "unknown-resource", f"Unknown {kind} " + (f'"{item_id}"' if item_id else ""))


def unknown_reference(kind: str, key: str, value: str | list[str]) -> ApiError:
    """A parameter names an item that is not there."""
    names = value if isinstance(value, str) else '", "'.join(value)
    return ApiError(400, "unknown-referenced-resource", f'Unknown referenced {kind} "{names}"', {key: value})


def too_many_results(limit: int) -> ApiError:
    """A batch or socket answer would hold too many items."""
    return ApiError(
        413,
        "too-many-results",
        f"Your request gave too many results (the limit is {limit}): call the method directly, narrow it, or page.",
        {"limit": limit},
    )
