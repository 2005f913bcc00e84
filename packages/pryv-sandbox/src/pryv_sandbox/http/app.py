"""The web application of a platform."""

from __future__ import annotations

from email.utils import formatdate

from aiohttp import web

from pryv_sandbox.http import asset_routes, attachment_routes, method_routes, register_routes, series_routes
from pryv_sandbox.http.exchange import ACCESS_ID, PLATFORM, PROOF_REFUSED, error_response
from pryv_sandbox.http.webhook_delivery import WebhookDelivery
from pryv_sandbox.libraries import Handler, Middleware
from pryv_sandbox.methods.oauth.clients import TOKEN_PATH
from pryv_sandbox.model.errors import ApiError, unexpected
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.settings import API_VERSION, KEEP_ALIVE, MAX_BODY_SIZE


def create_app(platform: Platform, *middlewares: Middleware) -> web.Application:
    """The web application of a platform, behind the middlewares of the caller."""
    app = web.Application(middlewares=[*middlewares, _respond_to_errors], client_max_size=MAX_BODY_SIZE)
    app[PLATFORM] = platform
    app.on_response_prepare.append(_add_headers)
    app.cleanup_ctx.append(WebhookDelivery(platform).run)
    for module in (register_routes, asset_routes, series_routes, attachment_routes, method_routes):
        app.add_routes(module.routes)
    return app


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    asked = request.headers
    response.headers.update(
        {
            "Access-Control-Allow-Origin": asked.get("Origin", "*"),
            "Access-Control-Allow-Methods": asked.get(
                "Access-Control-Request-Method", "POST, GET, PUT, DELETE, OPTIONS"
            ),
            "Access-Control-Allow-Headers": asked.get("Access-Control-Request-Headers", _headers_of(request)),
            "Access-Control-Expose-Headers": "API-Version",
            "Access-Control-Max-Age": str(365 * 24 * 3600),
            "Access-Control-Allow-Credentials": "true",
            "API-Version": API_VERSION,
            "Keep-Alive": f"timeout={KEEP_ALIVE}",
            "Date": formatdate(request.app[PLATFORM].clock.now(), usegmt=True),
        }
    )
    if PROOF_REFUSED in request:
        response.headers["WWW-Authenticate"] = 'DPoP algs="ES256", error="invalid_token"'
    if ACCESS_ID in request:
        response.headers["Pryv-Access-Id"] = request[ACCESS_ID]


def _headers_of(request: web.Request) -> str:
    """The headers that a path accepts from other origins."""
    is_token = request.method == "POST" and request.path == f"/{TOKEN_PATH}"
    return "Content-Type, Authorization, DPoP" if is_token else "Authorization, Content-Type"


@web.middleware
async def _respond_to_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method == "OPTIONS":
        return web.Response(text="OK")
    try:
        return await handler(request)
    except ApiError as error:
        return error_response(request.app[PLATFORM], error)
    except (web.HTTPException, ConnectionError):
        raise
    except Exception as error:
        request.app.logger.exception("A request failed")
        return error_response(request.app[PLATFORM], unexpected(type(error).__name__))
