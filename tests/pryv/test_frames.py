"""Frames of events: their columns, types and nulls, whatever the events hold."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.memory import traced_memory

from pryv import Series
from pryv._transport import fast_json
from pryv.cli import write_csv
from pryv.frames import iter_arrow, to_arrow, to_pandas

EVENTS: list[dict[str, Any]] = [
    {"id": "a", "time": 1767614400.25, "type": "mass/kg", "streamIds": ["weight"], "content": 61.5, "modified": 1},
    {"id": "b", "time": 1767614401, "duration": 60, "type": "note/txt", "streamIds": ["x", "y"], "content": "Hé"},
    {"id": "c", "time": -1e18, "type": "pressure", "content": {"systolic": 120, "at": "home"}, "trashed": True},
    {"id": "d", "deleted": 3},
    {"id": "e", "time": None, "type": "mass/kg", "streamIds": ["weight"], "content": None, "duration": None},
    {"id": "f", "type": "any", "content": {"systolic": None}},
    {"id": "g", "type": "any", "content": True},
]


def test_the_default_columns_of_pandas() -> None:
    frame = to_pandas(EVENTS)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "id": "object",
        "time": "datetime64[us, UTC]",
        "duration": "float64",
        "type": "object",
        "stream_ids": "object",
        "content": "float64",
        "content_text": "object",
        "modified": "datetime64[us, UTC]",
        "trashed": "bool",
    }
    assert list(frame["id"]) == ["a", "b", "c", "e", "f", "g"]
    assert frame["time"][0] == pd.Timestamp("2026-01-05 12:00:00.25", tz="UTC")
    assert list(frame["time"].isna()) == [False, False, True, True, True, True]
    assert list(frame["content"].fillna(-1)) == [61.5, -1, -1, -1, -1, -1]
    assert list(frame["content_text"]) == [
        None,
        "Hé",
        '{"systolic":120,"at":"home"}',
        None,
        '{"systolic":null}',
        "true",
    ]
    assert list(frame["stream_ids"]) == [["weight"], ["x", "y"], None, ["weight"], None, None]
    assert list(frame["trashed"]) == [False, False, True, False, False, False]
    assert list(frame["duration"].fillna(-1)) == [-1, 60, -1, -1, -1, -1]


def test_times_may_be_datetimes() -> None:
    start = pd.Timestamp("2026-01-05 12:00:00.25", tz="UTC")
    events = [{"time": start}, {"time": start.to_pydatetime().astimezone()}, {"time": pd.NaT}]
    assert list(to_pandas(events)["time"].dropna()) == [start, start]
    file = io.BytesIO()
    write_csv(events, file)
    assert next(csv.DictReader(io.StringIO(file.getvalue().decode())))["time"] == start.isoformat()


def test_arrow_has_the_same_values() -> None:
    table = to_arrow(iter(EVENTS))
    assert table.schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("stream_ids").type == pa.list_(pa.string())
    assert table.schema.field("content").type == pa.float64()
    assert table.schema.field("trashed").type == pa.bool_()
    assert {table.schema.field(name).type for name in ("id", "type", "content_text")} == {pa.string()}
    frame = to_pandas(EVENTS)
    for name in frame.columns:
        wanted = [None if value is pd.NaT or value != value else value for value in frame[name].tolist()]
        assert table.column(name).to_pylist() == wanted, name


def test_columns_and_paths() -> None:
    frame = to_pandas(EVENTS, ["id", "content.systolic", "content.at", "createdBy"])
    assert list(frame.columns) == ["id", "content.systolic", "content.at", "createdBy"]
    assert frame["content.systolic"].dtype == np.float64
    assert frame["content.systolic"].dropna().tolist() == [120]
    assert list(frame["content.at"]) == [None, None, "home", None, None, None]
    assert set(frame["createdBy"]) == {None}


def test_a_row_does_not_share_its_list_of_streams() -> None:
    streams = to_pandas([{"streamIds": ["a"]}, {"streamIds": ["a"]}, {"streamIds": []}, {"streamIds": []}, {}])[
        "stream_ids"
    ]
    streams[0].append("b")
    streams[2].append("c")
    assert streams.tolist() == [["a", "b"], ["a"], ["c"], [], None]


def test_an_event_with_deleted_null_is_kept() -> None:
    events: list[dict[str, Any]] = [{"id": "a", "deleted": None}, {"id": "b", "deleted": 1}]
    assert to_pandas(events)["id"].tolist() == to_arrow(events)["id"].to_pylist() == ["a"]
    file = io.BytesIO()
    write_csv(events, file)
    assert [row["id"] for row in csv.DictReader(io.StringIO(file.getvalue().decode()))] == ["a"]


def test_stream_ids_that_are_a_string_are_null() -> None:
    events: list[dict[str, Any]] = [{"streamIds": ["a", "b"]}] * 1000 + [
        {"streamIds": "ab"},
        {"streamIds": {"a": 1, "b": 2}},
    ]
    assert to_pandas(events)["stream_ids"].tolist()[998:] == [["a", "b"]] * 2 + [None] * 2


def test_a_path_with_values_of_other_types_is_text() -> None:
    events = [{"content": {"a": value}} for value in (1, 1.5, "x", {"b": [1]}, True, None)]
    assert list(to_pandas(events, ["content.a"])["content.a"]) == ["1", "1.5", "x", '{"b":[1]}', "true", None]


def test_a_string_of_numpy_is_a_string() -> None:
    assert list(to_pandas([{"content": np.str_("x")}, {"content": 2}])["content_text"]) == ["x", None]
    assert list(to_pandas([{"type": np.str_("x")}, {"type": [1]}])["type"]) == ["x", "[1]"]


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_a_number_of_numpy_is_a_number(kind: type) -> None:
    events = [{"content": kind(5), "clientData": {"x": kind(2)}}, {"content": None}]
    for columns in (["content", "content_text", "clientData.x"], {"content": None, "clientData.x": float}):
        found = to_arrow(events, columns).to_pydict()
        assert found["content"] == [5, None]
        assert found["clientData.x"] == [2, None]
        assert found.get("content_text", [None, None]) == [None, None]


def test_a_given_type_is_used() -> None:
    events: list[dict[str, Any]] = [{"content": {"a": 1}}, {"content": {"a": None}}, {"content": 5}]
    assert list(to_pandas(events, {"content.a": str})["content.a"]) == ["1", None, None]
    assert to_pandas([{}], {"content.a": float})["content.a"].dtype == np.float64
    with pytest.raises(ValueError, match=r"^content\.a: .* str"):
        to_pandas([*events, {"content": {"a": "x"}}], {"content.a": float})


def test_the_first_batch_decides_the_type() -> None:
    batches = iter_arrow(({"content": {"a": value}} for value in (1, None, 2.5, "x")), ["content.a"], rows=2)
    assert next(batches).to_pydict() == {"content.a": [1, None]}
    with pytest.raises(ValueError, match=r"content\.a"):
        next(batches)
    text = iter_arrow(({"content": {"a": value}} for value in (None, None, 1)), ["content.a"], rows=2)
    assert [batch.to_pydict() for batch in text] == [{"content.a": [None, None]}, {"content.a": ["1"]}]


@pytest.mark.parametrize("rows", [1, 3, 64, 1000])
def test_batches_have_their_rows_and_one_schema(rows: int) -> None:
    batches = list(iter_arrow(EVENTS * 50, rows=rows))
    assert {batch.schema for batch in batches} == {to_arrow(EVENTS).schema}
    assert [batch.num_rows for batch in batches[:-1]] == [rows] * (len(batches) - 1)
    assert pa.Table.from_batches(batches).to_pydict() == to_arrow(EVENTS * 50).to_pydict()


def test_without_events_there_are_columns() -> None:
    assert to_pandas([]).dtypes.equals(to_pandas(EVENTS).dtypes)
    assert to_arrow([]).schema == to_arrow(EVENTS).schema
    assert list(iter_arrow([])) == []
    assert list(to_pandas([], ["content.a"]).columns) == ["content.a"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
fields = st.sampled_from(["id", "time", "duration", "type", "streamIds", "content", "modified", "trashed"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(fields, values, max_size=8), max_size=6))
@example([{"content": 10**400, "time": 10**400, "type": "\ud800", "streamIds": ["\ud800", "é"]}])
@example([{"streamIds": "abc"}, {"streamIds": ["a", 1, None]}, {"streamIds": [["a"]]}])
@example([{"time": 253402300799.9999999}, {"time": -62135596800}, {"time": -62135596801}, {"time": True}])
def test_contents_of_any_kind_become_frames(events: list[dict[str, Any]]) -> None:
    frame, table = to_pandas(events), to_arrow(events)
    assert len(frame) == table.num_rows == len(events)
    for index, event in enumerate(events):
        content = event.get("content")
        number = isinstance(content, (int, float)) and not isinstance(content, bool) and abs(content) < 1e308
        if number:
            assert frame["content"][index] == content
            assert frame["content_text"][index] is None
        elif content is not None and not isinstance(content, (int, float)):
            text = frame["content_text"][index]
            assert text == content if isinstance(content, str) else json.loads(text) == content
    paths = ["content.a", "content", "x.y.z"]
    assert list(to_pandas(events, paths).columns) == list(to_arrow(events, paths).column_names) == paths


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(fields, values, max_size=8), max_size=6))
@example([{"content": 10**400}, {"content": 2**60}, {"id": "x", "deleted": 1}])
@example([{"streamIds": ["a", 1, None]}, {"streamIds": "a"}, {"type": {"a": [1, "é"]}, "trashed": 1}])
def test_csv_has_the_values_of_frames(events: list[dict[str, Any]]) -> None:
    file = io.BytesIO()
    write_csv(events, file)
    text = file.getvalue().decode().replace("\0", "\ufffd")  # Python 3.10 reads no NUL in CSV
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    frame = to_pandas(events)
    assert len(rows) == len(frame)
    for row, (_, wanted) in zip(rows, frame.iterrows(), strict=True):
        assert list(row) == list(frame.columns)
        for name in ("duration", "content"):
            assert float(row[name] or "nan") == pytest.approx(wanted[name], rel=0, nan_ok=True)
        for name in ("id", "type", "content_text"):
            assert row[name] == (wanted[name] or "").replace("\0", "\ufffd")
        for name in ("time", "modified"):
            if row[name]:
                difference = datetime.fromisoformat(row[name]) - wanted[name].to_pydatetime()
                assert abs(difference) <= timedelta(microseconds=1)
            else:
                assert wanted[name] is pd.NaT
        assert (json.loads(row["stream_ids"]) if row["stream_ids"] else None) == wanted["stream_ids"]
        assert json.loads(row["trashed"]) == wanted["trashed"]


@given(st.floats(-62135596800, 253402300799))
def test_times_are_right_to_the_microsecond(seconds: float) -> None:
    found = to_pandas([{"time": seconds}])["time"][0].to_pydatetime()
    assert abs(found - datetime(1970, 1, 1, tzinfo=timezone.utc) - timedelta(seconds=seconds)) <= timedelta(
        microseconds=1
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(fields, values, max_size=8), max_size=6))
def test_frames_are_the_same_without_msgspec(events: list[dict[str, Any]]) -> None:
    with_msgspec = to_pandas(events), to_arrow(events)
    encoder, fast_json._encoder = fast_json._encoder, lambda: None  # type: ignore[assignment]
    try:
        without = to_pandas(events), to_arrow(events)
    finally:
        fast_json._encoder = encoder
    pd.testing.assert_frame_equal(with_msgspec[0], without[0])
    assert with_msgspec[1].to_pydict() == without[1].to_pydict()


def test_memory_of_batches_does_not_grow() -> None:
    def events(count: int) -> Iterator[dict[str, Any]]:
        return ({"id": f"c{number}", "time": number, "content": {"text": "x" * 50}} for number in range(count))

    def peak(count: int) -> int:
        with traced_memory() as memory:
            for _ in iter_arrow(events(count), rows=1000):
                pass
            return memory()[1]

    peak(2000)
    assert peak(20_000) < 1.2 * peak(4000)


@pytest.mark.parametrize(
    ("columns", "error"),
    [("id", TypeError), ([1], TypeError), ({"content.a": int}, TypeError), (5, TypeError)],
)
def test_invalid_columns_are_refused(columns: Any, error: type[Exception]) -> None:
    for make in (to_pandas, to_arrow, iter_arrow):
        with pytest.raises(error):
            make(EVENTS, columns)


def test_a_frame_has_a_column() -> None:
    for make in (to_pandas, to_arrow, iter_arrow):
        with pytest.raises(ValueError, match=r"^columns is empty"):
            make(EVENTS, [])
        with pytest.raises(ValueError, match=r"^columns is empty"):
            make(EVENTS, {})


@pytest.mark.parametrize("events", [EVENTS[0], "events", b"events"])
def test_one_event_is_no_iterable_of_events(events: Any) -> None:
    for make in (to_pandas, to_arrow, iter_arrow):
        with pytest.raises(TypeError, match=rf"^events .* {type(events).__name__}$"):
            make(events)


@pytest.mark.parametrize("events", [[1], [{}, None], [{"id": "a", "time": 1}, "b"]])
def test_an_event_is_a_dict(events: Any) -> None:
    for make in (to_pandas, to_arrow, lambda events: list(iter_arrow(events))):
        with pytest.raises(TypeError, match=rf"^an event is a dict, not {type(events[-1]).__name__}$"):
            make(events)


@pytest.mark.parametrize(
    ("rows", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError), ("2", TypeError)]
)
def test_an_invalid_number_of_rows_is_refused(rows: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^rows is"):
        iter_arrow(EVENTS, rows=rows)


@pytest.mark.parametrize(("module", "extra"), [("pandas", "pandas"), ("pyarrow", "arrow"), ("numpy", "arrow")])
def test_a_missing_extra_is_named(module: str, extra: str) -> None:
    call = "to_pandas" if extra == "pandas" else "to_arrow"
    script = f"import sys; sys.modules[{module!r}] = None\nfrom pryv import frames, MissingAddonError\n"
    script += f"try: frames.{call}([])\nexcept MissingAddonError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert f'pip install "pryv[{extra}]"' in done.stdout


SERIES = Series(["deltaTime", "value"], [[0, 61], [0.5, 62.5]])


def test_a_series_has_rows_and_times() -> None:
    assert len(SERIES) == 2
    assert list(SERIES) == [[0, 61], [0.5, 62.5]]
    start = datetime(2026, 1, 5, tzinfo=timezone.utc)
    assert SERIES.times(start) == SERIES.times(start.timestamp()) == [start, start + timedelta(seconds=0.5)]
    with pytest.raises(ValueError, match="deltaTime"):
        Series(["value"], [[1]]).times(0)
    with pytest.raises(TypeError):
        len(Series(["value"], iter([[1]])))


def test_a_series_becomes_a_frame() -> None:
    frame = SERIES.to_pandas()
    assert frame.to_dict("list") == {"deltaTime": [0, 0.5], "value": [61, 62.5]}
    indexed = SERIES.to_pandas(datetime(2026, 1, 5, tzinfo=timezone.utc))
    assert str(indexed.index.dtype) == "datetime64[us, UTC]"
    assert indexed.index[1] == pd.Timestamp("2026-01-05 00:00:00.5", tz="UTC")
    assert SERIES.to_arrow().to_pydict() == {"deltaTime": [0, 0.5], "value": [61, 62.5]}
    mixed = Series(["deltaTime", "value"], [[0, None], [1, "x"]])
    assert mixed.to_pandas()["value"].tolist() == [None, "x"]
    assert mixed.to_arrow().column("value").to_pylist() == [None, "x"]
    assert Series(["v"], [[1], ["x"], [2**70]]).to_arrow().to_pydict() == {"v": ["1", "x", "1180591620717411303424"]}


@pytest.mark.parametrize("dtype", ["datetime64[ns]", "timedelta64[ns]", "timedelta64[s]"])
def test_times_of_numpy_are_no_points(dtype: str) -> None:
    times = np.array([[1], [2]]).astype(dtype)
    frame = pd.DataFrame({"deltaTime": times[:, 0]})
    for points in (times, frame):
        with pytest.raises(TypeError, match=r"points are numbers, such as seconds, and not \w+64"):
            Series(["deltaTime"], points)
    with pytest.raises(TypeError, match="points are numbers"):
        list(Series(["deltaTime"], list(times)))


def test_a_frame_becomes_a_series_by_the_names_of_its_columns() -> None:
    frame = pd.DataFrame({"value": [61, 62.5], "other": ["a", "b"], "deltaTime": [0.0, 0.5]})
    assert list(Series(["deltaTime", "value"], frame).rows()) == [[0, 61], [0.5, 62.5]]
    with pytest.raises(ValueError, match="'missing'"):
        Series(["deltaTime", "missing"], frame)


def test_the_package_imports_neither_pandas_nor_pyarrow() -> None:
    script = "import sys, pryv.frames, pryv.connection; print({'numpy', 'pandas', 'pyarrow'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
    assert math.isnan(to_pandas([{"content": "x"}])["content"][0])
