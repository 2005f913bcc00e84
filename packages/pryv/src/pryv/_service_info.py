"""The description of a platform."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import attrs

from pryv._arguments import as_dict
from pryv._display import public_names
from pryv._spelling import template
from pryv._transport.platform import Platform
from pryv._transport.retry import RetryPolicy
from pryv._transport.timeouts import CallTimeout, Default
from pryv._transport.urls import host_of, usable_url
from pryv.errors import PryvProtocolError
from pryv.utils import build_api_endpoint

INFO = "GET service/info"

_URLS = ("access", "api", "register")
"""The URLs that every service info contains."""
_USERNAME = re.compile(r"[A-Za-z0-9_-]+")

_MAPPINGS = ("assets", "features")
_FIELDS = {
    "name": "name",
    "api": "api",
    "access": "access",
    "register": "register",
    "home": "home",
    "support": "support",
    "terms": "terms",
    "eventTypes": "event_types",
    "version": "version",
    "serial": "serial",
    "assets": "assets",
    "features": "features",
}


@attrs.frozen
class ServiceInfo(Mapping[str, Any]):
    """A platform's service info: attributes for the members in the API reference, and a mapping of all members.

    The mapping has the keys of the API. See `Service info <https://pryv.github.io/reference/#service-info>`__ in the
    API reference.

    Attributes:
        name: The platform's name.
        api: The template of API endpoints, which contains `{username}`.
        access: The URL for access requests.
        register: The register's URL.
        home: The URL of the platform's home page.
        support: The URL of its support page.
        terms: The URL of its terms of use.
        event_types: The URL of the definitions of its event types.
        version: The version of its API.
        serial: A number that changes with its configuration.
        assets: The URL of the definitions of its visual assets (`definitions`).
        features: The features that it has or lacks.
    """

    name: str
    api: str
    access: str
    register: str
    home: str | None = None
    support: str | None = None
    terms: str | None = None
    event_types: str | None = None
    version: str | None = None
    serial: str | None = None
    assets: Mapping[str, Any] = attrs.field(factory=dict)
    features: Mapping[str, Any] = attrs.field(factory=dict)
    _wire: Mapping[str, Any] = attrs.field(alias="wire", factory=dict, repr=False)

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> ServiceInfo:
        """Return the service info that a platform sent, with a `/` at the end of its URLs.

        Args:
            wire: The whole service info, with the keys of the API.

        Raises:
            ValueError: `name`, `api`, `access` or `register` is missing, or a member is malformed.
        """
        lacking = [key for key in ("name", *_URLS) if not isinstance(wire.get(key), str) or not wire[key]]
        if "api" not in lacking and not _is_template(wire["api"]):
            lacking.append("api")
        lacking += [key for key in _MAPPINGS if not isinstance(wire.get(key) or {}, Mapping)]
        if lacking:
            raise ValueError(f"not a service info: {', '.join(lacking)} missing or malformed")
        normalized = {
            key: _normalized_url(value) if key in _URLS else value for key, value in wire.items() if key != "meta"
        }
        fields: dict[str, Any] = {field: normalized[key] for key, field in _FIELDS.items() if normalized.get(key)}
        return cls(**fields, wire=normalized)

    __dir__ = public_names

    def __getitem__(self, key: str) -> Any:
        return self._wire[key]

    def __iter__(self) -> Any:
        return iter(self._wire)

    def __len__(self) -> int:
        return len(self._wire)


@attrs.define
class _Known:
    """A platform's service info, once it is known, and the URL that it came from."""

    info: ServiceInfo | None = None
    url: str | None = None


class DescribedPlatform:
    """A platform with its service info, which is fetched when it is first needed.

    Attributes:
        calls: Sends the platform's calls.
        url: The URL of the service info, if there is one.
        customizations: Members of the service info that replace those of the platform. Without a URL, the whole
            service info.
        known: The service info, shared with the copies that `with_options` returns.
    """

    def __init__(self, calls: Platform, url: str | None, customizations: Mapping[str, Any]) -> None:
        self.calls = calls
        self.url = url
        self.customizations = customizations
        self.known = _Known()

    def with_options(self, timeout: CallTimeout, retry: RetryPolicy | Default | None) -> DescribedPlatform:
        """Return the same platform with other limits; both share the sessions and the service info."""
        other = copy.copy(self)
        other.calls = self.calls.with_options(timeout, retry)
        return other

    def info(self, timeout: CallTimeout, *, force_fetch: bool = False) -> ServiceInfo:
        """Return the service info, with the customizations; see `Service.info`."""
        known = self.known.info
        if known is None or force_fetch:
            known = self.known.info = (
                self._from_customizations() if self.url is None else self._fetch(self.url, timeout)
            )
        return known

    def set_info(self, service_info: Mapping[str, Any]) -> None:
        """Set the service info; see `Service.set_service_info`."""
        self.known.info, self.known.url = ServiceInfo.from_wire(as_dict(service_info, "service_info")), None

    def endpoint_of(self, username: str, timeout: CallTimeout, token: str | None = None) -> str:
        """Return the API endpoint of a user's account; see `Service.api_endpoint_for`."""
        return endpoint_of(self.info(timeout), username, token)

    def _from_customizations(self) -> ServiceInfo:
        try:
            return ServiceInfo.from_wire(self.customizations)
        except ValueError as error:
            raise ValueError(f"there is no service_info_url, and the customizations are {error}") from None

    def _fetch(self, url: str, timeout: CallTimeout) -> ServiceInfo:
        wire, final_url = self.calls.get(url, INFO, timeout)
        self.known.url = final_url
        try:
            info = ServiceInfo.from_wire({**wire, **self.customizations})
        except ValueError as error:
            raise PryvProtocolError(f"{INFO}: {error}") from None
        for key in set(_URLS) - self.customizations.keys():
            if usable_url(final_url, info[key].replace("{username}", "username")) is None:
                raise PryvProtocolError(
                    f"{INFO}: its {key} is not an http(s) URL, or less secure than {host_of(final_url)}"
                )
        return info


def endpoint_of(service_info: Mapping[str, Any], username: str, token: str | None = None) -> str:
    """Return the API endpoint of a user's account, made from a service info; see `Service.build_api_endpoint`."""
    api = as_dict(service_info, "service_info").get("api")
    if not isinstance(username, str):
        raise TypeError(f"a username is a string, not {type(username).__name__}")
    if not _USERNAME.fullmatch(username):
        raise ValueError(f"not a username: {username!r}")
    if not isinstance(api, str):
        raise ValueError("the service info has no api, the template of API endpoints")
    return build_api_endpoint(api.replace("{username}", username), token)


def _is_template(api: str) -> bool:
    try:
        template(api)
    except ValueError:
        return False
    return True


def _normalized_url(url: str) -> str:
    return template(url) if _is_template(url) else f"{url.rstrip('/')}/"
