"""Python SDK for Pryv.io.

A name's module is imported when the name is first used. So programs pay only for what they use, and a command can be
interrupted from its start.
"""

from __future__ import annotations

from pryv._version import __version__

TYPE_CHECKING = False  # type checkers take it as true, and `typing` takes time to import
if TYPE_CHECKING:
    from typing import Any

    from pryv import addons, auth, frames, oauth, resources, shared_secrets, types, utils
    from pryv._access_requests import AccessRequest
    from pryv._assets import ServiceAssets
    from pryv._batch import Call
    from pryv._events import EventStream, StreamedEvents
    from pryv._series import Series
    from pryv._service_info import ServiceInfo
    from pryv._transport.limits import Limits
    from pryv._transport.retry import RetryPolicy
    from pryv.connection import Connection
    from pryv.errors import (
        ERRORS,
        AccessRefusedError,
        AccessTimeoutError,
        ApiError,
        ForbiddenError,
        IntegrityError,
        InvalidAccessTokenError,
        InvalidCredentialsError,
        InvalidParametersError,
        ItemAlreadyExistsError,
        MfaRequiredError,
        MissingAddonError,
        OAuthError,
        OAuthLoginRequiredError,
        PryvConnectionError,
        PryvError,
        PryvProtocolError,
        PryvStreamError,
        PryvTimeoutError,
        PryvTlsError,
        RateLimitedError,
        ResponseTooLargeError,
        ServerError,
        SharedSecretUnavailableError,
        StaleAccessIdError,
        TooManyResultsError,
        UnknownResourceError,
    )
    from pryv.service import Service, connect_from_key

__all__ = [
    "ERRORS",
    "AccessRefusedError",
    "AccessRequest",
    "AccessTimeoutError",
    "ApiError",
    "Call",
    "Connection",
    "EventStream",
    "ForbiddenError",
    "IntegrityError",
    "InvalidAccessTokenError",
    "InvalidCredentialsError",
    "InvalidParametersError",
    "ItemAlreadyExistsError",
    "Limits",
    "MfaRequiredError",
    "MissingAddonError",
    "OAuthError",
    "OAuthLoginRequiredError",
    "PryvConnectionError",
    "PryvError",
    "PryvProtocolError",
    "PryvStreamError",
    "PryvTimeoutError",
    "PryvTlsError",
    "RateLimitedError",
    "ResponseTooLargeError",
    "RetryPolicy",
    "Series",
    "ServerError",
    "Service",
    "ServiceAssets",
    "ServiceInfo",
    "SharedSecretUnavailableError",
    "StaleAccessIdError",
    "StreamedEvents",
    "TooManyResultsError",
    "UnknownResourceError",
    "__version__",
    "addons",
    "auth",
    "connect_from_key",
    "frames",
    "oauth",
    "resources",
    "shared_secrets",
    "types",
    "utils",
]

_MODULES = ("addons", "auth", "errors", "frames", "oauth", "resources", "shared_secrets", "types", "utils")
_LATER = {
    "AccessRequest": "pryv._access_requests",
    "ServiceAssets": "pryv._assets",
    "Call": "pryv._batch",
    "EventStream": "pryv._events",
    "StreamedEvents": "pryv._events",
    "Series": "pryv._series",
    "ServiceInfo": "pryv._service_info",
    "Limits": "pryv._transport.limits",
    "RetryPolicy": "pryv._transport.retry",
    "Connection": "pryv.connection",
    "Service": "pryv.service",
    "connect_from_key": "pryv.service",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"pryv.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER.get(name, "pryv.errors")), name)
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
