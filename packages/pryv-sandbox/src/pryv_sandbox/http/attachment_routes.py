"""The paths of attachments."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from pryv_sandbox.http.exchange import ACCESS_ID, authenticate, call_context, token_of
from pryv_sandbox.methods import audit, events
from pryv_sandbox.methods.calls import Context
from pryv_sandbox.model.errors import ApiError, invalid_access_token, unexpected, unknown_resource
from pryv_sandbox.state.accesses import check_valid, find_by_id
from pryv_sandbox.state.attachments import Attachment, read_token

routes = web.RouteTableDef()


@routes.get("/{username}/events/{id}/{file_id}")
@routes.get("/{username}/events/{id}/{file_id}/{name}")
async def _download(request: web.Request) -> web.StreamResponse:
    context = call_context(request)
    file_id = request.match_info["file_id"]
    if "auth" in request.query:
        raise invalid_access_token('Query parameter "auth" is forbidden here, please use the "readToken" instead.')
    if "readToken" in request.query:
        _authenticate_reader(request, context, file_id, request.query["readToken"])
    else:
        authenticate(request, context, token_of(request))
    try:
        attachment = _find(context, request.match_info["id"], file_id)
    except ApiError as error:
        audit.log_error(context, "events.getAttachment", error)
        raise
    audit.log_result(context, "events.getAttachment", {}, {})
    headers = {
        "Content-Type": attachment["type"],
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(attachment['fileName'], safe='')}",
        "Digest": attachment["integrity"].replace("sha256-", "SHA-256=", 1),
    }
    return web.FileResponse(context.platform.files.path(file_id), headers=headers)


def _find(context: Context, event_id: str, file_id: str) -> Attachment:
    event = events.readable_event(context, event_id)
    if "deleted" in event:
        raise unexpected("the event has no streams")  # as the real platform fails
    attachments: list[Attachment] = event.get("attachments", [])
    attachment = next((item for item in attachments if item["id"] == file_id), None)
    if attachment is None:
        raise unknown_resource("attachment", file_id)
    return attachment


def _authenticate_reader(request: web.Request, context: Context, file_id: str, token: str) -> None:
    access = find_by_id(context.platform, context.user, token.partition("-")[0])
    if access is None or token != read_token(access, file_id):
        raise invalid_access_token("Invalid read token.")
    check_valid(context.platform, access)
    context.authenticated = access
    request[ACCESS_ID] = access.id
