"""The metadata of an authorization server (RFC 8414)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from pryv._display import public_names
from pryv._spelling import web_url
from pryv._transport import json
from pryv._transport.http import Response
from pryv._transport.results import error_of
from pryv._transport.urls import host_of
from pryv.errors import PryvProtocolError
from pryv.oauth._urls import is_same_issuer, is_secure

LABEL = "GET .well-known/oauth-authorization-server"

_URLS = ("authorization_endpoint", "token_endpoint")
_LISTS = (
    "scopes_supported",
    "response_types_supported",
    "grant_types_supported",
    "token_endpoint_auth_methods_supported",
    "code_challenge_methods_supported",
    "dpop_signing_alg_values_supported",
)
_ISS = "authorization_response_iss_parameter_supported"


@attrs.frozen
class AuthorizationServer(Mapping[str, Any]):
    """The metadata of an authorization server: attributes for the members that are used, and a mapping of all members.

    The mapping has the keys of `RFC 8414, section 2 <https://www.rfc-editor.org/rfc/rfc8414#section-2>`__. A list is
    empty if the server does not have it. A Pryv.io server may support more grant types than it lists.

    Attributes:
        issuer: The server's identifier, as it writes it.
        authorization_endpoint: The URL that a browser is sent to.
        token_endpoint: The URL that tokens are requested from.
        scopes_supported: The scopes.
        response_types_supported: The response types.
        grant_types_supported: The grant types.
        token_endpoint_auth_methods_supported: How clients may authenticate at the token endpoint.
        code_challenge_methods_supported: The methods of PKCE.
        dpop_signing_alg_values_supported: The algorithms of DPoP proofs.
        authorization_response_iss_parameter_supported: Whether the redirect to the client has the issuer in it
            (`RFC 9207 <https://www.rfc-editor.org/rfc/rfc9207>`__).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    scopes_supported: tuple[str, ...] = ()
    response_types_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()
    code_challenge_methods_supported: tuple[str, ...] = ()
    dpop_signing_alg_values_supported: tuple[str, ...] = ()
    authorization_response_iss_parameter_supported: bool = False
    _wire: Mapping[str, Any] = attrs.field(alias="wire", factory=dict, repr=False)

    __dir__ = public_names

    def __getitem__(self, key: str) -> Any:
        return self._wire[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._wire)

    def __len__(self) -> int:
        return len(self._wire)


def server_of(response: Response, issuer: str) -> AuthorizationServer:
    """Return the authorization server that a response describes.

    Args:
        response: The response.
        issuer: The URL that was asked for.

    Raises:
        ApiError: the server failed.
        PryvProtocolError: the response is not the metadata of this issuer, or names a URL that is not secure.
    """
    if response.status != 200:
        raise error_of(response)
    wire = json.decode(response.body, LABEL)
    if not isinstance(wire, Mapping):
        raise PryvProtocolError(f"{LABEL}: an object was expected, not {type(wire).__name__}")
    if not is_same_issuer(issuer, wire.get("issuer")):
        raise PryvProtocolError(f"{LABEL}: the metadata is that of another issuer than {host_of(issuer)}")
    for name in _URLS:
        if not _is_usable(wire.get(name)):
            raise PryvProtocolError(f"{LABEL}: {name} is missing, or not an https URL")
    lists: dict[str, Any] = {name: _strings(wire.get(name)) for name in _LISTS}
    urls: dict[str, Any] = {name: wire[name] for name in ("issuer", *_URLS)}
    return AuthorizationServer(
        **urls, **lists, authorization_response_iss_parameter_supported=wire.get(_ISS) is True, wire=wire
    )


def _is_usable(url: Any) -> bool:
    """Return whether a member is an https URL without credentials and fragment, or an http URL of this machine."""
    try:
        return isinstance(url, str) and is_secure(web_url(url)) and "#" not in url
    except ValueError:
        return False


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
