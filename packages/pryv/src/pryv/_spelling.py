"""Normalized URLs: equivalent URLs become the same text."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

HOST = r"(?:\[[0-9a-fA-F:.]+\]|[^\s/?#\\@:%\[\]]{1,253})"
"""The syntax of a host in a URL, roughly; `origin` checks it."""

PORT = r"(?::(?P<port>[0-9]{1,5}))?"

API_ENDPOINT_FORM = "https://TOKEN@host/ or https://TOKEN@host/username/"
"""What an API endpoint looks like, for messages."""

_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_WEB_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{HOST}){PORT}(?P<rest>(?:[/?#][^\s\x00-\x1f\x7f-\x9f]*)?)", re.IGNORECASE
)
_UNQUOTED = "%:/?#[]@!$&'()*+,;=~"
"""The characters that RFC 3986 allows in a URL, besides letters and digits."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_USERNAME = "{username}"
_PLACEHOLDER = "username-stands-here"


def origin(scheme: str, host: str, port: str | None) -> str:
    """Return the origin of a URL: in lower case, and without the default port of the scheme.

    A name with non-ASCII characters becomes its DNS form. A final dot is removed: it only changes how the name is
    looked up.

    Raises:
        ValueError: the host or the port is invalid.
    """
    scheme, number = scheme.lower(), int(port or _DEFAULT_PORTS[scheme.lower()])
    if not 0 < number < 1 << 16:
        raise ValueError(f"not a port: {number}")
    return f"{scheme}://{_host(host)}{'' if number == _DEFAULT_PORTS[scheme] else f':{number}'}"


def _host(host: str) -> str:
    if host.startswith("["):
        from ipaddress import IPv6Address

        return f"[{IPv6Address(host[1:-1]).compressed}]"
    if not host.isascii():
        host = _as_requested(host)
    name = host.lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        raise ValueError("not a host name")
    return name


def _as_requested(host: str) -> str:
    """Return the DNS form of a non-ASCII name as `requests` makes it.

    That is IDNA 2008 (https://github.com/psf/requests/issues/3687); the standard library has IDNA 2003.
    """
    import requests

    return urlsplit(str(requests.Request("GET", f"https://{host}/").prepare().url)).netloc


def web_url(url: str) -> str:
    """Return an http(s) URL, with the characters that a URL must not contain percent-encoded after the host.

    Raises:
        ValueError: it is not an http(s) URL, or contains white space, control characters or credentials.
    """
    match = _WEB_URL.fullmatch(url)
    if match is None:
        raise ValueError("expected http(s)://host/path, without credentials")
    return origin(match["scheme"], match["host"], match["port"]) + quote(match["rest"], safe=_UNQUOTED)


def template(api: str) -> str:
    """Return a template of API endpoints, a URL that contains `{username}`, with `/` at its end.

    Raises:
        ValueError: it is not a URL, or has a query or a fragment.
    """
    url = web_url(api.replace(_USERNAME, _PLACEHOLDER))
    if "?" in url or "#" in url:
        raise ValueError("expected a URL without a query")
    return f"{url.rstrip('/')}/".replace(_PLACEHOLDER, _USERNAME)


def domain(api: str) -> str:
    """Return the host and port in a template of API endpoints, without the label of the username."""
    host = urlsplit(api).netloc
    return host.partition(".")[2] if _USERNAME in host else host
