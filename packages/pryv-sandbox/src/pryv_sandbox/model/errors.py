"""The errors of the API."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An error of the API: an id, a message, data if there are any, and an HTTP status."""

    def __init__(self, status: int, error_id: str, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.id = error_id
        self.message = message
        self.data = data

    def public(self) -> dict[str, Any]:
        """The error as it is sent."""
        error = {"id": self.id, "message": self.message} if self.message else {"id": self.id}
        return error if self.data is None else {**error, "data": self.data}


def forbidden(
    message: str = "The given token's access permissions do not allow this operation.", data: Any = None
) -> ApiError:
    """The access does not allow this."""
    return ApiError(403, "forbidden", message, data)


def gone() -> ApiError:
    """The method was removed from the API."""
    return ApiError(410, "removed-method", "API method gone, please stop using it.")


def invalid_access_token(message: str, status: int = 401) -> ApiError:
    """The token is missing, unknown or no longer valid."""
    return ApiError(status, "invalid-access-token", message)


def invalid_credentials(message: str = "The given username/password pair is invalid.") -> ApiError:
    """The username or password is wrong, or the page that sends it is not trusted."""
    return ApiError(401, "invalid-credentials", message)


def invalid_method(method_id: str) -> ApiError:
    """The method does not exist."""
    return ApiError(404, "invalid-method", f'Invalid method id "{method_id}"')


def invalid_operation(message: str, data: Any = None) -> ApiError:
    """The request is valid, but the state of the account does not allow it."""
    return ApiError(400, "invalid-operation", message, data)


def invalid_parameters(data: Any, message: str = "The parameters' format is invalid.") -> ApiError:
    """The parameters do not match their schema."""
    return ApiError(400, "invalid-parameters-format", message, data)


def invalid_request_structure(message: str, data: Any = None) -> ApiError:
    """The request cannot be read."""
    return ApiError(400, "invalid-request-structure", message, data)


def already_exists(kind: str, keys: dict[str, Any], store: str | None = None) -> ApiError:
    """Another item has the same unique values; the message begins with the data store, if one is given."""
    article = "An" if kind[0] in "aeiou" else "A"
    values = ", ".join(f'{key} "{"null" if value is None else value}"' for key, value in keys.items())
    origin = f'Error from data store "{store}": ' if store else ""
    return ApiError(409, "item-already-exists", f"{origin}{article} {kind} with {values} already exists", keys)


def proof_refused() -> ApiError:
    """The token is bound to a key, and the request has no valid proof of that key."""
    return invalid_access_token("DPoP proof verification failed.", 403)


def unexpected(message: str) -> ApiError:
    """The platform failed."""
    return ApiError(500, "unexpected-error", f"Unexpected error: {message}")


def unhandled(message: str) -> ApiError:
    """The platform failed on an error of its own, whose text is then the id."""
    return ApiError(500, f"Error: {message}", "")


def unknown_resource(kind: str = "resource", item_id: str = "") -> ApiError:
    """The item or the path does not exist."""
    return ApiError(404, "unknown-resource", f"Unknown {kind} " + (f'"{item_id}"' if item_id else ""))


def unknown_reference(kind: str, key: str, value: str | list[str]) -> ApiError:
    """A parameter refers to an item that does not exist."""
    names = value if isinstance(value, str) else '", "'.join(value)
    return ApiError(400, "unknown-referenced-resource", f'Unknown referenced {kind} "{names}"', {key: value})


def too_many_results(limit: int) -> ApiError:
    """The result of a call in a batch, or over a socket, would have too many items."""
    return ApiError(
        413,
        "too-many-results",
        f"Your request gave too many results (the limit is {limit}): call the method directly, narrow it, or page.",
        {"limit": limit},
    )
