"""Tables on a terminal."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import unicodedata
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv import PryvProtocolError
from pryv.cli import Column, _account, _data, write_table
from pryv.cli._csv import write_csv
from pryv.cli._tables import display_width

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def table(rows: Sequence[Any], columns: int = 80, encoding: str = "utf-8", whole: bool = False) -> list[str]:
    """The lines of a table of rows that are lists of the same length; the first column is named a, the next b."""
    described = [
        Column("abcdefghij"[index], itemgetter(index), whole and index == 0)
        for index in range(max(map(len, rows), default=1))
    ]
    with mock.patch.dict(os.environ, {"COLUMNS": str(columns)}):
        return written(write_table, described, rows, encoding=encoding)


def written(write: Callable[..., object], *arguments: object, encoding: str = "utf-8") -> list[str]:
    """The lines that a function writes to standard output."""
    output = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(output, encoding, write_through=True)):
        write(*arguments)
        return output.getvalue().decode(encoding).split("\n")[:-1]


@given(st.lists(st.lists(JSON, min_size=3, max_size=3), max_size=5), st.integers(20, 100), st.booleans())
def test_a_row_is_one_line_within_the_terminal(rows: list[list[Any]], columns: int, whole: bool) -> None:
    for encoding in ("utf-8", "latin-1", "ascii"):
        lines = table(rows, columns, encoding, whole)
        assert len(lines) == 1 + len(rows)
        assert max(map(display_width, lines)) <= columns
        assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in "".join(lines))


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "fileName", "level"]), inner),
    max_leaves=5,
)


@given(st.data())
def test_values_that_the_platform_never_sends_are_shown(data: st.DataObject) -> None:
    for columns, names in (
        (_data._EVENTS, ["id", "time", "type", "streamIds", "content", "attachments"]),
        (_account._ACCESSES, ["id", "type", "name", "permissions", "lastUsed", "expires"]),
    ):
        rows = data.draw(st.lists(st.dictionaries(st.sampled_from(names), ODD), max_size=3))
        assert len(written(write_table, columns, rows)) == 1 + len(rows)
        assert {len(record) for record in csv.reader(written(write_csv, rows))} == {9}


@given(st.lists(st.dictionaries(st.sampled_from(["id", "name", "children"]), ODD), max_size=3))
def test_an_invalid_tree_of_streams_is_refused(tree: list[Any]) -> None:
    with contextlib.suppress(PryvProtocolError):
        streams = list(_data._flat([{"id": "root", "children": tree}, *tree]))
        assert len(written(write_table, _data._STREAMS, streams)) == 1 + len(streams)


def test_a_tree_may_be_deep() -> None:
    tree: list[Any] = []
    for depth in range(5000):
        tree = [{"id": f"stream-{5000 - depth}", "children": tree}]
    assert [depth for depth, _ in _data._flat(tree)] == list(range(5000))


def test_columns_are_as_wide_as_they_have_to_be() -> None:
    assert table([["one", 1.5, None], ["two", {"x": [1]}, "end"]]) == [
        "a    b           c",
        "one  1.5",
        'two  {"x": [1]}  end',
    ]


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("plain", 5),
        ("Zürich", 6),
        ("Zu\u0308rich", 6),
        ("日本", 4),
        ("\uff21", 2),  # a wide letter
        ("🎈", 2),
        ("❤", 1),
        ("❤\ufe0f", 2),
        ("👩\u200d🔬", 2),
        ("🇨🇭", 2),
        ("\u1112\u1161\u11ab", 2),  # one syllable
    ],
)
def test_columns_after_wide_characters_are_aligned(text: str, width: int) -> None:
    assert display_width(text) == width
    _, line, _ = table([[text, "x"], ["longest text", "x"]])
    assert line == text + " " * (12 - width) + "  x"


def test_long_cells_are_cut() -> None:
    assert table([["x" * 100, "y" * 100]], 20)[1] == "xxxxxxxx…  yyyyyyyy…"
    assert table([["日" * 100, "y" * 6]], 20)[1] == "日日日日日…   yyyyyy"
    assert table([["x" * 100]], 20, "latin-1")[1] == "x" * 19 + "~"


def test_ids_are_cut_last() -> None:
    assert table([["x" * 24, "y" * 100]], 40, whole=True)[1] == "x" * 24 + "  " + "y" * 13 + "…"
    assert table([["x" * 24, "y" * 100]], 20, whole=True)[1] == "x" * 13 + "…" + "  " + "yyy…"


def test_a_table_is_not_held_in_memory() -> None:
    taken: list[object] = []

    def rows() -> Any:
        for number in range(1000):
            taken.append(number)
            yield [number]

    class Output(io.BytesIO):
        def write(self, _: Any) -> int:
            taken.append("written")
            return 0

    with contextlib.redirect_stdout(io.TextIOWrapper(Output())):
        write_table([Column("number", lambda row: row[0])], rows())
    assert taken.index("written") <= 100
    assert taken[-2:] == [999, "written"]
