"""The rule for samples without a label, for all that labels come in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skglitch._labels import as_labels, encode_labels, is_labeled, strip_labels

EXPECTED = [True, False, True]


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["Blip", "Tomte", "None_of_the_Above", None]), min_size=1))
def test_containers_agree_on_what_is_missing(y):
    labeled = [value is not None for value in y]
    texts, mask = [value or "0.0" for value in y], np.logical_not(labeled)
    containers = [y, np.array(y, dtype=object), np.ma.array(texts, mask=mask)]
    containers += [pd.Series(y, dtype=dtype) for dtype in (object, "string", "category")]
    containers += [np.array([np.nan if value is None else value for value in y]).astype(str)]
    for values in containers:
        assert is_labeled(values).tolist() == labeled
        known = [value for value, flag in zip(as_labels(values), labeled, strict=True) if flag]
        assert known == [value for value in y if value is not None]


class TestIsLabeled:
    @pytest.mark.parametrize("missing", [None, np.nan, float("nan"), "", -1, np.int64(-1)])
    def test_missing_among_strings(self, missing):
        y = np.array(["Blip", "Chirp", "Blip"], dtype=object)
        y[1] = missing
        assert is_labeled(y).tolist() == EXPECTED
        assert is_labeled(y[:, None]).tolist() == EXPECTED

    @pytest.mark.parametrize(
        "y",
        [
            ["a", "", "b"],
            np.array(["a", "", "b"]),
            np.array([b"a", b"", b"b"]),
            [0, -1, 3],
            np.array([0, -1, 3], dtype=np.int8),
            [0.0, np.nan, 3.0],
            np.ma.array([1, 2, 3], mask=[0, 1, 0]),
            np.ma.array(["a", "b", "c"], mask=[0, 1, 0]),
            ["a", np.ma.masked, "b"],
        ],
        ids=repr,
    )
    def test_containers_of_numpy(self, y):
        assert is_labeled(y).tolist() == EXPECTED

    def test_missing_values_that_have_become_text(self):
        assert is_labeled(np.array(["a", np.nan, "b"])).tolist() == EXPECTED
        for missing in (np.nan, pd.NA, pd.NaT):
            assert is_labeled(["a", f" {missing} ".encode(), "b"]).tolist() == EXPECTED
        assert is_labeled(["a", "None", "NA"]).all()
        assert strip_labels([b"a ", "None", "-1", -1, 2]) == ["a", "", "", "", 2]

    @pytest.mark.parametrize("dtype", ["string", "object", "category"])
    def test_strings_of_pandas(self, dtype):
        assert is_labeled(pd.Series(["a", None, "b"], dtype=dtype)).tolist() == EXPECTED
        assert is_labeled(pd.Series(["a", "", "b"], dtype=dtype)).tolist() == EXPECTED

    def test_numbers_of_pandas(self):
        assert is_labeled(pd.Series([0, pd.NA, 3], dtype="Int64")).tolist() == EXPECTED
        assert is_labeled(pd.array([0, pd.NA, 3])).tolist() == EXPECTED
        assert is_labeled(pd.DataFrame({"label": [0, None, 3]})).tolist() == EXPECTED
        times = pd.Series(["2020-01-01", pd.NaT, "2020-01-02"])
        assert is_labeled(pd.to_datetime(times)).tolist() == EXPECTED

    def test_masked_columns_of_astropy(self):
        table = pytest.importorskip("astropy.table")
        masked = pytest.importorskip("astropy.utils.masked")
        column = table.MaskedColumn(["a", "b", "c"], mask=[0, 1, 0])
        assert is_labeled(column).tolist() == EXPECTED
        assert is_labeled(table.Table({"label": column})["label"]).tolist() == EXPECTED
        values = masked.Masked(np.array([1, 2, 3]), mask=[False, True, False])
        assert is_labeled(values).tolist() == EXPECTED

    def test_minus_one(self):
        # Integers that NaN has made floats.
        assert is_labeled([0.0, -1.0, np.nan]).tolist() == [True, False, False]
        # No integers.
        assert is_labeled([0.5, -1.0, np.nan]).tolist() == [True, True, False]
        assert is_labeled(["-1", "a"]).tolist() == [True, True]
        assert is_labeled([True, False]).tolist() == [True, True]
        assert is_labeled([1, -1, 1], minus_one_is_class=True).all()
        missing = np.array([1, -1, None, np.nan], dtype=object)
        assert is_labeled(missing, minus_one_is_class=True).tolist() == [True, True, False, False]

    def test_no_samples(self):
        assert is_labeled([]).tolist() == []

    def test_more_than_one_column(self):
        with pytest.raises(ValueError, match=r"target .*\(2, 2\)"):
            is_labeled(np.ones((2, 2)), "target")


def test_values_are_of_python():
    y = np.ma.array(np.array([1, 2], dtype=np.int32), mask=[0, 1])
    assert as_labels(y) == [1, None]
    assert [type(value) for value in as_labels(np.array(["a", "b"]))] == [str, str]


class TestEncode:
    def test_codes(self):
        classes, codes = encode_labels(["b", "", "a", "b", None], 5)
        assert classes.tolist() == ["a", "b"]
        assert_array_equal(codes, [1, -1, 0, 1, -1])

    def test_no_labels(self):
        classes, codes = encode_labels(None, 3)
        assert (len(classes), codes.tolist()) == (0, [-1, -1, -1])

    def test_more_marks(self):
        classes, codes = encode_labels(["b", "?", "a", "None"], 4, ["?", "None"])
        assert classes.tolist() == ["a", "b"]
        assert_array_equal(codes, [1, -1, 0, -1])
        assert encode_labels([3, 0, 1], 3, 0)[1].tolist() == [1, -1, 0]

    def test_errors(self):
        with pytest.raises(ValueError, match=r"unlabeled='Nope' .*'a', 'b'\."):
            encode_labels(["b", "a"], 2, "Nope")
        with pytest.raises(ValueError, match="int and str"):
            encode_labels(["b", 3], 2)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            encode_labels(["b", "a"], 3)
