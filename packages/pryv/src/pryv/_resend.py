"""Idempotent calls, and the response to their second attempt.

An `events.create` with its own `id` is idempotent: the platform refuses the second attempt. The event is then read; if
it equals the event sent, the first attempt created it, and the call has succeeded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pryv._batch import ChunkTooLargeError
from pryv._transport import json
from pryv._transport.account import Account
from pryv._transport.http import Response
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import path_segment
from pryv.errors import ERRORS, ApiError

MAX_CHUNK = 8_000_000
"""The most bytes of calls in a chunk of a batch; the platform refuses a body above 10 MB."""

CREATE = "events.create"
_READS = frozenset(("service.info", "accesses.checkApp", "account.usernameChanges"))


def is_idempotent(method: str, params: Any) -> bool:
    """Return whether a call has the same effect when it is sent twice."""
    if method == "callBatch":
        return isinstance(params, Sequence) and all(
            isinstance(call, Mapping) and is_idempotent(str(call.get("method")), call.get("params")) for call in params
        )
    return method in _READS or method.rpartition(".")[2].startswith("get") or creates_with_id(method, params)


def creates_with_id(method: str, params: Any) -> bool:
    """Return whether a call creates an event with an id made by the client."""
    return method == CREATE and isinstance(params, Mapping) and isinstance(params.get("id"), str)


def post_batch(
    account: Account, calls: Sequence[Any], timeout: CallTimeout, body: bytes, max_bytes: float = math.inf
) -> dict[str, Any]:
    """Send a batch whose JSON text is `body`, with retries if it is idempotent, and return the body of the response.

    Raises:
        ChunkTooLargeError: it has several calls and is larger than `max_bytes`.
        ApiError: the platform refused the batch as a whole.
        PryvError: the call failed; see *Errors and retries*.
    """
    if len(body) > max_bytes and len(calls) > 1:
        raise ChunkTooLargeError(f"callBatch: {len(body)} bytes are too many for one request")
    idempotent = is_idempotent("callBatch", calls)
    response = account.send(
        "POST", "", label="callBatch", headers=json.HEADERS, body=body, idempotent=idempotent, timeout=timeout
    )
    batch = account.result(response, sent=calls)
    results = batch.get("results")
    if response.resent and isinstance(results, list) and len(results) == len(calls):
        _reconcile(account, calls, results, timeout)
    return batch


def post_event(account: Account, event: Mapping[str, Any], timeout: CallTimeout) -> dict[str, Any]:
    """Create an event that has its own id and return the body of the response.

    Raises:
        ItemAlreadyExistsError: the id is taken by another event, or by one that cannot be read.
        ApiError: the platform responded with another error.
        PryvError: the call failed; see *Errors and retries*.
    """
    body = json.encode(event)
    response = account.send(
        "POST", "events", label=CREATE, headers=json.HEADERS, body=body, idempotent=True, timeout=timeout
    )
    return created(account, response, event, timeout)


def created(
    account: Account,
    response: Response,
    event: Mapping[str, Any],
    timeout: CallTimeout,
    file_sizes: Sequence[int] = (),
) -> dict[str, Any]:
    """Return the result of an `events.create`; the event is read if an earlier attempt created it.

    `file_sizes` are the sizes of the files sent with the event.

    Raises:
        ItemAlreadyExistsError: the id is taken by another event, or by one that cannot be read.
        ApiError: the platform responded with another error.
        PryvProtocolError: the response is not one of the API.
    """
    try:
        return account.result(response, sent=event)
    except ApiError as error:
        taken = response.resent and error.id == ERRORS.ITEM_ALREADY_EXISTS
        found = _found(account, event, timeout, file_sizes) if taken else None
        if found is None:
            raise
        return found


def _reconcile(account: Account, calls: Sequence[Any], results: list[dict[str, Any]], timeout: CallTimeout) -> None:
    """Replace each error for a taken id by the event, if an earlier attempt created the event."""
    taken = [
        index
        for index, (call, result) in enumerate(zip(calls, results, strict=True))
        if _is_taken(result) and creates_with_id(call["method"], call["params"])
    ]
    if not taken:
        return
    sent = [calls[index]["params"] for index in taken]
    reads = [{"method": "events.getOne", "params": {"id": event["id"]}} for event in sent]
    body = account.call("POST", "", label="callBatch", data=reads, idempotent=True, timeout=timeout)
    for index, event, found in zip(taken, sent, body.get("results") or (), strict=False):
        if isinstance(found, Mapping) and _is_same_event(found.get("event"), event):
            results[index] = {"event": found["event"]}


def _is_taken(result: Any) -> bool:
    error = result.get("error") if isinstance(result, Mapping) else None
    return isinstance(error, Mapping) and error.get("id") == ERRORS.ITEM_ALREADY_EXISTS


def _found(
    account: Account, event: Mapping[str, Any], timeout: CallTimeout, file_sizes: Sequence[int]
) -> dict[str, Any] | None:
    """Return the body with the event if the platform has the event that was sent."""
    try:
        body = account.call("GET", f"events/{path_segment(event['id'])}", idempotent=True, timeout=timeout)
    except ApiError:
        return None
    existing = body.get("event", {})
    return body if _is_same_event(existing, event) and _has_files(existing, file_sizes) else None


def _is_same_event(existing: Any, event: Mapping[str, Any]) -> bool:
    """Return whether an event has all fields that were sent; the platform leaves out `None`, 0 and `False`."""
    return isinstance(existing, Mapping) and all(
        existing[key] == value if key in existing else not value for key, value in json.plain(event).items()
    )


def _has_files(event: Mapping[str, Any], sizes: Sequence[int]) -> bool:
    """Return whether an event has files of these sizes; without sizes, any files match."""
    attachments = event.get("attachments")
    existing = attachments if isinstance(attachments, list) else []
    return not sizes or [item.get("size") for item in existing if isinstance(item, Mapping)] == list(sizes)
