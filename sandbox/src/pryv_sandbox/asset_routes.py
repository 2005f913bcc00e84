"""The platform's visual assets: what clients show of it, the login button above all."""

from __future__ import annotations

from aiohttp import web

from pryv_sandbox.exchange import base_url, json_response
from pryv_sandbox.service import ASSETS_PATH

routes = web.RouteTableDef()

_BUTTON = """<div id="pryv-access-btn" class="pryv-access-btn-signin" data-color="#4a4a4a">
  <a id="pryv-access-btn-Login" class="pryv-access-btn pryv-access-btn-pryv-access-color" href="#">
    <span class="logSpan">Sign in</span>
  </a>
</div>
"""
_CSS = """.pryv-access-btn {
  background: #fff; border: 1px solid #4a4a4a; border-radius: 4px; color: #4a4a4a; cursor: pointer;
  display: inline-block; font-family: sans-serif; padding: 0.5em 1em; text-decoration: none;
}
"""
_MESSAGES = {
    "LOADING": {"en": "Loading", "fr": "Chargement"},
    "LOGIN": {"en": "Signin", "fr": "Connexion"},
    "SIGNOUT_CONFIRM": {"en": "Logout ?", "fr": "Se déconnecter ?"},
}
_ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="#4a4a4a"/></svg>'


@routes.get(f"/{ASSETS_PATH}index.json")
async def _index(request: web.Request) -> web.Response:
    return json_response(
        {
            "baseUrl": base_url(request) + ASSETS_PATH,
            "favicon": {"default": {"url": "icon.svg"}},
            "css": {"default": {"url": "button.css"}},
            "lib-js": {
                "buttonSignIn": {"html": "button.html", "css": "button.css", "messages": "messages.json"},
            },
        }
    )


@routes.get(f"/{ASSETS_PATH}button.html")
async def _button(request: web.Request) -> web.Response:
    return web.Response(text=_BUTTON, content_type="text/html")


@routes.get(f"/{ASSETS_PATH}button.css")
async def _css(request: web.Request) -> web.Response:
    return web.Response(text=_CSS, content_type="text/css")


@routes.get(f"/{ASSETS_PATH}messages.json")
async def _messages(request: web.Request) -> web.Response:
    return json_response(_MESSAGES)


@routes.get(f"/{ASSETS_PATH}icon.svg")
async def _icon(request: web.Request) -> web.Response:
    return web.Response(text=_ICON, content_type="image/svg+xml")
