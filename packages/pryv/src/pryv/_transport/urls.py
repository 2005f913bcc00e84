"""Paths and query strings, encoded so that an id cannot change the rest of the URL; and checks of URLs in responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from pryv._arguments import as_dict
from pryv._spelling import web_url
from pryv.utils import build_api_endpoint, extract_token_and_api_endpoint

from . import json

MAX_REPEATED = 20
"""How often a key of a query may be repeated. The platform parses queries with qs, which makes no list of more values
(https://github.com/ljharb/qs, `arrayLimit`)."""
_DOTS = frozenset((".", ".."))


def path_segment(item_id: str) -> str:
    """Return an id percent-encoded as one path segment.

    Raises:
        TypeError: the id is not a string.
        ValueError: the id is empty, `.` or `..`; percent-encoding does not protect the latter two.
    """
    if not isinstance(item_id, str):
        raise TypeError(f"an id is a string, not {type(item_id).__name__}")
    if not item_id or item_id in _DOTS:
        raise ValueError(f"not an id: {item_id!r}")
    return quote(item_id, safe="")


def relative_path(path: str) -> str:
    """Return a path below the endpoint, percent-encoded.

    Raises:
        TypeError: the path is not a string.
        ValueError: the path has a query, a fragment, control characters, or segments that would leave the endpoint.
    """
    if not isinstance(path, str):
        raise TypeError(f"a path is a string, not {type(path).__name__}")
    if any(mark in path for mark in "?#\\") or any(ord(char) < 0x20 or ord(char) == 0x7F for char in path):
        raise ValueError(f"not a path: {path!r}; query parameters are a separate argument")
    relative = path.lstrip("/")
    if any(unquote(segment) in _DOTS for segment in relative.split("/")):
        raise ValueError(f"a path cannot have '.' or '..' segments: {path!r}")
    return quote(relative, safe="/%:@!$&'()*+,;=~")


def query_pairs(params: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return query parameters in the form of the API: lists of scalars as repeated keys, structures as JSON.

    `streams` is JSON too if the list is empty, because a missing key would mean all streams, or if it is too long to
    repeat the key.

    Raises:
        TypeError: the parameters are not a mapping with string keys, or a value has no JSON form.
        ValueError: a number is not finite, or a string has no UTF-8 form.
    """
    if params is None:
        return []
    return [(key, text) for key, value in as_dict(params, "params").items() for text in _texts(key, value)]


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
    """Return a URL's host and port without credentials, for messages; an empty string if it is not a URL."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def usable_url(url: str, target: object, *secrets: str | None) -> str | None:
    """Return the normalized URL `target`, found in the response of `url`, if it may be used.

    It is `None` if `target` is not an http(s) URL, is less secure than `url`, or has a secret in its host: messages
    contain the host.
    """
    try:
        checked = web_url(target) if isinstance(target, str) else ""
    except ValueError:
        return None
    return checked if is_no_less_secure(url, checked) and not _has_secret_in_host(checked, secrets) else None


def usable_api_endpoint(url: str, endpoint: Any) -> str | None:
    """Return an API endpoint found in the response of `url`; `None` if it is malformed or less secure than `url`."""
    try:
        token, target = extract_token_and_api_endpoint(endpoint)
    except (TypeError, ValueError):
        return None
    return build_api_endpoint(target, token) if is_no_less_secure(url, target) else None


def resolved(url: str, target: str) -> str | None:
    """Return the absolute form of `target`, which may be relative to `url`; `None` in the cases of `usable_url`."""
    try:
        return usable_url(url, urljoin(url, target))
    except ValueError:
        return None


def moved_endpoint(endpoint: str, location: str, *secrets: str | None) -> str | None:
    """Return an account's new endpoint from a `location` in a response: the URL of a core, or of the account there.

    Cores have the username in the path, even if the account has its own host name. The result is `None` in the cases
    of `usable_url`.
    """
    try:
        token, target = extract_token_and_api_endpoint(location.partition("?")[0])
    except ValueError:
        return None
    if token is not None or usable_url(endpoint, target, *secrets) is None:
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


def is_no_less_secure(url: str, target: str) -> bool:
    """Return whether `target`, found in the response of `url`, is https if `url` is.

    An attacker who can read or change http traffic must not get what https protects: passwords, keys and tokens, and
    the URLs they are sent to. An http URL is therefore used only if it came over http, or from the user.
    """
    return urlsplit(target).scheme in (("https",) if urlsplit(url).scheme == "https" else ("http", "https"))


def _has_secret_in_host(url: str, secrets: tuple[str | None, ...]) -> bool:
    host = host_of(url)
    return any(secret.lower() in host for secret in secrets if secret)


def is_in_domain(url: str, domain: str) -> bool:
    """Return whether a URL's host is in a domain: `domain`, its subdomains, and those of its parent domain.

    A parent domain of one label, such as `com`, does not count. All names of this machine are one host.
    """
    host, home = (urlsplit(item).hostname or "" for item in (url, f"//{domain}"))
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
