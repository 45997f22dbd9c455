"""check_gps: numbers of 64 bits and objects that become such, no dates. check_ifo: strings."""

from array import array
from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from skglitch._validation import check_gps, check_ifo, unmask

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
        with pytest.raises(ValueError, match=f"peaks .*64 bits.*{dtype}"):
            check_gps(values, "peaks")
    with pytest.raises(ValueError, match="float32"):
        check_gps(np.array([np.float32(1), None], dtype=object))


@pytest.mark.parametrize(
    "values",
    [
        [np.float32(1), 2.5],
        [(2.5, np.float32(1))],
        [np.array(1, dtype="float32"), 2.5],
        (np.array([1, 2], dtype="float16"), [1.5, 2.5]),
        np.array([2.5, [np.float32(1)]], dtype=object),
        pd.DataFrame({"start": np.float32([1]), "stop": [2.5]}),
        pd.DataFrame({"start": [1.5], "stop": pd.array([2], dtype="Float32")}),
        pd.array([1, None], dtype="Float32"),
        array("f", [1, 2]),
        np.array([1, 2], dtype=">f4"),
        np.ma.array([1, 2], mask=[0, 1], dtype="float32"),
    ],
    ids=lambda values: type(values).__name__,
)
def test_narrow_floats_among_others_are_refused(values):
    with pytest.raises(ValueError, match=r"peaks .*float(32|16)"):
        check_gps(values, "peaks")


def test_narrow_floats_of_other_libraries_are_refused():
    torch = pytest.importorskip("torch")
    for values in (torch.tensor(TIMES), [torch.tensor(TIMES[0]), TIMES[1]]):
        with pytest.raises(ValueError, match="float32"):
            check_gps(values)
    pytest.importorskip("pyarrow")
    for dtype in ("float[pyarrow]", "halffloat[pyarrow]"):
        with pytest.raises(ValueError, match="float"):
            check_gps(pd.array([1, None], dtype=dtype))


def test_units_of_astropy():
    units = pytest.importorskip("astropy.units")
    table = pytest.importorskip("astropy.table")
    masked = pytest.importorskip("astropy.utils.masked")
    seconds = TIMES * units.s
    for values in (seconds, list(seconds), seconds.to("ms"), table.Column(TIMES, unit="s")):
        np.testing.assert_allclose(check_gps(values), TIMES, rtol=0, atol=1e-6)
    milliseconds = table.MaskedColumn([1e3, 2e3], mask=[0, 1], unit="ms")
    np.testing.assert_array_equal(check_gps(milliseconds), [1, np.nan])
    np.testing.assert_array_equal(check_gps(masked.Masked(milliseconds.data)), [1e3, np.nan])
    np.testing.assert_array_equal(
        check_gps(masked.Masked([1, 2] * units.s, mask=[0, 1])), [1, np.nan]
    )
    with pytest.raises(ValueError, match=r"peaks .* unit m"):
        check_gps(TIMES * units.m, "peaks")
    with pytest.raises(ValueError, match="float32"):
        check_gps(np.float32(TIMES) * units.s)


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
    with pytest.raises(ValueError, match=f"peaks .*GPS .*{shown}"):
        check_gps(values, "peaks")


@pytest.mark.parametrize(
    "values",
    [
        np.ma.array([1, 2], mask=[0, 1]),
        [np.ma.array(1.0), np.ma.masked],
        np.ma.array([1, 2], mask=[0, 1], dtype="float32"),
        np.array([1, None], dtype=object),
        pd.Series([1, pd.NA], dtype=object),
    ],
)
def test_masked_numbers_are_nan(values):
    np.testing.assert_array_equal(unmask(values), [1, np.nan])


def test_numbers_without_a_mask_are_as_they_were():
    for values in ([1, 2], np.uint8([1, 2]), pd.DataFrame({"a": [1.0]}), np.ma.array([1], mask=0)):
        assert unmask(values) is values
    assert unmask(np.ma.array(np.float32([1, 2]), mask=[0, 1])).dtype == np.float32


@pytest.mark.parametrize(
    "ifo",
    [
        ["H1", None, "L1"],
        ["H1", np.nan, "L1"],
        [*np.array(["H1"]), None, *np.array(["L1"])],
        np.array(["H1", "", "L1"]),
        pd.Series(["H1", None, "L1"]),
        pd.Series(["H1", None, "L1"], dtype="string"),
        pd.Series(["H1", None, "L1"], dtype="category"),
        np.ma.array(["H1", "V1", "L1"], mask=[False, True, False]),
    ],
)
def test_unknown_ifo_is_empty(ifo):
    checked = check_ifo(ifo, 3)
    assert checked.dtype.kind == "U"
    assert checked.tolist() == ["H1", "", "L1"]


def test_one_ifo_for_all():
    assert check_ifo("H1", 3).tolist() == ["H1"] * 3
    assert check_ifo("", 2).tolist() == ["", ""]


@pytest.mark.parametrize(
    ("ifo", "shown"),
    [
        (["H1"], "site has 1 values for 2 samples"),
        ([1, 2], 'site must hold strings such as "H1", got 1'),
        ([["H1"], ["L1", "V1"]], "site"),
        (np.full((2, 2), "H1"), "site must hold one label per sample"),
    ],
)
def test_no_ifo(ifo, shown):
    with pytest.raises(ValueError, match=shown):
        check_ifo(ifo, 2, "site")
