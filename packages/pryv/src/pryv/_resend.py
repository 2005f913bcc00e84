"""Calls that may be sent twice: which they are, and what the answer to a second sending means.

An `events.create` that carries its own `id` is safe to send again: the platform refuses the second one. Where it does,
the event is read back; if it is what was sent, the first sending had created it and the call is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pryv._transport import json
from pryv._transport.account import Account, DefaultTimeout
from pryv._transport.http import Timeout
from pryv._transport.urls import path_segment
from pryv.errors import ERRORS, ApiError

_READS = frozenset(("service.info", "accesses.checkApp"))
_JSON = {"Content-Type": "application/json"}


def is_safe(method: str, params: Any) -> bool:
    """Tell whether a call does no more when sent twice."""
    if method == "callBatch":
        return isinstance(params, Sequence) and all(
            isinstance(call, Mapping) and is_safe(str(call.get("method")), call.get("params")) for call in params
        )
    return method in _READS or method.rpartition(".")[2].startswith("get") or creates_with_id(method, params)


def creates_with_id(method: str, params: Any) -> bool:
    """Tell whether a call creates an event under an id made by the client."""
    return method == "events.create" and isinstance(params, Mapping) and isinstance(params.get("id"), str)


def post_batch(account: Account, calls: Sequence[Any], timeout: Timeout | DefaultTimeout) -> dict[str, Any]:
    """Send a batch, again if it is safe and need be, and return the answer's body.

    Raises:
        ApiError: the platform refused the batch as a whole.
        PryvError: there is no proper answer.
    """
    safe = is_safe("callBatch", calls)
    body, answer = account.call("POST", "", label="callBatch", data=calls, safe=safe, timeout=timeout)
    results = body.get("results")
    if answer.resent and isinstance(results, list) and len(results) == len(calls):
        _settle(account, calls, results, timeout)
    return body


def post_event(account: Account, event: Mapping[str, Any], timeout: Timeout | DefaultTimeout) -> dict[str, Any]:
    """Create an event that carries its own id and return the answer's body.

    Raises:
        ItemAlreadyExistsError: the id is taken by another event, or by one that cannot be read.
        ApiError: the platform answered with another error.
        PryvError: there is no proper answer.
    """
    body = json.encode(event)
    answer = account.send("POST", "events", headers=_JSON, body=body, safe=True, timeout=timeout)
    try:
        return account.result(answer, "events.create")
    except ApiError as error:
        found = _found(account, event, timeout) if answer.resent and error.id == ERRORS.ITEM_ALREADY_EXISTS else None
        if found is None:
            raise
        return found


def _settle(
    account: Account, calls: Sequence[Any], results: list[dict[str, Any]], timeout: Timeout | DefaultTimeout
) -> None:
    for index, (call, result) in enumerate(zip(calls, results, strict=True)):
        error = result.get("error")
        taken = isinstance(error, Mapping) and error.get("id") == ERRORS.ITEM_ALREADY_EXISTS
        if taken and creates_with_id(call["method"], call["params"]):
            found = _found(account, call["params"], timeout)
            if found is not None:
                results[index] = {"event": found["event"]}


def _found(account: Account, event: Mapping[str, Any], timeout: Timeout | DefaultTimeout) -> dict[str, Any] | None:
    """Return the answer that holds the event if it is on the platform as it was sent."""
    try:
        body, _ = account.call("GET", f"events/{path_segment(event['id'])}", safe=True, timeout=timeout)
    except ApiError:
        return None
    there = body.get("event")
    same = isinstance(there, Mapping) and all(there.get(key) == value for key, value in event.items())
    return body if same else None
