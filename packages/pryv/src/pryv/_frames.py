"""From columns to frames of pandas and Arrow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pryv.errors import MissingAddonError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def optional_module(name: str, extra: str) -> Any:
    """Return a module of an extra.

    Raises:
        MissingAddonError: the extra is not installed.
    """
    try:
        import_module("numpy")
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in (name, "numpy"):
            raise
    raise MissingAddonError(f'frames need an extra: pip install "pryv[{extra}]"')


def pandas_values(pandas: Any, values: Any, kind: str) -> Any:
    """Return the values of a column as pandas takes them."""
    if kind == "time":
        return pandas.DatetimeIndex(values).tz_localize("UTC")
    if kind == "list":
        copies = [_none if ids is None else ids.copy for ids in values.different]
        values = [copies[code]() for code in values.codes.tolist()]
    if kind in ("text", "list"):
        return pandas.Series(values, dtype=object)
    return values


def _none() -> None:
    """Return the copy of a null."""


def arrow_values(arrow: Any, values: Any, kind: str) -> Any:
    """Return the values of a column as an array of Arrow. Numbers and times are not copied."""
    if kind == "time":
        return _of_buffer(arrow, arrow.timestamp("us", tz="UTC"), values, values == values)
    if kind == "number":
        return _of_buffer(arrow, arrow.from_numpy_dtype(values.dtype), values, values == values)
    if kind == "list":
        different = [None if ids is None else list(map(_encodable, ids)) for ids in values.different]
        return arrow.array(different, type=arrow.list_(arrow.string())).take(arrow.array(values.codes))
    if kind == "flag":
        return arrow.array(values)
    try:
        return arrow.array(values, type=arrow.string())
    except UnicodeEncodeError:
        return arrow.array([None if value is None else _encodable(value) for value in values], type=arrow.string())


def _of_buffer(arrow: Any, kind: Any, values: Any, valid: Any) -> Any:
    """Return an array of Arrow over the memory of an array of NumPy."""
    import numpy as np

    bits = None if valid.all() else arrow.py_buffer(np.packbits(valid, bitorder="little"))
    return arrow.Array.from_buffers(kind, len(values), [bits, arrow.py_buffer(values)])


def _encodable(text: str) -> str:
    """Return text with lone surrogates replaced, as Arrow's strings are UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def series_to_pandas(columns: dict[str, list[Any]], seconds: list[float] | None) -> pd.DataFrame:
    """Return the columns of a series as a DataFrame, indexed by times in seconds if there are any."""
    pandas = optional_module("pandas", "pandas")
    from pryv._columns import as_numbers, timestamps

    index = None
    if seconds is not None:
        index = pandas.DatetimeIndex(timestamps(seconds), name="time").tz_localize("UTC")
    found = {}
    for name, values in columns.items():
        numbers = as_numbers(values)
        found[name] = pandas.Series(values, dtype=object, index=index) if numbers is None else numbers
    return pandas.DataFrame(found, index=index)


def series_to_arrow(columns: dict[str, list[Any]]) -> pa.Table:
    """Return the columns of a series as a table of Arrow; values of several kinds become text."""
    arrow = optional_module("pyarrow", "arrow")
    from pryv._columns import as_numbers
    from pryv._event_values import as_texts

    arrays = {}
    for name, values in columns.items():
        numbers = as_numbers(values)
        if numbers is None:
            arrays[name] = arrow_values(arrow, as_texts(values), "text")
        else:
            arrays[name] = arrow_values(arrow, numbers, "number")
    return arrow.table(arrays)
