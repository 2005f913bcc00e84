"""What an authentication asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs
from attrs import validators

from pryv.auth._states import Listener
from pryv.utils import clean_url_from_pryv_params


def _return_url(url: Any) -> str | Literal[False]:
    """Return the URL the user is led back to, `False` where there is none.

    `auto` leads back where that is needed: on a terminal, or with a browser beside the program, it is not.
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
        raise ValueError("returnURL cannot be 'self': a program has no page of its own; give the URL")
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
    """What to ask the user for, and what to call with each state.

    See the API's *Auth request*.

    Attributes:
        auth_request: `requestingAppId`, `requestedPermissions` and further members as the API takes them.
            A `returnURL` ends with `?`, `#` or `&`; without one the user stays on the page of the platform.
        on_state_change: Called with each `AuthState`. One reached by a fresh access request holds no credentials:
            get the connection with its `key`. One restored from stored credentials holds `api_endpoint`.

    Raises:
        TypeError: a setting is of another type.
        ValueError: the request names no app or no permissions, or its `returnURL` cannot be one.
    """

    auth_request: dict[str, Any] = attrs.field(converter=_checked)
    on_state_change: Listener | None = attrs.field(
        default=None, validator=validators.optional(validators.is_callable())
    )
