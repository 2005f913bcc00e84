"""The table of all methods, and how they are called."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pryv_sandbox.methods import (
    accesses,
    account,
    app_check,
    audit,
    emails,
    events,
    login,
    second_factor,
    service,
    shared_secrets,
    streams,
    usernames,
    webhooks,
)
from pryv_sandbox.methods.calls import Context, Methods, Result, read_pages
from pryv_sandbox.model.errors import ApiError, forbidden, invalid_method
from pryv_sandbox.state import series_ends
from pryv_sandbox.state.accesses import count_use

METHODS = Methods()
_MODULES = (
    *(accesses, account, app_check, emails, events, login, second_factor, service, shared_secrets, streams),
    *(usernames, webhooks),
)
for _module in _MODULES:
    METHODS.update(_module.methods)


_COUNTED_BEFORE = ("account.", "events.", "profile.", "streams.")
"""Refused calls of these methods count too: a call is counted before it is executed."""


async def call(context: Context, method_id: str, params: Any) -> Result:
    """Run a method for a caller, and count the use of the access.

    Raises:
        ApiError: as the method raises it.
    """
    if method_id in METHODS and method_id.startswith(_COUNTED_BEFORE):
        _count(context, method_id)
        return await _audited(context, method_id, params)
    result = await _audited(context, method_id, params)
    if method_id != "callBatch":
        _count(context, method_id)
    return result


def _count(context: Context, method_id: str) -> None:
    if context.authenticated:
        count_use(context.platform, context.user, context.authenticated, {method_id: 1})


async def _audited(context: Context, method_id: str, params: Any) -> Result:
    """Run a method, and log the call."""
    details = context.audited = {}
    try:
        result = await _run(context, method_id, params)
    except ApiError as error:
        if method_id in METHODS:
            audit.log_error(context, method_id, error)
        raise
    return audit.log_result(context, method_id, details, result)


async def _run(context: Context, method_id: str, params: Any) -> Result:
    method = METHODS.get(method_id)
    if method is None:
        raise invalid_method(method_id)
    if not method.public and context.access.type not in method.callers:
        raise forbidden(f"You cannot access {method_id} resource using the given access")
    method.params.check(params)
    series_ends.write_due(context.platform)
    return await method.handler(context, params)


_CALLS = {
    "type": ["array"],
    "items": {
        "type": ["object"],
        "required": ["method", "params"],
        "properties": {"method": {"type": ["string"]}, "params": {"type": ["object", "array"]}},
    },
}


@METHODS.declare("callBatch", _CALLS)
async def _call_batch(context: Context, calls: list[dict[str, Any]]) -> Result:
    results = [await _outcome(context, call["method"], call["params"]) for call in calls]
    used = Counter(call["method"] for call in calls if call["method"] in METHODS)
    count_use(context.platform, context.user, context.access, used)
    return {"results": results}


async def _outcome(context: Context, method_id: str, params: Any) -> Result:
    """The result of one call of a batch, or its error."""
    try:
        result = await _audited(context, method_id, params)
        return await read_pages(result, context.platform.settings.results_limit)
    except ApiError as error:
        return {"error": error.public()}
