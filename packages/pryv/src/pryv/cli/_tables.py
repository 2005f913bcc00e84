"""Tables on a terminal: plain text, one line for each row."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pryv._text import printable
from pryv.cli._output import standard_output

_GAP = "  "
_LEAST = 4
"""The least width of a column that is cut, as long as other columns can be cut."""
_MEASURED = 100
"""The number of rows that set the width of the columns: a table may be larger than the memory."""
_LONGEST = 4096
"""The number of characters of a cell that are used: more than the width of a terminal."""
_JOINER = "\u200d"
_EMOJI = "\ufe0f"


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: Its title.
        value: A function that returns a row's value: text, a number, a value with a JSON form, or `None` for an empty
            cell.
        whole: Whether its cells are useful only if they are complete, as ids are: other columns are cut first.
    """

    title: str
    value: Callable[[Any], object]
    whole: bool = False


def write_table(columns: Sequence[Column], rows: Iterable[Any]) -> None:
    """Write rows to standard output as they arrive, each on one line that fits the width of the terminal.

    Cells that are too long are cut, and control characters are escaped.

    Args:
        columns: The columns.
        rows: The rows, from which the columns get their values.
    """
    output = standard_output()
    encoding = sys.stdout.encoding or "ascii"
    cut_mark = "…" if _is_encodable("…", encoding) else "~"
    lines = ([_cell(column.value(row), encoding) for column in columns] for row in rows)
    first = [[column.title for column in columns], *itertools.islice(lines, _MEASURED)]
    widths = [max(map(display_width, cells)) for cells in zip(*first, strict=True)]
    _fit(widths, [column.whole for column in columns], shutil.get_terminal_size().columns)
    for cells in itertools.chain(first, lines):
        shown = (_padded(cell, width, cut_mark) for cell, width in zip(cells, widths, strict=True))
        output.write(f"{_GAP.join(shown).rstrip()}\n".encode(encoding, "backslashreplace"))


def display_width(text: str) -> int:
    """Return the width of a text in cells of a terminal."""
    return len(text) if text.isascii() else sum(_widths(text))


def _widths(text: str) -> Iterator[int]:
    """Yield the width of each character in cells: 2 for wide characters, 0 for combining ones."""
    last, joined = 0, False
    for char in text:
        if char == _JOINER or joined:
            width = 0
        elif char == _EMOJI:
            width = 2 - last if last else 0
        elif unicodedata.category(char) in ("Mn", "Me", "Cf") or "\u1160" <= char <= "\u11ff":  # vowels of Hangul
            width = 0
        else:
            width = last = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        joined = char == _JOINER
        yield width


def _cell(value: object, encoding: str) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return printable(text[:_LONGEST]).encode(encoding, "backslashreplace").decode(encoding)


def _fit(widths: list[int], whole: Sequence[bool], available: int) -> None:
    """Reduce widths, the largest first, until a line fits; those of `whole` columns only if no others are left."""
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - available
    for is_last_resort in (False, True):
        while excess > 0:
            candidates = [index for index, width in enumerate(widths) if is_last_resort or not whole[index]]
            widest = max(candidates, key=widths.__getitem__, default=0)
            if not candidates or widths[widest] <= (1 if is_last_resort else _LEAST):
                break
            widths[widest] -= 1
            excess -= 1


def _padded(cell: str, width: int, cut_mark: str) -> str:
    missing = width - display_width(cell)
    if missing >= 0:
        return cell + " " * missing
    kept = [used for used in itertools.accumulate(_widths(cell)) if used < width]
    return cell[: len(kept)] + cut_mark + " " * (width - 1 - max(kept, default=0))


def _is_encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
