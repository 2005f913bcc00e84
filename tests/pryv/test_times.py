"""Times of the API as datetimes, and back."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pryv.utils import to_datetime, to_timestamp

UTC = timezone.utc
FIRST, LAST = -62_135_596_800, 253_402_300_799
"""The first and the last second of the years 1 to 9999."""


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-0.0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (-0.000001, datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        (1767268800.25, datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)),
        (1767268800.123457, datetime(2026, 1, 1, 12, 0, 0, 123_457, tzinfo=UTC)),
        (4.9e-7, datetime(1970, 1, 1, tzinfo=UTC)),
        (5.1e-7, datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        (FIRST, datetime(1, 1, 1, tzinfo=UTC)),
        (LAST, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (LAST + 0.5, datetime(9999, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)),
        (np.int64(60), datetime(1970, 1, 1, 0, 1, tzinfo=UTC)),
        (np.uint8(60), datetime(1970, 1, 1, 0, 1, tzinfo=UTC)),
        (np.float32(0.5), datetime(1970, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        (np.float64(0.5), datetime(1970, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        (Fraction(1, 2), datetime(1970, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_moment(seconds: Any, expected: datetime) -> None:
    moment = to_datetime(seconds)
    assert (moment, moment.tzinfo, type(moment)) == (expected, UTC, datetime)


@pytest.mark.parametrize("seconds", [FIRST - 1, FIRST - 0.001, LAST + 1, LAST + 0.99999999, 1e300, -(10**400), 10**400])
def test_times_outside_the_range_of_datetimes_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="years 1 to 9999"):
        to_datetime(seconds)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_times_that_are_not_finite_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="not a time"):
        to_datetime(seconds)


@pytest.mark.parametrize("seconds", [None, True, "0", b"0", 1j, [0], Decimal(0), datetime(2026, 1, 1), np.array([1])])
def test_times_of_other_types_are_refused(seconds: Any) -> None:
    with pytest.raises(TypeError, match="number of seconds"):
        to_datetime(seconds)


class Nowhere(tzinfo):
    """A time zone that does not know its offset."""

    def utcoffset(self, _: datetime | None) -> None:
        return None

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> None:
        return None


@pytest.mark.parametrize(
    ("moment", "error"),
    [
        (datetime(2026, 1, 1), ValueError),
        (datetime(2026, 1, 1, tzinfo=Nowhere()), ValueError),
        (pd.Timestamp("2026-01-01"), ValueError),
        (pd.NaT, ValueError),
        (date(2026, 1, 1), TypeError),
        (timedelta(1), TypeError),
        (np.datetime64("2026-01-01"), TypeError),
        ("2026-01-01T00:00:00Z", TypeError),
        (0, TypeError),
        (None, TypeError),
    ],
)
def test_naive_datetimes_are_refused(moment: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        to_timestamp(moment)


def test_a_moment_of_pandas_and_of_any_zone_is_a_time() -> None:
    assert to_timestamp(pd.Timestamp("2026-01-01T13:00", tz="Europe/Zurich")) == 1767268800
    assert to_timestamp(datetime(2026, 1, 1, 2, 30, tzinfo=timezone(timedelta(hours=-9, minutes=-30)))) == 1767268800
    assert to_timestamp(datetime(1, 1, 1, tzinfo=UTC)) == FIRST
    assert to_timestamp(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))) == FIRST - 14 * 3600


ZONES = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)


@given(moment=st.datetimes(datetime(1834, 1, 1), datetime(2106, 1, 1), timezones=ZONES))
def test_conversion_is_exact_to_the_microsecond_for_recent_times(moment: datetime) -> None:
    assert to_datetime(to_timestamp(moment)) == moment


@given(moment=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES))
def test_conversion_is_as_exact_as_a_float(moment: datetime) -> None:
    error = abs(to_datetime(to_timestamp(moment)) - moment)
    assert error <= timedelta(microseconds=1 + 1e6 * math.ulp(to_timestamp(moment)))


@given(seconds=st.floats(FIRST, LAST) | st.integers(FIRST, LAST))
@example(0.1)
def test_a_time_is_stored_by_a_platform(seconds: float) -> None:
    assert abs(to_timestamp(to_datetime(seconds)) - seconds) <= 1e-6 + math.ulp(seconds)
