"""Calls of an account, sent over HTTP as batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from pryv import _resend
from pryv._batch import Call, EncodedCalls, Result, run_batch
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
        """Send one chunk and return the results, one a call, in order."""
        batch = _resend.post_batch(self.account, chunk, self.timeout, chunk.body, _resend.MAX_CHUNK)
        results: Sequence[Result] = batch.get("results", ())
        return results


def call_one(account: Account, method: str, params: Any, expected_key: str | None, timeout: CallTimeout) -> Any:
    """Send one call and return its result, or a member of it; see `Connection.api_one`."""
    (result,) = run_batch(HttpBatches(account, timeout), [Call(method, params)], 1, None)
    if isinstance(result.get("error"), dict):
        result = redact_error(result["error"], account.token, sent=params)  # the only one in this frame
        raise api_error(result, method=method)
    if expected_key is None:
        return result
    if result.get(expected_key) is None:
        raise PryvProtocolError(f"{method}: the result has no {expected_key!r}")
    return result[expected_key]
