"""Rows and contents are encoded alike with msgspec and without."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pryv._transport import fast_json
from pryv._transport.fast_json import encode_each, encode_rows
from pryv._transport.json import EncodingError, encode

VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("null")


@pytest.fixture(params=["msgspec", "the standard library"])
def _encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fast_json._encoder.cache_clear()
    if request.param != "msgspec":
        monkeypatch.setitem(sys.modules, "msgspec", None)
    assert (fast_json._encoder() is not None) is (request.param == "msgspec")
    yield
    fast_json._encoder.cache_clear()


@given(st.lists(st.lists(VALUES, max_size=3) | st.tuples(VALUES, VALUES), max_size=5))
@example([[2**64, -(2**63) - 1, 10**30]])
@example([["\ud800"]])
@example([[math.nan, None]])
def test_rows_are_those_that_json_encodes(rows: list[Any]) -> None:
    assert outcome(encode_rows, rows) == outcome(encode, rows)


CONTENTS = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=500)
@given(st.lists(CONTENTS, max_size=5))
@example([{"a": 1e16}, {"a": 1e-05}, {"a": -0.00001234}, {"a": 5e-324}, {"a": 1e22}, [0.0001, 123456789.0]])
@example([{"a": math.nan}, [math.inf, -math.inf], None])
@example([[2**64, -(2**63) - 1, 10**30], {"a": "line\nbreak \u2028 \x7f \0"}])
@example(["\ud800", {"\udfff": 1}])
def test_each_value_is_as_json_dumps_it(values: list[Any]) -> None:
    assert fast_json._encoder() is not None
    assert encode_each(values) == [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values]


@pytest.mark.usefixtures("_encoder")
@pytest.mark.parametrize(
    "values",
    [[], ["\0"], [1, ["\0", "\0", 1], 2], ["\0", "\0"], [["a", "\0", "b"]], [{"a": [{}, "\0", []]}, "a", None]],
    ids=repr,
)
def test_values_may_hold_any_mark(values: list[Any]) -> None:
    assert encode_each(values) == [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values]


@pytest.mark.usefixtures("_encoder")
def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = [1]
    value.append(value)
    with pytest.raises(ValueError, match="Circular"):
        encode_each([1, value])


@given(st.floats())
@example(1e16)
@example(1e-05)
@example(-0.00001234)
def test_each_float_is_as_json_dumps_it(number: float) -> None:
    assert encode_each([number]) == [json.dumps(number)]


def outcome(encoder: Callable[[Any], bytes], rows: list[Any]) -> Any:
    """Return what the text of rows stands for, or the place of what has no JSON form."""
    try:
        return repr(json.loads(encoder(rows)))
    except EncodingError as error:
        return error.path


@pytest.mark.usefixtures("_encoder")
@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        -math.inf,
        decimal.Decimal(1),
        datetime.date(2026, 1, 1),
        datetime.datetime(2026, 1, 1),
        uuid.UUID(int=1),
        b"bytes",
        {1},
        "\ud800",
    ],
    ids=repr,
)
def test_values_without_a_json_form_are_named(value: Any) -> None:
    with pytest.raises(EncodingError) as failed:
        encode_rows([[0, 1], [2, value]])
    assert failed.value.path == (1, 1)


@pytest.mark.usefixtures("_encoder")
def test_aware_datetimes_become_seconds() -> None:
    moment = datetime.datetime(1970, 1, 2, tzinfo=datetime.timezone.utc)
    assert json.loads(encode_rows([[moment, 1]])) == [[86400, 1]]
