"""The settings of an authentication."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs
from attrs import validators

from pryv._arguments import require_callback
from pryv.auth._states import Listener
from pryv.service import Service
from pryv.utils import clean_url_from_pryv_params


def _return_url(url: Any) -> str | Literal[False]:
    """Return the URL that the user is redirected to at the end, `False` for none.

    `auto` redirects only if a web page needs it; a program on a terminal does not.
    """
    if not url:
        return False
    if not isinstance(url, str):
        raise TypeError(f"returnURL is a string, not {type(url).__name__}")
    if url[-1] not in "?#&":
        raise ValueError("returnURL ends with '?', '#' or '&', as parameters are appended to it")
    if url.startswith("auto"):
        return False
    if url.startswith("self"):
        raise ValueError("returnURL cannot be 'self': a program has no page; set the URL of one")
    return clean_url_from_pryv_params(url)


def _checked(request: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(request, Mapping):
        raise TypeError(f"auth_request is a dict, not {type(request).__name__}")
    if not isinstance(request.get("requestingAppId"), str) or not request["requestingAppId"]:
        raise ValueError("auth_request has no requestingAppId")
    if not isinstance(request.get("requestedPermissions"), list):
        raise ValueError("auth_request has no list of requestedPermissions")
    return {**request, "returnURL": _return_url(request.get("returnURL"))}


@attrs.frozen
class AuthSettings:
    """The access request to the user, and the callback for each state.

    See `Auth request <https://pryv.github.io/reference/#auth-request>`__ in the API reference.

    Attributes:
        auth_request: `requestingAppId`, `requestedPermissions` and further members of the API's auth request.
            A `returnURL` ends with `?`, `#` or `&`; without one the user stays on the page of the platform.
        on_state_change: A callback for each `AuthState`. A state from a new access request has no credentials: its
            `key` gives the connection. A state from stored credentials has `api_endpoint`.

    Raises:
        TypeError: a setting has the wrong type.
        ValueError: `requestingAppId` or `requestedPermissions` is missing, or `returnURL` is malformed.
    """

    auth_request: dict[str, Any] = attrs.field(converter=_checked)
    on_state_change: Listener | None = attrs.field(
        default=None,
        validator=validators.optional(lambda _settings, field, callback: require_callback(callback, field.name)),
    )


def require_sign_in(settings: object, service: object) -> None:
    """Check the arguments of a sign-in.

    Raises:
        TypeError: one has the wrong type.
    """
    if not isinstance(settings, AuthSettings):
        raise TypeError(f"settings are a pryv.auth.AuthSettings, not {type(settings).__name__}")
    if not isinstance(service, Service):
        raise TypeError(f"service is a pryv.Service, not {type(service).__name__}")
