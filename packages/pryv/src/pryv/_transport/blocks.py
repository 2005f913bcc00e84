"""The items of an array, parsed in blocks: that costs less than one by one.

The decoder is that of the standard library, or msgspec if it is installed (the extra `pryv[speed]`). Both read
numbers in the same way. orjson does not: it turns large integers into floats (https://github.com/ijl/orjson#int).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from json import JSONDecoder, loads
from typing import Any, Protocol

from .json import refuse_constant
from .source import Source

SIZE = 5000
"""Bytes of a block, about 16 events: they stay in the processor's cache until they are used."""
_WITH_TEXTS = 4
"""How many times longer a block with texts is: most of its events are used together, and fewer blocks cost less."""

_FIRST_KEY = re.compile(r'\{"[^"\\]*":')
_SPACE = re.compile(r"[ \t\n\r]*")
_COMMA = re.compile(r"(?:[ \t\n\r]*,[ \t\n\r]*)?")
_LONGEST_PAUSE = 1024
"""The most items that are read from text before a block is tried again."""


class Decoder(Protocol):
    """Parses objects with commas between them.

    Attributes:
        objects: The types that they become.
        size: Bytes of a block.
    """

    objects: frozenset[type]
    size: int

    def items(self, source: bytes) -> list[Any] | None:
        """Return the objects, `None` if the decoder cannot read them."""

    def texts(self, source: bytes) -> list[str]:
        """Return the text of each object, after `items` has read them."""

    def items_and_texts(self, source: bytes) -> tuple[list[Any], list[str]] | None:
        """Return the objects and the text of each, `None` if the decoder cannot read them."""


class StandardDecoder:
    """Parses with the standard library."""

    objects: frozenset[type] = frozenset((dict,))
    size = SIZE
    _decode = JSONDecoder(parse_constant=refuse_constant).raw_decode

    def items(self, source: bytes) -> list[Any] | None:
        """Return the objects, `None` if they are not JSON."""
        try:
            array = f"[{source.decode()}]"
            items, end = self._decode(array)
        except (ValueError, RecursionError):
            return None
        return items if end == len(array) else None

    def texts(self, source: bytes) -> list[str]:
        """Return the text of each object."""
        return self._split(source)[1]

    def items_and_texts(self, source: bytes) -> tuple[list[Any], list[str]] | None:
        """Return the objects and the text of each, `None` if they are not JSON."""
        try:
            return self._split(source)
        except (ValueError, RecursionError):
            return None

    def _split(self, source: bytes) -> tuple[list[Any], list[str]]:
        """Read the objects between marks, each from its own text: most of these are ASCII, which is read faster."""
        mark = source[: source.find(b":") + 1]
        texts = [part.decode() for part in source.replace(b"},%b" % mark, b"}\n%b" % mark).split(b"\n")]
        items = []
        try:
            for text in texts:
                item, end = self._decode(text)
                if end < len(text):
                    return self._split_in_turn(source)
                items.append(item)
        except ValueError:
            return self._split_in_turn(source)
        return items, texts

    def _split_in_turn(self, source: bytes) -> tuple[list[Any], list[str]]:
        """Read the objects one after the other: the text of the mark is inside one of them, or there are spaces."""
        text = source.decode()
        items, texts = [], []
        start = _SPACE.match(text).end()  # type: ignore[union-attr]
        while True:
            item, end = self._decode(text, start)
            items.append(item)
            texts.append(text[start:end])
            start = _COMMA.match(text, end).end()  # type: ignore[union-attr]
            if start == end:
                break
        if _SPACE.fullmatch(text, end) is None:
            raise ValueError("no comma between two objects")
        return items, texts


class MsgspecDecoder:
    """Parses with msgspec, and what it refuses with the standard library: numbers beyond a double, lone surrogates."""

    objects: frozenset[type] = frozenset((dict,))
    size = SIZE

    def __init__(self, item: Any = Any) -> None:
        import msgspec

        self._errors = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
        self._decode: Callable[[bytes], list[Any]] = msgspec.json.Decoder(list[item]).decode
        self._split = msgspec.json.Decoder(list[msgspec.Raw]).decode
        self._standard = StandardDecoder()

    def items(self, source: bytes) -> list[Any] | None:
        """Return the objects, `None` if they are not JSON."""
        try:
            return self._decode(b"[%b]" % source)
        except self._errors:
            return self._standard.items(source)

    def texts(self, source: bytes) -> list[str]:
        """Return the text of each object."""
        try:
            return [str(raw, "utf-8") for raw in self._split(b"[%b]" % source)]
        except self._errors:
            return self._standard.texts(source)

    def items_and_texts(self, source: bytes) -> tuple[list[Any], list[str]] | None:
        """Return the objects and the text of each, `None` if they are not JSON."""
        items = self.items(source)
        return None if items is None else (items, self.texts(source))


@functools.cache
def fastest_decoder() -> Decoder:
    """Return msgspec's decoder if it is installed, otherwise that of the standard library."""
    try:
        return MsgspecDecoder()
    except ImportError:
        return StandardDecoder()


class Block:
    """Items that were parsed together.

    Args:
        items: The items.
        texts: Returns the text of each.
        source: Their JSON, if they may be rows.

    Attributes:
        items: The remaining items, the next one last: an item that was taken is freed before the next one is used.
    """

    def __init__(self, items: list[Any], texts: Callable[[], list[str]], source: bytes = b"") -> None:
        items.reverse()
        self.items = items
        self._count = len(items)
        self._read_texts = texts
        self._source = source

    def reread(self) -> None:
        """Make dicts of the remaining items, if they are rows."""
        if self.items and not isinstance(self.items[0], dict):
            items = loads(b"[%b]" % self._source)
            self.items[:] = reversed(items[self._count - len(self.items) :])

    @functools.cached_property
    def _texts(self) -> list[str]:
        return self._read_texts()

    @property
    def text(self) -> str:
        """The text of the item taken last."""
        return self._texts[self._count - len(self.items) - 1]

    def with_texts(self) -> list[tuple[Any, str]]:
        """Take all items that remain, each with its text."""
        items = self.items[::-1]
        self.items.clear()
        return list(zip(items, self._texts[self._count - len(items) :], strict=True))


class Blocks:
    """Cuts blocks from the bytes of an array. Each begins at the comma after the item read last.

    A block ends before `},` and the first key of the array's items, or with the bytes that have arrived. If it is valid
    JSON, its items are those of the array, as JSON is unambiguous. If it is not, because such a text occurs inside an
    item, the next attempt is made some items later: the number doubles with each failure, and halves with each success.
    """

    def __init__(self, first: str) -> None:
        key = _FIRST_KEY.match(first)
        self._mark = None if key is None else f"}},{key[0]}".encode()
        self._pause = self._skipped = 0

    def is_due(self, number: int) -> bool:
        """Return whether to try a block after some items that were read from text."""
        self._skipped += number
        return self._mark is not None and self._skipped > self._pause

    def next(self, source: Source, decoder: Decoder, limit: float, *, with_texts: bool) -> Block | None:
        """Return the next block, `None` if there is none. It waits for bytes only if no item is complete.

        Args:
            source: The bytes.
            decoder: Parses the block.
            limit: The most characters of an item.
            with_texts: Whether the text of each item will be asked for, so that it is read with the item.
        """
        mark = self._mark or b""
        size = int(min(limit, decoder.size * _WITH_TEXTS)) if with_texts else decoder.size
        while True:
            data, at = source.data, source.at
            end = data.rfind(mark, at, at + size) + 1
            if end > at:
                return self._parsed(data[at:end], source, decoder, with_texts)
            if len(data) - at >= size:
                self._pause_longer()
                return None
            if data.endswith(b"}") and (block := self._parsed(data[at:], source, decoder, with_texts)):
                return block
            if (at < len(data) and not data.startswith(b",", at)) or not source.receive():
                return None

    def _parsed(self, content: bytes, source: Source, decoder: Decoder, with_texts: bool) -> Block | None:
        block = _block(content[1:], decoder, with_texts) if content.startswith(b",") else None
        if block is None:
            self._pause_longer()
            return None
        source.at += len(content)
        self._pause //= 2
        self._skipped = 0
        return block

    def _pause_longer(self) -> None:
        self._pause = min(2 * self._pause + 8, _LONGEST_PAUSE)
        self._skipped = 0


def _block(content: bytes, decoder: Decoder, with_texts: bool) -> Block | None:
    if not with_texts:
        items = decoder.items(content)
        return None if items is None else Block(items, lambda: decoder.texts(content), content)
    if (both := decoder.items_and_texts(content)) is None:
        return None
    items, texts = both
    return Block(items, lambda: texts, content)
