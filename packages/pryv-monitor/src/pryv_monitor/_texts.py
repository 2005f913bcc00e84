"""JSON texts in a mirror's tables, in a form that SQLite's functions can read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Final

from pryv_monitor._json import Item, decode, encode, is_another_version, stable_fields
from pryv_monitor.errors import AnchorCorruptError

_DEPTH: Final = 500
"""Levels of nesting that both can read: Python up to about 1,000, SQLite 1,000 or 2,000
(https://sqlite.org/json1.html)."""
_CHARACTER: Final = re.compile("[\0\ud800-\udfff]")
_ESCAPE: Final = re.compile(
    r"\\\\|\\u[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}|\\u(?:0000|[Dd][89A-Fa-f][0-9A-Fa-f]{2})"
)
_BACKSLASH, _PAIR = 2, 12
"""The lengths of the escapes that are left as they are."""

Shown = tuple[str, str | None]
"""A text for SQL, and the exact text if it is different."""


def shown(item: Item) -> Shown:
    """Return the text of an item as SQL can read it, and the exact text if that is different.

    NUL, which ends a text for SQLite (https://sqlite.org/nulinstr.html), and lone surrogates, which have no UTF-8, are
    written as their escapes. A value that is nested too deeply is null.
    """
    value, exact = item
    text = exact
    if len(text) <= _DEPTH and "\\" not in text:
        return text, None
    if text.count("[") + text.count("{") > _DEPTH:
        text = encode({key: None if _is_deep(inner) else inner for key, inner in value.items()})
    if "\\u" in text:
        text = _ESCAPE.sub(_spelled, text)
    return text, None if text == exact else exact


def shown_id(text: str) -> str:
    """Return an id as `shown` writes it."""
    if _is_plain(text):
        return text
    return _CHARACTER.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def by_shown_id(items: Iterable[Item]) -> dict[str, Item]:
    """Return items by their ids as `shown` writes them; of those with one id, the last."""
    found = {item[0]["id"]: item for item in items}
    return found if _is_plain("".join(found)) else {shown_id(key): item for key, item in found.items()}


def shown_ids(ids: Any) -> str:
    """Return a JSON array of ids as `shown` writes them."""
    return encode([shown_id(text) for text in ids])


def kept_item(text: Any) -> dict[str, Any]:
    """Return the item of a text that a mirror keeps.

    Raises:
        AnchorCorruptError: the text is not that of an item.
    """
    try:
        item = decode(text)
    except (ValueError, TypeError, RecursionError):
        item = None
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        raise AnchorCorruptError("the mirror is damaged: a text in it is not the JSON of an item")
    return item


def is_same(kept: str, item: Item) -> bool:
    """Return whether an item makes no difference to the kept text of the item with the same id.

    The platform generates some fields of an account's own events (`:_system:…`) at each read; they do not count.

    Args:
        kept: The JSON text that the mirror keeps.
        item: An event or a deletion.

    Raises:
        AnchorCorruptError: `kept` is not the text of an item.
    """
    if kept == item[1]:
        return True
    return not is_another_version(kept, item[0]) and stable_fields(kept_item(kept)) == stable_fields(item[0])


def seconds(value: float) -> float:
    """Return a time as a float, which SQLite can compare: JavaScript writes integers beyond 64 bits.

    See https://sqlite.org/datatype3.html.
    """
    if type(value) is float:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _is_plain(text: str) -> bool:
    return text.isascii() and "\0" not in text


def _spelled(match: re.Match[str]) -> str:
    escape = match[0]
    return escape if len(escape) in (_BACKSLASH, _PAIR) else f"\\{escape.lower()}"


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
