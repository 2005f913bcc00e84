"""URLs in one spelling: what leads to the same place is the same text."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

HOST = r"(?:\[[0-9a-fA-F:.]+\]|[^\s/?#\\@:%\[\]]{1,253})"
"""What may stand for a host in a URL; `origin` looks closer."""

PORT = r"(?::(?P<port>[0-9]{1,5}))?"

_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_WEB_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{HOST}){PORT}(?P<rest>(?:[/?#][^\s\x00-\x1f\x7f-\x9f]*)?)", re.IGNORECASE
)
_AS_THEY_ARE = "%:/?#[]@!$&'()*+,;=~"
"""The characters that RFC 3986 gives a place in a URL, letters and digits aside."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_USERNAME = "{username}"
_STAND_IN = "username-stands-here"


def origin(scheme: str, host: str, port: str | None) -> str:
    """Return the beginning of a URL, up to its path: in lower case, and with a port only where it is not the usual one.

    A name beyond ASCII is spelled as the DNS has it; a final dot, which changes nothing but how the name is looked up,
    is left out.

    Raises:
        ValueError: no host has such a name, or no port such a number.
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
        raise ValueError("not a host's name")
    return name


def _as_requested(host: str) -> str:
    """Return a name beyond ASCII as `requests` asks for it: by IDNA 2008; the standard library has IDNA 2003."""
    import requests

    return urlsplit(str(requests.Request("GET", f"https://{host}/").prepare().url)).netloc


def web_url(url: str) -> str:
    """Return an http(s) URL; what has no place in one is percent-encoded in its path, query and fragment.

    Raises:
        ValueError: it is no such URL, or has space, control characters or credentials in it.
    """
    match = _WEB_URL.fullmatch(url)
    if match is None:
        raise ValueError("expected http(s)://host/path, without credentials")
    return origin(match["scheme"], match["host"], match["port"]) + quote(match["rest"], safe=_AS_THEY_ARE)


def template(api: str) -> str:
    """Return a template of API endpoints, which has `{username}` in it, with `/` at its end.

    Raises:
        ValueError: it is none.
    """
    url = web_url(api.replace(_USERNAME, _STAND_IN))
    if "?" in url or "#" in url:
        raise ValueError("expected a URL without a query")
    return f"{url.rstrip('/')}/".replace(_STAND_IN, _USERNAME)


def domain(api: str) -> str:
    """Return the host of a template of API endpoints, with its port: without the label that names the user."""
    host = urlsplit(api).netloc
    return host.partition(".")[2] if _USERNAME in host else host
