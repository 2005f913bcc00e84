"""Authorization requests with PKCE (RFC 7636), and the redirects that answer them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from urllib.parse import parse_qsl, urlencode

import attrs

from pryv._display import SecretText
from pryv._transport.redact import redact
from pryv.errors import AccessRefusedError, OAuthError
from pryv.oauth._metadata import AuthorizationServer

_SCHEME = re.compile("[A-Za-z][A-Za-z0-9+.-]*:")


def _without_query(url: str) -> str:
    return repr(url.partition("?")[0])


@attrs.frozen
class AuthorizationRequest:
    """A request to a person for access, which a browser takes to the authorization server.

    A web application keeps it in the person's session until the browser comes back: it can be pickled.

    Attributes:
        url: The URL to open in the browser.
        state: The value that comes back with the browser; a secret.
        code_verifier: The proof that the code was requested by this program; a secret.
        redirect_uri: The URL that the browser comes back to.
    """

    url: str = attrs.field(repr=_without_query)
    state: str = attrs.field(converter=SecretText, repr=False)
    code_verifier: str = attrs.field(converter=SecretText, repr=False)
    redirect_uri: str


def new_request(
    server: AuthorizationServer, client_id: str, redirect_uri: str, scope: str | None, state: str | None
) -> AuthorizationRequest:
    """Return a new authorization request, with a random state if none is given."""
    verifier = SecretText(secrets.token_urlsafe(32))
    state = secrets.token_urlsafe(32) if state is None else state
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        **({} if scope is None else {"scope": scope}),
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        "state": state,
    }
    separator = "&" if "?" in server.authorization_endpoint else "?"
    url = f"{server.authorization_endpoint}{separator}{urlencode(query)}"
    return AuthorizationRequest(url, state, verifier, redirect_uri)


def challenge_of(verifier: str) -> str:
    """Return the challenge for a code verifier (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def callback_params(url_or_query: str) -> dict[str, str]:
    """Return the parameters with which the browser came back.

    Raises:
        TypeError: the URL is not a string.
        OAuthError: a parameter is repeated.
    """
    if not isinstance(url_or_query, str):
        raise TypeError(f"a URL or query is a string, not {type(url_or_query).__name__}")
    pairs = [(name, SecretText(value)) for name, value in parse_qsl(_query_of(url_or_query), keep_blank_values=True)]
    params: dict[str, str] = dict(pairs)
    del url_or_query  # or a traceback would hold it
    if len(params) < len(pairs):  # RFC 6749, section 3.1
        raise _invalid("a parameter is repeated")
    return params


def _query_of(url_or_query: str) -> str:
    path, mark, query = url_or_query.partition("#")[0].partition("?")
    if mark:
        return query
    return "" if _SCHEME.match(path) else path


def has_state(params: dict[str, str], request: AuthorizationRequest) -> bool:
    """Return whether the browser came back from a request."""
    return hmac.compare_digest(params.get("state", "").encode(), request.state.encode())


def is_answer(query: str, request: AuthorizationRequest) -> bool:
    """Return whether the query of a URL answers a request."""
    try:
        return has_state(callback_params(f"?{query}"), request)
    except OAuthError:
        return False


def code_of(params: dict[str, str], request: AuthorizationRequest, server: AuthorizationServer) -> SecretText:
    """Return the code in the parameters with which the browser came back.

    Raises:
        AccessRefusedError: the person refused.
        OAuthError: the server sent an error, the parameters are of another server, or there is no code.
    """
    issuer = params.get("iss")
    if issuer is None and server.authorization_response_iss_parameter_supported:
        raise _invalid("iss, the issuer, is missing")
    if issuer is not None and issuer != server.issuer:  # RFC 9207, section 2.4: compared as text
        raise _invalid("iss, the issuer, is another authorization server")
    error = params.get("error")
    if error == "access_denied":
        raise AccessRefusedError("the user refused the access request")
    if error is not None:
        hidden = (request.state, request.code_verifier, params.get("code"))
        raise OAuthError(redact(error, *hidden), redact(params.get("error_description", ""), *hidden) or None)
    if not params.get("code"):
        raise _invalid("there is no code")
    return SecretText(params["code"])


def _invalid(problem: str) -> OAuthError:
    return OAuthError("invalid-callback", problem)
