"""The plaintext of an event: the JSON of its type and content, in the format of the JavaScript client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from pryv.addons import plain

Material = dict[str, Any]
"""The plaintext of an event's payload: `type` and `content`; other programs may add members."""


def serialized(material: Mapping[str, Any]) -> bytes:
    """Return the text that is encrypted.

    Raises:
        TypeError: a value in it has no JSON form; the message contains its path.
        ValueError: the same.
    """
    try:
        return _encode(material).encode("utf-8", "backslashreplace")  # in JSON too, a lone surrogate is `\\udXXX`
    except (TypeError, ValueError, RecursionError):  # may show what is in it
        pass
    plain(dict(material))  # names the place
    raise ValueError("the content has no JSON form")


def parsed(text: bytes) -> Material:
    """Return the object in a plaintext.

    Raises:
        ValueError: it is not the JSON of an object.
    """
    try:
        material = _decode(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # holds the text
        material = None
    if not isinstance(material, dict):
        raise ValueError("the plaintext is not a JSON object")
    return material


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=plain).encode
_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
