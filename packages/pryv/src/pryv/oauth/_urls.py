"""The URLs of OAuth: which may be used, and which may not."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pryv._arguments import http_url
from pryv._spelling import web_url
from pryv.utils import extract_token_and_api_endpoint

_WELL_KNOWN = "/.well-known/oauth-authorization-server"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_INVALID = re.compile(r"[\s\x00-\x1f\x7f-\x9f#]")


def is_secure(url: str) -> bool:
    """Return whether a URL is https, or http to this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def issuer_of(authorization_server: Any) -> str:
    """Return the URL of an authorization server, normalized.

    Raises:
        TypeError: it is not a string.
        ValueError: it is not a URL, has a query or a fragment, or is an http URL of another machine.
    """
    url = http_url(authorization_server, "authorization_server")
    if "?" in url or "#" in url:
        raise ValueError("authorization_server is a URL without query and fragment")
    if not is_secure(url):
        raise ValueError("authorization_server is an http URL: only https protects tokens, except on this machine")
    return url.rstrip("/")


def is_same_issuer(issuer: str, other: Any) -> bool:
    """Return whether two URLs of authorization servers are equivalent."""
    try:
        return isinstance(other, str) and web_url(other).rstrip("/") == issuer
    except ValueError:
        return False


def metadata_url(issuer: str) -> str:
    """Return the URL of an authorization server's metadata (RFC 8414, section 3.1)."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{parts.path}"


def secure_endpoint(api_endpoint: Any) -> str | None:
    """Return the URL in an API endpoint, without its token; `None` if it is malformed or not secure."""
    try:
        endpoint = extract_token_and_api_endpoint(api_endpoint).endpoint
    except (TypeError, ValueError):
        return None
    return endpoint if is_secure(endpoint) else None


def checked_redirect_uri(redirect_uri: Any) -> str:
    """Return a redirect URI, unchanged: the server compares it character by character.

    Raises:
        TypeError: it is not a string.
        ValueError: it is not an absolute URI, has a fragment, or is http://localhost without a port.
    """
    if not isinstance(redirect_uri, str):
        raise TypeError(f"redirect_uri is a string, not {type(redirect_uri).__name__}")
    parts = _split(redirect_uri)
    if not parts.scheme or _INVALID.search(redirect_uri):
        raise ValueError("redirect_uri is an absolute URI without fragment and white space")
    if parts.scheme == "http" and parts.hostname == "localhost" and parts.port is None:
        raise ValueError(
            "redirect_uri is http://localhost without a port: the server lets only http://127.0.0.1 and http://[::1] "
            "have any port; use http://127.0.0.1, or name the port"
        )
    return redirect_uri


def _split(redirect_uri: str) -> SplitResult:
    try:
        parts = urlsplit(redirect_uri)
        _ = parts.port
    except ValueError:
        raise ValueError("redirect_uri is not a URI") from None
    return parts
