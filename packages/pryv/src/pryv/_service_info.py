"""The description of a platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from pryv._spelling import template

URLS = ("access", "api", "register")
"""The places that every platform names."""

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
    """A platform's service info: attributes for what is known, and a mapping of all it says, by the wire's keys.

    See the API's *Service info*.

    Attributes:
        name: The platform's name.
        api: The template of API endpoints, with `{username}` in it.
        access: Where access requests are made.
        register: The register's URL.
        home: The platform's home page.
        support: Where its support is found.
        terms: Where its terms are found.
        event_types: Where its event types are defined.
        version: The version of its API.
        serial: Changes with its configuration.
        assets: Where its visual assets are defined (`definitions`).
        features: What it can do, or cannot.
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
        """Return the service info that a platform sent; its URLs end with `/` here.

        Args:
            wire: All that it says, by the wire's keys.

        Raises:
            ValueError: it lacks its name or one of the URLs every platform has.
        """
        lacking = [key for key in ("name", *URLS) if not isinstance(wire.get(key), str) or not wire[key]]
        if "api" not in lacking and not _is_template(wire["api"]):
            lacking.append("api")
        lacking += [key for key in _MAPPINGS if not isinstance(wire.get(key) or {}, Mapping)]
        if lacking:
            raise ValueError(f"not a service info: {', '.join(lacking)} missing or malformed")
        normalized = {key: _spelled(value) if key in URLS else value for key, value in wire.items() if key != "meta"}
        fields: dict[str, Any] = {field: normalized[key] for key, field in _FIELDS.items() if normalized.get(key)}
        return cls(**fields, wire=normalized)

    def __getitem__(self, key: str) -> Any:
        return self._wire[key]

    def __iter__(self) -> Any:
        return iter(self._wire)

    def __len__(self) -> int:
        return len(self._wire)


def _is_template(api: str) -> bool:
    try:
        template(api)
    except ValueError:
        return False
    return True


def _spelled(url: str) -> str:
    return template(url) if _is_template(url) else f"{url.rstrip('/')}/"
