"""Items as rows of the tables: lines for COPY.

A column is NULL where PostgreSQL cannot hold or index a value. The text of the whole item is kept in any case.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from itertools import chain, repeat
from typing import Any, Final

from pryv_monitor.mirrors import Item, shown

NULL: Final = r"\N"
_LONGEST_KEY: Final = 500
"""Bytes of a value in an index, which holds at most 2,704: https://www.postgresql.org/docs/current/limits.html"""
_SHORT: Final = _LONGEST_KEY // 4
"""Characters that take at most that many bytes in UTF-8."""
_FLAT: Final = 500
"""Brackets in a text that is surely not nested too deeply."""
_NUMBERS: Final = {int, float}
_LARGEST: Final = sys.float_info.max
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_DIGEST: Final = "sha256:"

EVENT_COLUMNS: Final = "account, id, time, modified, type, stream_ids, trashed, number, text, json, exact, generation"
DELETION_COLUMNS: Final = "account, id, deleted, json, exact"
STREAM_COLUMNS: Final = "account, position, id, parent_id, name, trashed, json, exact"


def key_of(id: str) -> str:
    """Return the id of a row: the id of the item, or its SHA-256 if PostgreSQL cannot index it."""
    if is_text(id, _LONGEST_KEY):
        return id
    return _DIGEST + hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()


def keys_of(items: Iterable[Item]) -> list[str]:
    """Return the id of the row of each event or deletion."""
    ids = [item["id"] for item, _ in items]
    if all(map(str.isalnum, ids)) and max(map(len, ids), default=0) <= _SHORT:
        return ids
    return list(map(key_of, ids))


def event_lines(account: int, keys: Collection[str], items: Collection[Item], generation: int) -> list[str]:
    """Return the lines of events, with the values of `EVENT_COLUMNS`.

    Where a whole batch is plain, that is decided for all at once: to look at each value of each event costs four times
    as much.
    """
    if _are_plain([text for _, text in items]) and (lines := _plain_lines(account, keys, items, generation)):
        return lines
    return [_event_line(account, key, item, generation) for key, item in zip(keys, items, strict=True)]


def _event_line(account: int, key: str, item: Item, generation: int) -> str:
    if _are_plain([item[1]]) and (lines := _plain_lines(account, [key], [item], generation)):
        return lines[0]
    event = item[0]
    content = event.get("content")
    fields = (
        str(account),
        _escaped(key),
        _float(event.get("time")),
        _float(event.get("modified")),
        _text(event.get("type"), _LONGEST_KEY),
        _array(event.get("streamIds")),
        "t" if event.get("trashed") is True else "f",
        _float(content),
        _text(content),
        *_texts(item),
        str(generation),
    )
    return "\t".join(fields) + "\n"


def _are_plain(texts: Sequence[str]) -> bool:
    """Return whether no text or value in JSON texts needs an escape, and nothing is nested deeply."""
    whole = "".join(texts)
    if "\\" in whole or "\n" in whole or "\t" in whole or "\r" in whole or not is_text(whole):
        return False
    return all(len(text) <= 2 * _FLAT or text.count("[") + text.count("{") <= _FLAT for text in texts)


def _plain_lines(account: int, keys: Iterable[str], items: Iterable[Item], generation: int) -> list[str] | None:
    """Return the lines of events whose texts are plain; `None` if a field of one has another type than usual."""
    events = [event for event, _ in items]
    times = [event.get("time") for event in events]
    modified = [event.get("modified") for event in events]
    kinds = [event.get("type") for event in events]
    streams = [event.get("streamIds") for event in events]
    if not (_are_numbers(times) and _are_numbers(modified) and _are_short(kinds) and _are_lists_of_texts(streams)):
        return None
    contents = [event.get("content") for event in events]
    numbers: Iterable[Any]
    texts: Iterable[str]
    if _are_numbers(contents):
        numbers, texts = contents, repeat(NULL)
    else:
        numbers = [content if _are_numbers([content]) else NULL for content in contents]
        texts = [content if isinstance(content, str) else NULL for content in contents]
    trashed = ["t" if event.get("trashed") is True else "f" for event in events]
    arrays = map('","'.join, streams)
    rows = zip(keys, times, modified, kinds, arrays, trashed, numbers, texts, [text for _, text in items], strict=False)
    return [
        f'{account}\t{key}\t{time}\t{changed}\t{kind}\t{{"{array}"}}\t{trash}\t{number}\t{text}\t{whole}\t{NULL}'
        f"\t{generation}\n"
        for key, time, changed, kind, array, trash, number, text, whole in rows
    ]


def _are_numbers(values: list[Any]) -> bool:
    """Return whether all values are numbers that a double can hold."""
    return set(map(type, values)) <= _NUMBERS and min(values) >= -_LARGEST and max(values) <= _LARGEST


def _are_short(values: list[Any]) -> bool:
    return set(map(type, values)) == {str} and max(map(len, values)) <= _SHORT


def _are_lists_of_texts(values: list[Any]) -> bool:
    """Return whether all values are lists of texts, with one text at least."""
    return set(map(type, values)) == {list} and all(values) and set(map(type, chain.from_iterable(values))) == {str}


def text_of(line: str) -> str:
    """Return the JSON text of the event of a line, exactly as the platform sent it."""
    *_, shown_text, exact, _ = line.split("\t")
    text = shown_text if exact == NULL else exact
    return _ESCAPE.sub(lambda match: _ESCAPED[match[1]], text) if "\\" in text else text


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
