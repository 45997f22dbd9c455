"""check_gps: numbers of 64 bits and objects that become such, no dates."""

from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from skglitch._validation import check_gps

TIMES = [1126259462.391, 1187008882.443]


class LIGOTimeGPS:
    def __init__(self, seconds):
        self.seconds = seconds

    def __float__(self):
        return float(self.seconds)


@pytest.mark.parametrize("kind", [float, str, Decimal, LIGOTimeGPS, np.float64, np.longdouble])
def test_keeps_all_digits(kind):
    for values in ([kind(t) for t in TIMES], np.array([kind(t) for t in TIMES], dtype=object)):
        gps = check_gps(values)
        assert gps.dtype == np.float64
        assert gps.tolist() == TIMES


@pytest.mark.parametrize(
    "values",
    [
        [None, 1, 2],
        [np.nan, 1, 2],
        np.array([None, 1, 2.0], dtype=object),
        pd.Series([None, 1, 2], dtype="Int64"),
        pd.Series([None, 1, 2], dtype="Float64"),
        pd.array([pd.NA, 1, 2], dtype=object),
        np.ma.array([7, 1, 2], mask=[True, False, False]),
    ],
)
def test_missing_times_are_nan(values):
    np.testing.assert_array_equal(check_gps(values), [np.nan, 1, 2])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_narrow_floats_are_refused_by_name_and_dtype(dtype):
    narrow = np.array([1, 2], dtype=dtype)
    for values in (narrow, list(narrow), pd.Series(narrow), [*narrow, None]):
        with pytest.raises(ValueError, match=f"peaks must be GPS times in s with 64 bits.*{dtype}"):
            check_gps(values, "peaks")
    with pytest.raises(ValueError, match="float32"):
        check_gps(np.array([np.float32(1), None], dtype=object))


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
def test_integers_are_exact(dtype):
    assert check_gps(np.array([1126259462], dtype=dtype)).tolist() == [1126259462.0]


DATES = pd.to_datetime([1, 2], unit="s")


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (DATES, r"datetime64\[.*astropy"),
        (DATES.to_numpy(), "datetime64"),
        (pd.Series(DATES), "datetime64"),
        (DATES.tz_localize("UTC"), "Timestamp"),
        (DATES.to_pydatetime().tolist(), r"datetime.datetime\(1970"),
        ([datetime(2019, 4, 1), 5], "datetime.datetime"),
        (["2019-04-01"], "'2019-04-01'"),
        ([1j], "1j"),
        ([(1, 2), (3,)], "rows that differ in length"),
    ],
)
def test_dates_and_other_values_are_refused(values, shown):
    with pytest.raises(ValueError, match=f"peaks must be GPS times in s, got .*{shown}"):
        check_gps(values, "peaks")
