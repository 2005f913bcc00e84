"""Items as rows of the tables: lines for COPY.

A column is NULL where PostgreSQL cannot hold or index a value. The text of the whole item is kept in any case.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, Final

from pryv_monitor.mirrors import Item, shown

NULL: Final = r"\N"
_LONGEST_KEY: Final = 500
"""Bytes of a value in an index, which holds at most 2,704: https://www.postgresql.org/docs/current/limits.html"""
_FLAT: Final = 500
"""Brackets in a text that is surely not nested too deeply."""
_DIGEST: Final = "sha256:"

EVENT_COLUMNS: Final = "account, id, time, modified, type, stream_ids, trashed, number, text, json, exact, generation"
DELETION_COLUMNS: Final = "account, id, deleted, json, exact"
STREAM_COLUMNS: Final = "account, position, id, parent_id, name, trashed, json, exact"


def key_of(id: str) -> str:
    """Return the id of a row: the id of the item, or its SHA-256 if PostgreSQL cannot index it."""
    if is_text(id, _LONGEST_KEY):
        return id
    return _DIGEST + hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()


def event_line(account: int, key: str, item: Item, generation: int) -> str:
    """Return the line of an event, with the values of `EVENT_COLUMNS`."""
    event, whole = item
    content = event.get("content")
    values = _plain_values(key, event) if _is_plain(whole) else None
    name, kind, streams, text = values or _escaped_values(key, event)
    shown_text, exact = (whole, NULL) if values else _texts(item)
    time, modified, number = _float(event.get("time")), _float(event.get("modified")), _float(content)
    trashed = "t" if event.get("trashed") is True else "f"
    return (
        f"{account}\t{name}\t{time}\t{modified}\t{kind}\t{streams}\t{trashed}\t{number}\t{text}\t{shown_text}\t{exact}"
        f"\t{generation}\n"
    )


def _plain_values(key: str, event: dict[str, Any]) -> tuple[str, str, str, str] | None:
    """Return id, type, streams and text of an event in whose JSON nothing needs an escape; `None` if one is odd."""
    kind, streams, content = event.get("type"), event.get("streamIds"), event.get("content")
    if not isinstance(kind, str) or len(kind) > _LONGEST_KEY:
        return None
    if not streams or not isinstance(streams, list) or not all(isinstance(stream, str) for stream in streams):
        return None
    return key, kind, '{"' + '","'.join(streams) + '"}', content if isinstance(content, str) else NULL


def _escaped_values(key: str, event: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return id, type, streams and text of an event."""
    kind, streams = _text(event.get("type"), _LONGEST_KEY), _array(event.get("streamIds"))
    return _escaped(key), kind, streams, _text(event.get("content"))


def deletion_line(account: int, key: str, item: Item, now: float) -> str:
    """Return the line of a deletion, with the values of `DELETION_COLUMNS`."""
    deleted = item[0].get("deleted")
    fields = (str(account), _escaped(key), _float(now if deleted is None else deleted), *_texts(item))
    return "\t".join(fields) + "\n"


def stream_line(account: int, position: int, item: Item) -> str:
    """Return the line of a stream, with the values of `STREAM_COLUMNS`."""
    stream = item[0]
    fields = (
        str(account),
        str(position),
        _escaped(key_of(stream["id"])),
        _text(stream.get("parentId")),
        _text(stream.get("name")),
        "t" if stream.get("trashed") is True else "f",
        *_texts(item),
    )
    return "\t".join(fields) + "\n"


def _texts(item: Item) -> tuple[str, str]:
    """Return the text for the column `json`, on which no SQL function fails, and the exact one if it is different."""
    value, text = item
    if not is_text(text):
        text = json.dumps(value)  # in ASCII: escapes stand for what has no UTF-8
    text, exact = shown((value, text))
    return _escaped(text), NULL if exact is None else _escaped(exact)


def _is_plain(text: str) -> bool:
    """Return whether nothing in a JSON text needs an escape, nor is nested deeply: most events are like this."""
    is_simple = text.isascii() and "\\" not in text and text.isprintable()
    return is_simple and text.count("[") + text.count("{") <= _FLAT


def is_text(text: str, longest: int | None = None) -> bool:
    """Return whether PostgreSQL can hold a text: it takes UTF-8 without NUL.

    See https://www.postgresql.org/docs/current/datatype-character.html.
    """
    if text.isascii():
        size = len(text)
    else:
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            return False
    return (longest is None or size <= longest) and "\0" not in text


def _text(value: Any, longest: int | None = None) -> str:
    return _escaped(value) if isinstance(value, str) and is_text(value, longest) else NULL


def _float(value: Any) -> str:
    if type(value) is not float and type(value) is not int:
        return NULL
    try:
        number = float(value)
    except OverflowError:
        return NULL
    return repr(number) if math.isfinite(number) else NULL


def _array(values: Any) -> str:
    """Return a literal of an array of texts: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO."""
    if not isinstance(values, list) or not all(isinstance(value, str) and is_text(value) for value in values):
        return NULL
    return _escaped("{" + ",".join(_quoted(value) for value in values) + "}")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    r"""Return a value of a line for COPY: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if text.isprintable():
        return text
    return text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
