"""The items of an array, parsed in blocks: that costs less than one by one.

The decoder is that of the standard library, or msgspec if it is installed (the extra `pryv[speed]`). Both read
numbers in the same way. orjson does not: it turns large integers into floats (https://github.com/ijl/orjson#int).
"""

from __future__ import annotations

import functools
import re
from json import JSONDecoder
from typing import Any, Protocol

from .json import refuse_constant
from .source import Source

SIZE = 5000
"""Bytes of a block, about 16 events: they stay in the processor's cache until they are used."""

_FIRST_KEY = re.compile(r'\{"[^"\\]*":')
_COMMA = re.compile(r"[ \t\n\r]*,?[ \t\n\r]*")
_LONGEST_PAUSE = 1024
"""The most items that are read one by one before a block is tried again."""


class Decoder(Protocol):
    """Parses objects with commas between them.

    Attributes:
        splits: Whether `texts` costs little compared with `items`.
    """

    splits: bool

    def items(self, source: bytes) -> list[Any] | None:
        """Return the objects, `None` if the decoder cannot read them."""

    def texts(self, source: bytes) -> list[str]:
        """Return the text of each object, after `items` has read them."""


class StandardDecoder:
    """Parses with the standard library."""

    splits = False
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
        text = source.decode()
        texts = []
        start = _COMMA.match(text).end()  # type: ignore[union-attr]
        while start < len(text):
            end = self._decode(text, start)[1]
            texts.append(text[start:end])
            start = _COMMA.match(text, end).end()  # type: ignore[union-attr]
        return texts


class MsgspecDecoder:
    """Parses with msgspec. It refuses numbers beyond a double, and lone surrogates."""

    splits = True

    def __init__(self) -> None:
        import msgspec

        self._errors = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
        self._decode = msgspec.json.Decoder(list[Any]).decode
        self._split = msgspec.json.Decoder(list[msgspec.Raw]).decode

    def items(self, source: bytes) -> list[Any] | None:
        """Return the objects, `None` if msgspec cannot read them."""
        try:
            return self._decode(b"[%b]" % source)
        except self._errors:
            return None

    def texts(self, source: bytes) -> list[str]:
        """Return the text of each object."""
        return [str(raw, "utf-8") for raw in self._split(b"[%b]" % source)]


@functools.cache
def fastest_decoder() -> Decoder:
    """Return msgspec's decoder if it is installed, otherwise that of the standard library."""
    try:
        return MsgspecDecoder()
    except ImportError:
        return StandardDecoder()


class Block:
    """Items that were parsed together.

    Attributes:
        source: Their JSON.
        items: The remaining items, the next one last: an item that was taken is freed before the next one is used.
    """

    def __init__(self, source: bytes, items: list[Any], decoder: Decoder) -> None:
        items.reverse()
        self.source = source
        self.items = items
        self._count = len(items)
        self._decoder = decoder
        self._texts: list[str] | None = None

    @property
    def text(self) -> str:
        """The text of the item taken last."""
        if self._texts is None:
            self._texts = self._decoder.texts(self.source)
        return self._texts[self._count - len(self.items) - 1]

    def with_texts(self) -> list[tuple[Any, str]]:
        """Take all items that remain, each with its text."""
        items = self.items[::-1]
        self.items.clear()
        texts = self._decoder.texts(self.source) if self._texts is None else self._texts
        return list(zip(items, texts[self._count - len(items) :], strict=True))


class Blocks:
    """Cuts blocks from the bytes of an array. Each begins at the comma after the item read last.

    A block ends before `},` and the first key of the array's items, or with the bytes that have arrived. If it is valid
    JSON, its items are those of the array, as JSON is unambiguous. If it is not, because such a text occurs inside an
    item, the next attempt is made some items later: the number doubles with each failure.
    """

    def __init__(self, decoder: Decoder, first: str) -> None:
        key = _FIRST_KEY.match(first)
        self._mark = None if key is None else f"}},{key[0]}".encode()
        self._decoder = decoder
        self._pause = self._skipped = 0

    def is_due(self) -> bool:
        """Return whether to try a block after an item that was read separately."""
        self._skipped += 1
        return self._mark is not None and self._skipped > self._pause

    def next(self, source: Source) -> Block | None:
        """Return the next block, `None` if there is none. It waits for bytes only if no item is complete."""
        mark = self._mark or b""
        while True:
            data, at = source.data, source.at
            end = data.rfind(mark, at, at + SIZE) + 1
            if end > at:
                return self._parsed(data[at:end], source)
            if len(data) - at >= SIZE:
                self._pause_longer()
                return None
            if data.endswith(b"}") and (block := self._parsed(data[at:], source)):
                return block
            if (at < len(data) and not data.startswith(b",", at)) or not source.receive():
                return None

    def _parsed(self, content: bytes, source: Source) -> Block | None:
        items = self._decoder.items(content[1:]) if content.startswith(b",") else None
        if items is None:
            self._pause_longer()
            return None
        source.at += len(content)
        self._pause = self._skipped = 0
        return Block(content[1:], items, self._decoder)

    def _pause_longer(self) -> None:
        self._pause = min(2 * self._pause + 8, _LONGEST_PAUSE)
        self._skipped = 0
