"""Calls of an account, sent over HTTP as batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from pryv import _resend
from pryv._arguments import require
from pryv._batch import Call, CallLike, EncodedCalls, Progress, Result, is_error, run_batch
from pryv._transport.account import Account
from pryv._transport.redact import redact_error
from pryv._transport.timeouts import CallTimeout
from pryv.errors import PryvProtocolError, api_error


@attrs.frozen
class HttpBatches:
    """Sends each chunk of calls as one batch: a `SendChunk`."""

    account: Account
    timeout: CallTimeout

    def __call__(self, chunk: EncodedCalls) -> Sequence[Result]:
        """Send one chunk and return the results, one for each call, in order."""
        batch = _resend.post_batch(self.account, chunk, self.timeout, chunk.body, _resend.MAX_CHUNK)
        results: Sequence[Result] = batch.get("results", ())
        for call, result in zip(chunk, results, strict=False) if isinstance(results, list) else ():
            if is_error(result):
                result["error"] = redact_error(result["error"], *self.account.secrets, sent=call["params"])
        return results


def call_all(
    account: Account,
    calls: Iterable[CallLike],
    chunk_size: int,
    progress: Progress | None,
    timeout: CallTimeout,
    *,
    raise_on_error: bool = False,
) -> list[Result]:
    """Send calls and return their results in order; see `Connection.api`."""
    return run_batch(HttpBatches(account, timeout), calls, chunk_size, progress, raise_on_error=raise_on_error)


def call_one(account: Account, method: str, params: Any, expected_key: str | None, timeout: CallTimeout) -> Any:
    """Send one call and return its result, or a member of it; see `Connection.api_one`."""
    if expected_key is not None:
        require(expected_key=expected_key)
    (result,) = call_all(account, [Call(method, params)], 1, None, timeout)
    if is_error(result):
        raise api_error(result["error"], method=method)
    if expected_key is None:
        return result
    if result.get(expected_key) is None:
        raise PryvProtocolError(f"{method}: the result has no {expected_key!r}")
    return result[expected_key]
