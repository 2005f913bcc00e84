"""A platform's visual assets and texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from pryv._display import public_names
from pryv._service_info import INFO, DescribedPlatform
from pryv._transport import json
from pryv._transport.platform import Platform
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv._transport.urls import resolved, usable_url
from pryv.errors import PryvProtocolError

_LABEL = "GET asset"


class ServiceAssets:
    """The definition of a platform's assets. Relative URLs in it are relative to its `baseUrl`, or to its own URL.

    `Service.assets` returns it.

    Raises:
        PryvProtocolError: `baseUrl` is not an http(s) URL, or it is http and the definition came over https.
    """

    def __init__(self, definitions: Mapping[str, Any], url: str, platform: Platform) -> None:
        self._definitions = definitions
        self._url = url
        base_url = resolved(url, str(definitions.get("baseUrl") or url))
        if base_url is None:
            raise PryvProtocolError("GET assets: the baseUrl is not http(s), or less secure than the URL of the assets")
        self._base_url = base_url
        self._platform = platform

    def __repr__(self) -> str:
        return f"<ServiceAssets {self._base_url}>"

    __dir__ = public_names

    def get(self, key_path: str | None = None) -> Any:
        """Return a member of the definition, `None` if there is no such member.

        Args:
            key_path: Keys separated by `:`, such as `lib-js:buttonSignIn`; without it, the whole definition is
                returned.

        Raises:
            TypeError: `key_path` is not a string.
        """
        if not isinstance(key_path, (str, type(None))):
            raise TypeError(f"key_path is a string, not {type(key_path).__name__}")
        found: Any = dict(self._definitions)
        for key in key_path.split(":") if key_path else ():
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def get_url(self, key_path: str) -> str:
        """Return a URL of the definition in its absolute form.

        Args:
            key_path: Keys separated by `:`, such as `favicon:default:url`.

        Raises:
            TypeError: `key_path` is not a string.
            ValueError: there is no URL under it, or it is http and the definition came over https.
        """
        url = self.get(key_path)
        if not isinstance(url, str):
            raise ValueError(f"the assets have no URL under {key_path!r}")
        return self.relative_url(url)

    def relative_url(self, url: str) -> str:
        """Return the absolute form of a URL in the definition.

        Args:
            url: The URL. A relative one is relative to the definition's `baseUrl`, or to the definition's own URL.

        Raises:
            ValueError: it is not an http(s) URL, or it is http and the definition came over https.
        """
        absolute = usable_url(self._url, urljoin(self._base_url, url))
        if absolute is None:
            raise ValueError("not an http(s) URL, or less secure than the URL of the assets")
        return absolute

    def login_button_html(self, *, timeout: CallTimeout = DEFAULT) -> str:
        """Fetch and return the HTML of the sign-in button.

        Args:
            timeout: Replaces the service's timeout.

        Raises:
            ValueError: the definition has none.
            PryvError: it cannot be fetched.
        """
        return self._fetch(self.get_url("lib-js:buttonSignIn:html"), timeout).decode("utf-8-sig", "replace")

    def login_button_css_url(self) -> str:
        """Return the URL of the sign-in button's style sheet.

        Raises:
            ValueError: the definition has none.
        """
        return self.get_url("lib-js:buttonSignIn:css")

    def login_button_messages(self, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """Fetch and return the texts of the sign-in button, by name and language.

        Args:
            timeout: Replaces the service's timeout.

        Raises:
            ValueError: the definition has none.
            PryvError: they cannot be fetched.
        """
        body = self._fetch(self.get_url("lib-js:buttonSignIn:messages"), timeout)
        messages = json.decode(body, _LABEL)
        if not isinstance(messages, dict):
            raise PryvProtocolError(f"{_LABEL}: the texts are not an object")
        return messages

    def _fetch(self, url: str, timeout: CallTimeout) -> bytes:
        response, _ = self._platform.follow(url, _LABEL, timeout)
        if response.status != 200:
            raise PryvProtocolError(f"{_LABEL}: HTTP {response.status}")
        return response.body


def fetch_assets(platform: DescribedPlatform, force_fetch: bool, timeout: CallTimeout) -> ServiceAssets | None:
    """Fetch the platform's assets; see `Service.assets`."""
    url = platform.info(timeout, force_fetch=force_fetch).assets.get("definitions")
    if not isinstance(url, str):
        return None
    info_url = platform.known.url
    is_given = info_url is None or "assets" in platform.customizations
    assets_url = usable_url("http:" if is_given else str(info_url), url)
    if assets_url is None:
        raise PryvProtocolError(f"{INFO}: the URL of its assets is not http(s), or less secure than its own URL")
    return ServiceAssets(*platform.calls.get(assets_url, "GET assets", timeout), platform.calls)
