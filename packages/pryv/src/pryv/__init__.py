"""Python SDK for Pryv.io."""

from pryv import addons, types, utils
from pryv._assets import ServiceAssets
from pryv._batch import Call
from pryv._events import EventStream, StreamedEvents
from pryv._series import Series
from pryv._service_info import ServiceInfo
from pryv._transport.retry import RetryPolicy
from pryv._version import __version__
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
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
    PryvStreamError,
    PryvTimeoutError,
    PryvTlsError,
    RateLimitedError,
    ServerError,
    StaleAccessIdError,
    TooManyResultsError,
    UnknownResourceError,
)
from pryv.service import AccessRequest, Service, connect_from_key

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
    "MfaRequiredError",
    "MissingAddonError",
    "PryvConnectionError",
    "PryvError",
    "PryvProtocolError",
    "PryvStreamError",
    "PryvTimeoutError",
    "PryvTlsError",
    "RateLimitedError",
    "RetryPolicy",
    "Series",
    "ServerError",
    "Service",
    "ServiceAssets",
    "ServiceInfo",
    "StaleAccessIdError",
    "StreamedEvents",
    "TooManyResultsError",
    "UnknownResourceError",
    "__version__",
    "addons",
    "connect_from_key",
    "types",
    "utils",
]
