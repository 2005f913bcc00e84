"""JSON encoded by msgspec where it is installed (the extra `pryv[speed]`), with the same results as without."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from json import JSONEncoder
from typing import TYPE_CHECKING, Any

from . import json

if TYPE_CHECKING:
    from msgspec.json import Encoder

_PLAIN = {bool, int, float, str, type(None)}
_encode_text = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_encode_all = JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_MARK = "\0"
_MARKED = f",{_encode_text(_MARK)},"
"""The mark between values. If it occurs in a value, there are more parts than values."""

_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")


def encode_rows(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return rows of values as JSON, as `json.encode` does.

    msgspec gets plain values only: of others, such as a `Decimal`, it makes strings. It writes NaN and infinities as
    `null`, so text with a `null` in it is encoded anew.

    Raises:
        EncodingError: a value has no JSON form.
    """
    encoder = _encoder()
    if encoder is not None and set(map(type, itertools.chain.from_iterable(rows))) <= _PLAIN:
        try:
            text = encoder.encode(rows)
        except (OverflowError, ValueError):  # integers beyond 64 bits or 4300 digits, lone surrogates
            text = b"null"
        if b"n" not in text or b"null" not in text:  # one byte is found faster
            return text
    return json.encode(rows)


def encode_each(values: Sequence[Any]) -> list[str]:
    """Return the JSON of each value, as `json.dumps` writes it without spaces; the values are data of the API."""
    encoder = _encoder()
    if encoder is not None:
        try:
            lines = encoder.encode_lines(values)
            if not _may_differ(lines):
                return lines.decode().split("\n")[:-1]
        except (OverflowError, ValueError, TypeError, RecursionError):
            pass  # integers beyond 64 bits, lone surrogates, other types
    return _encode_each_with_json(values)


def _encode_each_with_json(values: Sequence[Any]) -> list[str]:
    """Encode all values in one call, with a mark after each: that costs less than a call for each."""
    if not values:
        return []
    try:
        texts = _encode_all(list(itertools.chain.from_iterable(zip(values, itertools.repeat(_MARK), strict=False))))
    except RecursionError:
        texts = ""
    each = texts[1 : -len(_MARKED)].split(_MARKED)
    return each if len(each) == len(values) else [_encode_text(value) for value in values]


def _may_differ(text: bytes) -> bool:
    """Return whether `json` may write this differently: NaN and infinities, and floats such as 1e16 and 0.00001."""
    return b"null" in text or b"0.0000" in text or b"0e" in text.translate(_DIGITS_AS_ZEROS)


@functools.cache
def _encoder() -> Encoder | None:
    try:
        import msgspec
    except ImportError:
        return None
    return msgspec.json.Encoder()
