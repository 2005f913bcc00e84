"""JSON of plain values, encoded by msgspec where it is installed (the extra `pryv[speed]`)."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from . import json

_PLAIN = {bool, int, float, str, type(None)}


def encode_rows(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return rows of values as JSON, as `json.encode` does.

    msgspec gets plain values only: of others, such as a `Decimal`, it makes strings. It writes NaN and infinities as
    `null`, so text with a `null` in it is encoded anew.

    Raises:
        EncodingError: a value has no JSON form.
    """
    encode = _fast_encode()
    if encode is not None and set(map(type, itertools.chain.from_iterable(rows))) <= _PLAIN:
        try:
            text = encode(rows)
        except (OverflowError, ValueError):  # integers beyond 64 bits or 4300 digits, lone surrogates
            text = b"null"
        if b"null" not in text:
            return text
    return json.encode(rows)


@functools.cache
def _fast_encode() -> Callable[[Any], bytes] | None:
    try:
        import msgspec
    except ImportError:
        return None
    return msgspec.json.Encoder().encode
