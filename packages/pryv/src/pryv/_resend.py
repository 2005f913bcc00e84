"""Calls that may be sent twice: which they are, and what the answer to a second sending means.

An `events.create` that carries its own `id` is safe to send again: the platform refuses the second one. Where it does,
the event is read back; if it is what was sent, the first sending had created it and the call is done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pryv._batch import ChunkTooLargeError
from pryv._transport import json
from pryv._transport.account import Account
from pryv._transport.http import Answer
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import path_segment
from pryv.errors import ERRORS, ApiError

MAX_CHUNK = 8_000_000
"""Bytes of calls that a chunk of a batch holds; the platform takes no body above 10 MB."""

_READS = frozenset(("service.info", "accesses.checkApp"))


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


def post_batch(
    account: Account, calls: Sequence[Any], timeout: CallTimeout, body: bytes, max_bytes: float = math.inf
) -> dict[str, Any]:
    """Send a batch, of which `body` is the JSON text, again if it is safe and need be, and return the answer's body.

    Raises:
        ChunkTooLargeError: it is of several calls and more than `max_bytes`.
        ApiError: the platform refused the batch as a whole.
        PryvError: there is no proper answer.
    """
    if len(body) > max_bytes and len(calls) > 1:
        raise ChunkTooLargeError(f"callBatch: {len(body)} bytes are too many for one request")
    safe = is_safe("callBatch", calls)
    answer = account.send("POST", "", label="callBatch", headers=json.HEADERS, body=body, safe=safe, timeout=timeout)
    batch = account.result(answer, "callBatch", sent=calls)
    results = batch.get("results")
    if answer.resent and isinstance(results, list) and len(results) == len(calls):
        _settle(account, calls, results, timeout)
    return batch


def post_event(account: Account, event: Mapping[str, Any], timeout: CallTimeout) -> dict[str, Any]:
    """Create an event that carries its own id and return the answer's body.

    Raises:
        ItemAlreadyExistsError: the id is taken by another event, or by one that cannot be read.
        ApiError: the platform answered with another error.
        PryvError: there is no proper answer.
    """
    body = json.encode(event)
    answer = account.send("POST", "events", headers=json.HEADERS, body=body, safe=True, timeout=timeout)
    return created(account, answer, event, timeout)


def created(
    account: Account,
    answer: Answer,
    event: Mapping[str, Any],
    timeout: CallTimeout,
    file_size: int | None = None,
) -> dict[str, Any]:
    """Return the result of an `events.create`, reading the event back if an earlier sending has created it.

    `file_size` is that of the file the event was sent with, if there was one.

    Raises:
        ItemAlreadyExistsError: the id is taken by another event, or by one that cannot be read.
        ApiError: the platform answered with another error.
        PryvProtocolError: the answer is not the API's.
    """
    try:
        return account.result(answer, "events.create", sent=event)
    except ApiError as error:
        taken = answer.resent and error.id == ERRORS.ITEM_ALREADY_EXISTS
        found = _found(account, event, timeout, file_size) if taken else None
        if found is None:
            raise
        return found


def _settle(account: Account, calls: Sequence[Any], results: list[dict[str, Any]], timeout: CallTimeout) -> None:
    """Put the events that an earlier sending has created in place of the errors that their ids are taken."""
    taken = [
        index
        for index, (call, result) in enumerate(zip(calls, results, strict=True))
        if _is_taken(result) and creates_with_id(call["method"], call["params"])
    ]
    if not taken:
        return
    sent = [calls[index]["params"] for index in taken]
    reads = [{"method": "events.getOne", "params": {"id": event["id"]}} for event in sent]
    body = account.call("POST", "", label="callBatch", data=reads, safe=True, timeout=timeout)
    for index, event, found in zip(taken, sent, body.get("results") or (), strict=False):
        if isinstance(found, Mapping) and _is_as_sent(found.get("event"), event):
            results[index] = {"event": found["event"]}


def _is_taken(result: Any) -> bool:
    error = result.get("error") if isinstance(result, Mapping) else None
    return isinstance(error, Mapping) and error.get("id") == ERRORS.ITEM_ALREADY_EXISTS


def _found(
    account: Account, event: Mapping[str, Any], timeout: CallTimeout, file_size: int | None = None
) -> dict[str, Any] | None:
    """Return the answer that holds the event if it is on the platform as it was sent."""
    try:
        body = account.call("GET", f"events/{path_segment(event['id'])}", safe=True, timeout=timeout)
    except ApiError:
        return None
    there = body.get("event", {})
    return body if _is_as_sent(there, event) and file_size in (None, _file_size(there)) else None


def _is_as_sent(there: Any, event: Mapping[str, Any]) -> bool:
    """Tell whether an event has all that was sent; the platform leaves out `None`, 0 and `False`."""
    return isinstance(there, Mapping) and all(
        there[key] == value if key in there else not value for key, value in json.plain(event).items()
    )


def _file_size(event: Mapping[str, Any]) -> int | None:
    """Return the size of the one file attached to an event."""
    attachments = event.get("attachments")
    return attachments[0].get("size") if isinstance(attachments, list) and len(attachments) == 1 else None
