"""Paths and query strings, encoded so that no id can leave its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from pryv._spelling import web_url
from pryv.utils import build_api_endpoint, extract_token_and_api_endpoint

from . import json

MAX_REPEATED = 20
"""How often a key of a query may be repeated: beyond, qs, by which the platform parses it, makes no list of the values
(https://github.com/ljharb/qs, `arrayLimit`)."""
_DOTS = frozenset((".", ".."))


def path_segment(item_id: str) -> str:
    """Return an id percent-encoded as one path segment.

    Raises:
        TypeError: the id is not a string.
        ValueError: the id is empty, `.` or `..`, which no encoding keeps in place.
    """
    if not isinstance(item_id, str):
        raise TypeError(f"an id is a string, not {type(item_id).__name__}")
    if not item_id or item_id in _DOTS:
        raise ValueError(f"not an id: {item_id!r}")
    return quote(item_id, safe="")


def relative_path(path: str) -> str:
    """Return a path below the endpoint, ready to be appended to it.

    Raises:
        TypeError: the path is not a string.
        ValueError: the path has a query or a fragment, control characters, or would leave the endpoint.
    """
    if not isinstance(path, str):
        raise TypeError(f"a path is a string, not {type(path).__name__}")
    if any(mark in path for mark in "?#\\") or any(ord(char) < 0x20 or ord(char) == 0x7F for char in path):
        raise ValueError(f"not a path: {path!r}; query parameters have an argument of their own")
    relative = path.lstrip("/")
    if any(unquote(segment) in _DOTS for segment in relative.split("/")):
        raise ValueError(f"a path cannot have '.' or '..' segments: {path!r}")
    return quote(relative, safe="/%:@!$&'()*+,;=~")


def query_pairs(params: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return query parameters as the API reads them: lists of scalars as repeated keys, structures as JSON.

    So is a list of no `streams`, as the events of none are not those of all, and one of many.

    Raises:
        TypeError: the parameters are not a mapping from strings, or a value has no JSON form.
        ValueError: a number is not finite, or a string has no UTF-8 form.
    """
    if params is None:
        return []
    if not isinstance(params, Mapping):
        raise TypeError(f"parameters are a dict, not {type(params).__name__}")
    return [(key, text) for key, value in params.items() for text in _texts(key, value)]


def _texts(key: str, value: Any) -> Iterable[str]:
    if not isinstance(key, str):
        raise TypeError(f"a parameter's name is a string, not {type(key).__name__}")
    key.encode()
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        items = [item for item in value if item is not None]
        if (key == "streams" and not 0 < len(items) <= MAX_REPEATED) or any(
            isinstance(item, (Mapping, list, tuple)) for item in items
        ):
            return [json.encode(items, key).decode()]
        return [_scalar(item, key, index) for index, item in enumerate(items)]
    return [_scalar(value, key)]


def _scalar(value: Any, *path: str | int) -> str:
    text = json.encode(value, *path).decode()
    return value if isinstance(value, str) else text


def host_of(url: str) -> str:
    """Return a URL's host and port, without credentials: what may be named in a message. It is empty for no URL."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def named(url: str, place: object, *secrets: str | None) -> str | None:
    """Return the URL `place` that a response of `url` names.

    It is `None` where it is no URL of the web, is less secure, or has a secret in its host, which messages name.
    """
    try:
        target = web_url(place) if isinstance(place, str) else ""
    except ValueError:
        return None
    return target if is_no_less_secure(url, target) and not _is_told_by_host(target, secrets) else None


def api_endpoint_named(url: str, endpoint: Any) -> str | None:
    """Return the API endpoint that a response of `url` names; `None` where it is none, or less secure."""
    try:
        token, place = extract_token_and_api_endpoint(endpoint)
    except (TypeError, ValueError):
        return None
    return build_api_endpoint(place, token) if is_no_less_secure(url, place) else None


def resolved(url: str, place: str) -> str | None:
    """Return where `place`, which may be relative to `url`, leads to; `None` as `named` does."""
    try:
        return named(url, urljoin(url, place))
    except ValueError:
        return None


def moved(endpoint: str, place: str, *secrets: str | None) -> str | None:
    """Return an account's endpoint at the `place` a response names: a core, or a URL of the account there.

    Cores have the username in the path, even where the account has a host name of its own. It is `None` where the
    place is none that `named` would return.
    """
    try:
        token, target = extract_token_and_api_endpoint(place.partition("?")[0])
    except ValueError:
        return None
    if token is not None or named(endpoint, target, *secrets) is None:
        return None
    new = urlsplit(target)
    return urlunsplit((new.scheme, new.netloc, _account_path(urlsplit(endpoint), new), "", ""))


def _account_path(old: SplitResult, new: SplitResult) -> str:
    username = old.path.rstrip("/").rpartition("/")[2]
    if not username:
        username = _first_label(old)
        if _first_label(new) == username:
            return "/"
    before, found, _ = new.path.partition(f"/{username}/")
    if found:
        return before + found
    return f"/{username}/" if old.path == "/" else old.path


def _first_label(url: SplitResult) -> str:
    return (url.hostname or "").partition(".")[0]


def is_no_less_secure(url: str, place: str) -> bool:
    """Tell whether what a response of `url` names may be used.

    Whoever reads or changes what goes over http must not get what https protects: neither a password, key or token, nor
    a say in where these go. So an http place is used only if it came over http, or from the user.
    """
    return urlsplit(place).scheme in (("https",) if urlsplit(url).scheme == "https" else ("http", "https"))


def _is_told_by_host(url: str, secrets: tuple[str | None, ...]) -> bool:
    host = host_of(url)
    return any(secret.lower() in host for secret in secrets if secret)


def is_in_domain(url: str, domain: str) -> bool:
    """Tell whether a URL's host is the host `domain`, below it, or beside it below a domain of two labels or more.

    All names of this machine are one host.
    """
    host, home = (urlsplit(place).hostname or "" for place in (url, f"//{domain}"))
    if host == home or (_is_loopback(host) and _is_loopback(home)):
        return True
    parent = home.partition(".")[2]
    above = (home, parent) if "." in parent else (home,)
    return not _is_address(home) and any(host.endswith(f".{name}") for name in above)


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
