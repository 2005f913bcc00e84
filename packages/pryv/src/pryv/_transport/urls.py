"""Paths and query strings, encoded so that no id can leave its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from pryv.utils import extract_token_and_api_endpoint

from . import json

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

    So is a list of no `streams`, as the events of none are not those of all.

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
        asks_for_none = key == "streams" and not items  # left out, it would ask for all
        if asks_for_none or any(isinstance(item, (Mapping, list, tuple)) for item in items):
            return [json.encode(items, key).decode()]
        return [_scalar(key, item) for item in items]
    return [_scalar(key, value)]


def _scalar(key: str, value: Any) -> str:
    text = json.encode(value, key).decode()
    return value if isinstance(value, str) else text


def host_of(url: str) -> str:
    """Return a URL's host and port, without credentials: what may be named in a message. It is empty for no URL."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def resolved(url: str, place: str) -> str | None:
    """Return where `place`, found in the answer of `url`, leads to; `None` where that is no URL, or one less secure."""
    try:
        target = urljoin(url, place)
        is_safe = _is_no_less_secure(url, target)
    except ValueError:
        return None
    return target if is_safe else None


def moved(endpoint: str, place: str) -> str | None:
    """Return an account's endpoint at the `place` an answer names: a core, or a URL of the account there.

    Cores have the username in the path, even where the account has a host name of its own. It is `None` where the
    place is no URL, or one less secure.
    """
    try:
        token, target = extract_token_and_api_endpoint(place.partition("?")[0])
    except ValueError:
        return None
    if token is not None or not _is_no_less_secure(endpoint, target):
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


def _is_no_less_secure(old: str, new: str) -> bool:
    return urlsplit(new).scheme in (("https",) if urlsplit(old).scheme == "https" else ("http", "https"))
