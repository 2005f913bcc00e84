"""The visual assets of the platform, such as its login button."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

from pryv_sandbox.http.exchange import base_url, json_response
from pryv_sandbox.methods.service import ASSETS_PATH

routes = web.RouteTableDef()

_DIRECTORY = files(__package__) / "assets"
_CONTENT_TYPES = {
    "button.css": "text/css",
    "button.html": "text/html",
    "favicon.ico": "image/x-icon",
    "messages.json": "application/json",
}
_NAMES = "|".join(_CONTENT_TYPES)


@routes.get(f"/{ASSETS_PATH}index.json")
async def _index(request: web.Request) -> web.Response:
    return json_response(
        {
            "baseUrl": base_url(request) + ASSETS_PATH,
            "favicon": {"default": {"url": "favicon.ico"}},
            "css": {"default": {"url": "button.css"}},
            "lib-js": {
                "buttonSignIn": {"html": "button.html", "css": "button.css", "messages": "messages.json"},
            },
        }
    )


@routes.get(f"/{ASSETS_PATH}{{name:{_NAMES}}}")
async def _asset(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    return web.Response(body=(_DIRECTORY / name).read_bytes(), content_type=_CONTENT_TYPES[name])
