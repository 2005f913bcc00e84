"""A platform's visual assets and texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from pryv._service_info import INFO, DescribedPlatform
from pryv._transport import json
from pryv._transport.platform import Platform
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv._transport.urls import named, resolved
from pryv.errors import PryvProtocolError

_LABEL = "GET asset"


class ServiceAssets:
    """What a platform's assets definition holds; relative URLs in it count from its `baseUrl`, or from itself.

    Made by `Service.assets`.

    Raises:
        PryvProtocolError: its `baseUrl` is no URL of the web, or less secure than its own.
    """

    def __init__(self, definitions: Mapping[str, Any], url: str, platform: Platform) -> None:
        self._definitions = definitions
        self._url = url
        base_url = resolved(url, str(definitions.get("baseUrl") or url))
        if base_url is None:
            raise PryvProtocolError("GET assets: the baseUrl is no http(s) URL, or less secure than that of the assets")
        self._base_url = base_url
        self._platform = platform

    def __repr__(self) -> str:
        return f"<ServiceAssets {self._base_url}>"

    def get(self, key_path: str | None = None) -> Any:
        """Return what is found in the definition; `None` if nothing is.

        Args:
            key_path: Keys separated by `:`, such as `lib-js:buttonSignIn`; without any, the whole is returned.

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
        """Return the absolute URL found in the definition.

        Args:
            key_path: Keys separated by `:`, such as `favicon:default:url`.

        Raises:
            TypeError: `key_path` is not a string.
            ValueError: there is no URL under it, or one less secure than that of the definition.
        """
        url = self.get(key_path)
        if not isinstance(url, str):
            raise ValueError(f"the assets have no URL under {key_path!r}")
        return self.relative_url(url)

    def relative_url(self, url: str) -> str:
        """Return the absolute form of a URL in the definition.

        Args:
            url: As it stands there; relative ones count from the definition's `baseUrl`, or from the definition.

        Raises:
            ValueError: it is no URL of the web, or less secure than that of the definition.
        """
        place = named(self._url, urljoin(self._base_url, url))
        if place is None:
            raise ValueError("not an http(s) URL, or less secure than that of the assets")
        return place

    def login_button_html(self, *, timeout: CallTimeout = DEFAULT) -> str:
        """Fetch and return the HTML of the sign-in button.

        Args:
            timeout: In place of the service's.

        Raises:
            ValueError: the assets define none.
            PryvError: it cannot be fetched.
        """
        return self._fetch(self.get_url("lib-js:buttonSignIn:html"), timeout).decode("utf-8-sig", "replace")

    def login_button_css_url(self) -> str:
        """Return the URL of the sign-in button's style sheet.

        Raises:
            ValueError: the assets define none.
        """
        return self.get_url("lib-js:buttonSignIn:css")

    def login_button_messages(self, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """Fetch and return the texts of the sign-in button, by their name and language.

        Args:
            timeout: In place of the service's.

        Raises:
            ValueError: the assets define none.
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
    place = named("http:" if is_given else str(info_url), url)
    if place is None:
        raise PryvProtocolError(f"{INFO}: its assets are at no http(s) URL, or at one less secure than its own")
    return ServiceAssets(*platform.calls.get(place, "GET assets", timeout), platform.calls)
