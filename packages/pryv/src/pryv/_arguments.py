"""Checks of arguments, before any request."""

from __future__ import annotations

from typing import Any

from pryv._spelling import web_url


def require(**arguments: Any) -> None:
    """Refuse arguments that are no text.

    Raises:
        TypeError: one is not a string.
        ValueError: one is empty.
    """
    for name, value in arguments.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} is a string, not {type(value).__name__}")
        if not value:
            raise ValueError(f"{name} is empty")


def http_url(url: Any, name: str) -> str:
    """Return the URL of the web that an argument is, in its one spelling.

    Raises:
        TypeError: it is not a string.
        ValueError: it is no URL, or has credentials in it.
    """
    if not isinstance(url, str):
        raise TypeError(f"{name} is a string, not {type(url).__name__}")
    try:
        return web_url(url)
    except ValueError:
        raise ValueError(f"{name} is not a URL: expected http(s)://host/path, without credentials") from None
