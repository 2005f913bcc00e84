"""The service info."""

from __future__ import annotations

from typing import Any

from pryv_sandbox.methods.calls import Context, Methods, Result
from pryv_sandbox.state.settings import API_VERSION, SERIAL, Settings

methods = Methods()

EVENT_TYPES_PATH = "event-types/flat.json"
ASSETS_PATH = "assets/"


def service_info(base_url: str, settings: Settings) -> dict[str, Any]:
    """The service info as configured: the name of the platform, and its URLs below ``base_url``."""
    return {
        "access": f"{base_url}reg/access/",
        "name": settings.name,
        "serial": SERIAL,
        "eventTypes": base_url + EVENT_TYPES_PATH,
        "home": base_url,
        "support": base_url,
        "terms": base_url,
        "assets": {"definitions": f"{base_url}{ASSETS_PATH}index.json"},
        "api": f"{base_url}{{username}}/",
        "register": f"{base_url}reg/",
    }


def full_service_info(base_url: str, settings: Settings) -> dict[str, Any]:
    """The service info with its features and version."""
    return {**service_info(base_url, settings), "features": {"contentQueries": True}, "version": API_VERSION}


@methods.declare("service.info", {"type": "object"}, public=True)
async def _info(context: Context, params: Any) -> Result:
    return full_service_info(context.base_url, context.platform.settings)
