"""The audit log of an account: an event for each call of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pryv_sandbox.methods.calls import Context, Pages, Result
from pryv_sandbox.model.errors import ApiError
from pryv_sandbox.model.ids import new_id
from pryv_sandbox.model.system_streams import AUDIT
from pryv_sandbox.model.tracking import tracked
from pryv_sandbox.state.accesses import reference
from pryv_sandbox.state.events import insert

_NOT_LOGGED = ("service.info", "mfa.recover")
_WITHOUT_ACCESS = {
    "auth.login": "valid-password",
    "account.requestPasswordReset": "password-reset-request",
    "account.resetPassword": "password-reset-token",
    "account.verifyEmail": "email-verification-token",
}
"""What stands for the access, where the caller is identified in another way."""
_UNKNOWN = "invalid"


def log_error(context: Context, method_id: str, error: ApiError) -> None:
    """Log a call that fails."""
    content = {**_content(context, method_id), "id": error.id, "message": error.message}
    _log(context, method_id, "audit-log/pryv-api-error", content, _UNKNOWN)


def log_result(context: Context, method_id: str, details: dict[str, Any], result: Result) -> Result:
    """Log a call that succeeds, once its result is read; returns the result."""
    pages = [key for key, value in result.items() if isinstance(value, Pages)]
    if not pages:
        _log_success(context, method_id, details)
        return result
    return {**result, pages[-1]: Pages(_logged(context, method_id, details, result[pages[-1]]))}


async def _logged(context: Context, method_id: str, details: dict[str, Any], pages: Pages) -> AsyncIterator[list[str]]:
    incomplete = {"recordCountIncomplete": True}
    try:
        async for page in pages.pages:
            yield page
        incomplete = {}
    finally:
        _log_success(context, method_id, {**details, **incomplete})


def _log_success(context: Context, method_id: str, details: dict[str, Any]) -> None:
    content = {**_content(context, method_id), **details}
    _log(context, method_id, "audit-log/pryv-api", content, _WITHOUT_ACCESS.get(method_id, _UNKNOWN))


def _content(context: Context, method_id: str) -> dict[str, Any]:
    content = {"source": context.source, "action": method_id, "query": context.query}
    return {**content, "callerId": context.caller_id} if context.caller_id else content


def _log(context: Context, method_id: str, event_type: str, content: dict[str, Any], without_access: str) -> None:
    if method_id in _NOT_LOGGED:
        return
    access, now = context.authenticated, context.platform.clock.now()
    accesses = [access.id if access else without_access]
    if access and access.doc.get("serial"):
        accesses.append(reference(access.id, access.doc["serial"]))
    event = {
        "id": AUDIT + new_id(),
        "streamIds": [*(f"{AUDIT}access-{access_id}" for access_id in accesses), f"{AUDIT}action-{method_id}"],
        "time": now,
        "type": event_type,
        "content": content,
        **tracked("system", now),
    }
    insert(context.platform, context.user, event, "audit")
