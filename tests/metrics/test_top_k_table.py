"""Top-k tables: counts by hand, intervals by hand."""

from math import sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from skglitch.metrics import top_k_table

LABELS = np.array([f"class_{index}" for index in range(6)])


def scores_with_ranks(ranks):
    """Give scores for samples of the first class so that it has these ranks."""
    ranks = np.asarray(ranks)
    y_score = np.tile(np.arange(6.0), (len(ranks), 1))
    y_score[:, 0] = 5.5 - ranks
    return np.repeat(LABELS[0], len(ranks)), y_score


def test_counts_by_hand():
    table = top_k_table(*scores_with_ranks([0, 0, 0, 1, 1, 3, 4, 5]), labels=LABELS)
    assert table.index.tolist() == [1, 2, 3, 4, 5]
    assert table.n_correct.tolist() == [3, 5, 5, 6, 7]
    assert table.accuracy.tolist() == [3 / 8, 5 / 8, 5 / 8, 6 / 8, 7 / 8]
    assert table.n_samples.tolist() == [8] * 5
    assert table.attrs == {"n_unknown": 0, "confidence_level": 0.95}
    assert table.index.name == "k"
    assert list(table) == ["accuracy", "low", "high", "n_correct", "n_samples"]


def wilson(n_correct, n_samples, confidence_level):
    """Wilson's formula as the documentation gives it."""
    p, n, z = n_correct / n_samples, n_samples, norm.ppf((1 + confidence_level) / 2)
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return [(p + z**2 / (2 * n) + sign * half) / (1 + z**2 / n) for sign in (-1, 1)]


@pytest.mark.parametrize("confidence_level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize(("n_correct", "n_samples"), [(0, 7), (1, 1), (3, 8), (1680, 1700), (9, 9)])
def test_wilson_interval_by_hand(n_correct, n_samples, confidence_level):
    ranks = np.where(np.arange(n_samples) < n_correct, 0, 1)
    table = top_k_table(
        *scores_with_ranks(ranks), labels=LABELS, ks=[1], confidence_level=confidence_level
    )
    expected = wilson(n_correct, n_samples, confidence_level)
    assert [table.low[1], table.high[1]] == pytest.approx(expected, rel=1e-12, abs=1e-15)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300))
def test_intervals_hold_the_accuracy(ranks):
    table = top_k_table(*scores_with_ranks(ranks), labels=LABELS, ks=range(1, 7))
    assert (table.low <= table.accuracy).all()
    assert (table.accuracy <= table.high).all()
    assert table.low.min() >= 0
    assert table.high.max() == 1  # top-6 of 6


@pytest.mark.parametrize(
    ("ks", "expected"),
    [((1, 2, 3, 4, 5, 6, 7, 8), [1, 2, 3, 4, 5, 6]), ((30,), [6]), ((3, 1, 3), [1, 3])],
)
def test_ks_are_capped_and_sorted(ks, expected):
    table = top_k_table(*scores_with_ranks([0, 5]), labels=LABELS, ks=ks)
    assert table.index.tolist() == expected


def test_two_classes_with_the_default_ks():
    table = top_k_table([3, 3, 9], [[2, 1], [1, 2], [1, 2]], labels=[3, 9])
    assert table.index.tolist() == [1, 2]
    assert table.n_correct.tolist() == [2, 3]


def test_unknown_classes_are_wrong_and_counted():
    y_true, y_score = scores_with_ranks([0, 0, 0, 0])
    y_true = np.where([True, False, False, False], "Koi_Fish", y_true)
    table = top_k_table(y_true, y_score, labels=LABELS, ks=(1, 6))
    assert table.n_correct.tolist() == [3, 3]
    assert table.attrs["n_unknown"] == 1


def test_figures_of_the_paper():
    # InceptionV3 of George, Shen and Huerta (2017), top-1 to top-5: 98.84, 99.71, 99.88, 99.94
    # and 100 %. Of 1728 glitches these are the counts.
    ranks = np.repeat([0, 1, 2, 3, 4], [1708, 15, 3, 1, 1])
    table = top_k_table(*scores_with_ranks(ranks), labels=LABELS)
    assert (100 * table.accuracy).round(2).tolist() == [98.84, 99.71, 99.88, 99.94, 100]
    assert [table.low[1], table.high[1]] == pytest.approx(wilson(1708, 1728, 0.95))
    assert (100 * table.low[1], 100 * table.high[1]) == pytest.approx((98.22, 99.25), abs=0.005)


def test_which_numbers_of_samples_the_paper_may_have_had():
    figures = [98.84, 99.71, 99.88, 99.94, 100]
    sizes = [
        n
        for n in range(1600, 1801)
        if all(abs(100 * round(figure * n / 100) / n - figure) <= 0.005 for figure in figures)
    ]
    assert sizes == list(range(1717, 1732))


def test_named_columns_are_put_in_order():
    y_true, y_score = scores_with_ranks([0, 1, 5])
    frame = pd.DataFrame(y_score, columns=LABELS)[LABELS[::-1]]
    pd.testing.assert_frame_equal(
        top_k_table(y_true, frame, labels=LABELS), top_k_table(y_true, y_score, labels=LABELS)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ks": (0, 1)}, r"ks must be .* at least 1, got \(0, 1\)"),
        ({"ks": (1.5,)}, "ks must be .* integers"),
        ({"ks": ()}, "ks must be"),
        ({"ks": 3}, "'ks' parameter of top_k_table"),
        ({"confidence_level": 1.0}, r"'confidence_level' .* range \(0.0, 1.0\). Got 1.0"),
        ({"confidence_level": 95}, "'confidence_level' .* Got 95"),
        ({"labels": LABELS[:5]}, "y_score must have one column for each of the 5 labels"),
    ],
)
def test_errors_name_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        top_k_table(*scores_with_ranks([0, 1]), **{"labels": LABELS, **change})
