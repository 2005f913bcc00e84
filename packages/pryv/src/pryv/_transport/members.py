"""The members of one JSON object, read as it arrives, at constant memory."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any

from .blocks import SIZE, Block, Blocks, Decoder, fastest_decoder
from .json import refuse_constant
from .libraries import is_unterminated_string
from .limits import parsed_size
from .source import Source

_decode = JSONDecoder(parse_constant=refuse_constant).raw_decode
RESULTS = "results"
"""The member of the response to a batch that has the results of its calls."""

_SPACES = " \t\n\r"
_SPACE = re.compile(r"[ \t\n\r]*")
_COMMA = re.compile(r'[ \t\n\r]*,[ \t\n\r]*(?=[{\["])')
_END_OF_VALUE = re.compile(r'["}\]]')
_AFTER_VALUE = frozenset(",]} \t\n\r")
_LONGEST_TOKEN = 12
"""Characters of the longest token, strings aside, that the decoder refuses when it is cut short: a surrogate pair."""
_LARGE = 1 << 16
"""A value of more characters is scanned again only once it has doubled."""
_VERY_LARGE = 1 << 20
"""A value of more characters may take much memory once it is parsed."""
_PARSED = 16
"""The text of a value and its parsed form together may take this many times the limit."""


class MalformedError(Exception):
    """The text is not one complete JSON object."""


class TooLargeError(Exception):
    """A value, or the whitespace before one, is longer than the limit."""


class Members:
    """Yields the members of the JSON object in a body as pairs of key and value.

    A member in `streamed` is an array: each of its items is yielded with the key. The body is read as items are
    requested, and only the part not yet parsed is kept in memory. `limit` bounds the characters of one value.

    Attributes:
        found: The keys of `streamed` that the object has, with or without items.
        decoder: Parses the blocks that follow.

    Raises:
        TooLargeError: a value is larger.
        MalformedError: the body is not one JSON object, or a member in `streamed` is not an array.
        UnicodeDecodeError: it is not UTF-8.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        streamed: Container[str],
        limit: int | None = None,
        decoder: Decoder | None = None,
    ) -> None:
        self._source = Source(chunks)
        self.decoder = decoder or fastest_decoder()
        self._block: Block | None = None
        self._texts_are_read = False
        self._limit = math.inf if limit is None else limit
        self._streamed = streamed
        self.found: set[str] = set()
        self._failure: Exception | None = None
        self._text = ""
        self._start = self._at = 0

    @property
    def text(self) -> str:
        """The text of the value yielded last, until the next one is requested."""
        self._texts_are_read = True
        return self._text[self._start : self._at] if self._block is None else self._block.text

    @property
    def size(self) -> int:
        """The characters of the value yielded last."""
        return self._at - self._start if self._block is None else len(self._block.text)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for key, values in self.batches():
            while values:
                yield key, values.pop()

    def batches(self) -> Iterator[tuple[str, list[Any]]]:
        """Yield values some at a time, the next one last, to be taken with `pop` before more are asked for."""
        for key in self._keys():
            for values in self._values(key):
                yield key, values
        self._expect("")

    def results(self) -> Iterator[tuple[int | None, str, list[Any]]]:
        """Read the response to a batch: yield the members of its results as `batches` does, with the call's number.

        An array in `streamed` begins with an empty batch. The other members of the response have no number.
        """
        for key in self._keys():
            if key != RESULTS:
                yield None, key, [self._value()]
                continue
            self._expect("[")
            for number in self._numbers():
                for name in self._keys():
                    if name in self._streamed:
                        yield number, name, []
                    for values in self._values(name):
                        yield number, name, values
        self._expect("")

    def with_texts(self, values: list[Any]) -> list[tuple[Any, str]]:
        """Take all values of the batch yielded last, each with its text. This costs less than `text` for each."""
        self._texts_are_read = True
        if self._block is None:
            return [(values.pop(), self._text[self._start : self._at])] if values else []
        return self._block.with_texts()

    def reread(self) -> None:
        """Make dicts of the items that remain in the batch yielded last, if they are something else."""
        if self._block is not None:
            self._block.reread()

    def _keys(self) -> Iterator[str]:
        """Read an object up to its end: yield its keys, after each of which the value is read."""
        self._expect("{")
        more = not self._take("}")
        while more:
            key = self._value()
            if not isinstance(key, str):
                raise MalformedError
            self._expect(":")
            yield key
            more = self._take_comma_or("}")

    def _numbers(self) -> Iterator[int]:
        """Read an array after its bracket, up to its end: yield the number of each item, after which it is read."""
        number = 0
        more = not self._take("]")
        while more:
            yield number
            number += 1
            more = self._take_comma_or("]")

    def _values(self, key: str) -> Iterator[list[Any]]:
        """Read the value of a key, or its items if it is streamed."""
        if key in self._streamed:
            self._expect("[")
            self.found.add(key)
            yield from self._items()
        else:
            self._block = None
            yield [self._value()]

    def _items(self) -> Iterator[list[Any]]:
        """Read the items of an array after its bracket, up to its end."""
        blocks: Blocks | None = None
        more = not self._take("]")
        while more:
            self._block = None
            value = self._value()
            blocks = blocks or Blocks(self._text[self._start : self._at])
            self._block = self._block_from(value)
            number = len(self._block.items)
            yield self._block.items
            if blocks.is_due(number) and self._limit >= self.decoder.size:
                yield from self._in_blocks(blocks)
            more = self._take_comma_or("]")

    def _block_from(self, value: Any) -> Block:
        """Return a block of the item read last and those that follow it, as far as they are complete in the text."""
        text, limit, start, end = self._text, self._limit, self._start, self._at
        items, places = [value], [(start, end)]
        last = end + SIZE
        while end < last and (comma := _COMMA.match(text, end)):
            start = comma.end()
            if start - end > limit:
                break
            try:
                value, end = _decode(text, start)
            except (ValueError, RecursionError):
                break
            if end - start > limit:
                break
            items.append(value)
            places.append((start, end))
        self._start, self._at = places[-1]
        return Block(items, lambda: [text[start:end] for start, end in places])

    def _in_blocks(self, blocks: Blocks) -> Iterator[list[Any]]:
        """Read the items that follow, as far as they come in blocks."""
        self._source.unread(self._text[self._at :])
        self._text, self._start, self._at = "", 0, 0
        self._failure = None  # the source raises it again, after the bytes before it
        while block := blocks.next(self._source, self.decoder, self._limit, with_texts=self._texts_are_read):
            self._block = block
            yield block.items

    def _take(self, mark: str) -> bool:
        """Read `mark` if it is next, and return whether it was."""
        found = self._peek() == mark
        self._at += found
        return found

    def _take_comma_or(self, end: str) -> bool:
        """Read a comma or the `end` of the list, and return whether it was a comma."""
        if self._take(","):
            return True
        self._expect(end)
        return False

    def _expect(self, mark: str) -> None:
        """Read `mark`; the empty string means the end of the text."""
        if self._peek() != mark:
            raise MalformedError
        self._at += len(mark)

    def _value(self) -> Any:
        """Read a value."""
        self._peek()
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except JSONDecodeError as error:
                malformed = not self._may_be_cut_short(error)
            except (ValueError, RecursionError):
                malformed = True
            else:
                if isinstance(value, (dict, list, str)) or self._text[end : end + 1] in _AFTER_VALUE:
                    if end - self._at > self._limit:
                        raise TooLargeError
                    self._start, self._at = self._at, end
                    return value
                malformed = False
            if malformed or not self._read_on():
                raise MalformedError

    def _may_be_cut_short(self, error: JSONDecodeError) -> bool:
        return is_unterminated_string(error) or error.pos >= len(self._text) - _LONGEST_TOKEN

    def _peek(self) -> str:
        """Return the next character that is not whitespace; an empty string at the end."""
        spaces = 0
        while (mark := self._text[self._at : self._at + 1]) in _SPACES:
            end = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            spaces += end - self._at
            if spaces > self._limit:
                raise TooLargeError
            self._at = end
            if self._at == len(self._text) and not self._read_on():
                return ""
        return mark

    def _read_on(self) -> bool:
        """Read on, until a character arrives that can end a value; tell whether anything arrived.

        An exception of the chunks is raised once everything before it is parsed.
        """
        rest = self._text[self._at :]
        size = len(rest)
        if size > self._limit:
            raise TooLargeError
        parts: list[str] = []
        wanted = size * 2 if size > _LARGE else 0
        try:
            while self._failure is None and (part := self._source.read_text()):
                parts.append(part)
                size += len(part)
                if size > self._limit or (size >= wanted and _END_OF_VALUE.search(part)):
                    break
        except Exception as failure:  # noqa: BLE001
            self._failure = failure
        if not parts and self._failure is not None:
            raise self._failure
        self._text, self._at = rest + "".join(parts), 0
        if size > _VERY_LARGE and parsed_size(self._text.encode()) > _PARSED * self._limit:
            raise TooLargeError
        return bool(parts)
