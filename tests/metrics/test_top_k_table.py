"""Top-k tables: counts by hand, intervals against scipy."""

import json
import pickle
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from skglitch.metrics import top_k_accuracy, top_k_table

LABELS = np.array([f"class_{index}" for index in range(6)])


def scores_with_ranks(ranks):
    """Give scores for samples of the first class so that it has these ranks."""
    ranks = np.asarray(ranks)
    y_score = np.tile(np.arange(6.0), (len(ranks), 1))
    y_score[:, 0] = 5.5 - ranks
    return np.repeat(LABELS[0], len(ranks)), y_score


def test_counts_by_hand():
    table = top_k_table(*scores_with_ranks([0, 0, 0, 1, 1, 3, 4, 5]), labels=LABELS)
    assert table.k.tolist() == [1, 2, 3, 4, 5]
    assert table.n_correct.tolist() == [3, 5, 5, 6, 7]
    assert table.accuracy.tolist() == [3 / 8, 5 / 8, 5 / 8, 6 / 8, 7 / 8]
    assert (table.n_samples, table.n_unknown) == (8, 0)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize(("n_correct", "n_samples"), [(0, 7), (1, 1), (3, 8), (1680, 1700), (9, 9)])
def test_wilson_interval_against_scipy(n_correct, n_samples, confidence):
    ranks = np.where(np.arange(n_samples) < n_correct, 0, 1)
    table = top_k_table(*scores_with_ranks(ranks), labels=LABELS, ks=[1], confidence=confidence)
    expected = binomtest(n_correct, n_samples).proportion_ci(confidence, method="wilson")
    assert [table.low[0], table.high[0]] == pytest.approx(list(expected), rel=1e-12, abs=1e-15)


def test_wilson_interval_by_hand():
    table = top_k_table(*scores_with_ranks([0, 0, 0, 1]), labels=LABELS, ks=[1])
    z = norm.ppf(0.975)  # 1.96; 3 of 4 are right
    half = z * sqrt(0.75 * 0.25 / 4 + z**2 / 64)
    assert table.low[0] == pytest.approx((0.75 + z**2 / 8 - half) / (1 + z**2 / 4), rel=1e-12)
    assert table.high[0] == pytest.approx((0.75 + z**2 / 8 + half) / (1 + z**2 / 4), rel=1e-12)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300))
def test_intervals_hold_the_accuracy(ranks):
    table = top_k_table(*scores_with_ranks(ranks), labels=LABELS, ks=range(1, 7))
    assert (table.low <= table.accuracy).all()
    assert (table.accuracy <= table.high).all()
    assert table.low.min() >= 0
    assert table.high.max() == 1  # top-6 of 6


def test_bootstrap_interval_near_the_normal_one():
    ranks = np.repeat([0, 1, 2], [300, 60, 40])
    table = top_k_table(
        *scores_with_ranks(ranks), labels=LABELS, ks=(1, 2, 3), method="bootstrap", random_state=0
    )
    half = norm.ppf(0.975) * np.sqrt(table.accuracy * (1 - table.accuracy) / len(ranks))
    np.testing.assert_allclose(table.low, table.accuracy - half, atol=0.006)
    np.testing.assert_allclose(table.high, table.accuracy + half, atol=0.006)
    assert table.low[2] == table.high[2] == 1
    assert table.method == "bootstrap"


def test_bootstrap_draws_whole_samples():
    # Against the plain way: draw indices, score each draw.
    ranks = np.repeat([0, 1, 2], [10, 6, 4])
    y_true, y_score = scores_with_ranks(ranks)
    generator = np.random.default_rng(0)
    draws = [generator.integers(0, 20, 20) for _ in range(2000)]
    plain = [top_k_accuracy(y_true[i], y_score[i], k=2, labels=LABELS) for i in draws]
    table = top_k_table(
        y_true, y_score, labels=LABELS, ks=[2], method="bootstrap", confidence=0.8, random_state=1
    )
    assert [table.low[0], table.high[0]] == pytest.approx(np.quantile(plain, [0.1, 0.9]), abs=0.051)


def test_random_state_repeats_the_bootstrap():
    options = {"labels": LABELS, "method": "bootstrap", "n_resamples": 50, "confidence": 0.73}
    problem = scores_with_ranks(np.arange(600) % 6)
    first, again, other = (
        top_k_table(*problem, **options, random_state=seed) for seed in (0, 0, 1)
    )
    assert first.low.tolist() == again.low.tolist()
    assert first.low.tolist() != other.low.tolist()


@pytest.mark.parametrize(
    ("ks", "expected"),
    [((1, 2, 3, 4, 5, 6, 7, 8), [1, 2, 3, 4, 5, 6]), ((30,), [6]), ((3, 1, 3), [1, 3])],
)
def test_ks_are_capped_and_sorted(ks, expected):
    table = top_k_table(*scores_with_ranks([0, 5]), labels=LABELS, ks=ks)
    assert table.k.tolist() == expected


def test_two_classes_with_the_default_ks():
    table = top_k_table([3, 3, 9], [[2, 1], [1, 2], [1, 2]], labels=[3, 9])
    assert table.k.tolist() == [1, 2]
    assert table.n_correct.tolist() == [2, 3]


def test_unknown_classes_are_wrong_and_told():
    y_true, y_score = scores_with_ranks([0, 0, 0, 0])
    y_true = np.where([True, False, False, False], "Koi_Fish", y_true)
    table = top_k_table(y_true, y_score, labels=LABELS, ks=(1, 6))
    assert table.n_correct.tolist() == [3, 3]
    assert table.n_unknown == 1
    assert "1 samples of classes not in labels" in str(table)


def test_text():
    ranks = np.repeat([0, 1, 2], [1680, 15, 5])
    text = str(top_k_table(*scores_with_ranks(ranks), labels=LABELS, ks=(1, 2, 3), confidence=0.9))
    assert text.splitlines() == [
        "k  top-k accuracy [%]     90 % interval       correct",
        "1               98.82   98.31 to  99.18  1680 of 1700",
        "2               99.71   99.40 to  99.86  1695 of 1700",
        "3              100.00   99.84 to 100.00  1700 of 1700",
    ]


def test_figures_of_the_paper():
    # InceptionV3 of George, Shen and Huerta (2017), top-1 to top-5: 98.84, 99.71, 99.88, 99.94
    # and 100 %. Of 1728 glitches these are the counts.
    ranks = np.repeat([0, 1, 2, 3, 4], [1708, 15, 3, 1, 1])
    table = top_k_table(*scores_with_ranks(ranks), labels=LABELS)
    assert (100 * table.accuracy).round(2).tolist() == [98.84, 99.71, 99.88, 99.94, 100]
    expected = binomtest(1708, 1728).proportion_ci(0.95, method="wilson")
    assert [table.low[0], table.high[0]] == pytest.approx(list(expected))
    assert (100 * table.low[0], 100 * table.high[0]) == pytest.approx((98.22, 99.25), abs=0.005)


def test_which_numbers_of_samples_the_paper_may_have_had():
    figures = [98.84, 99.71, 99.88, 99.94, 100]
    sizes = [
        n
        for n in range(1600, 1801)
        if all(abs(100 * round(figure * n / 100) / n - figure) <= 0.005 for figure in figures)
    ]
    assert sizes == list(range(1717, 1732))


def test_other_forms():
    table = top_k_table(*scores_with_ranks([0, 1, 5]), labels=LABELS)
    as_dict = json.loads(json.dumps(table.to_dict()))
    assert as_dict["n_correct"] == [1, 2, 2, 2, 2]
    assert as_dict["n_samples"] == 3
    assert table._repr_html_().startswith("<pre>k  top-k")
    assert pickle.loads(pickle.dumps(table)).to_dict() == table.to_dict()
    with pytest.raises(AttributeError):
        table.n_samples = 4


def test_to_dict_makes_a_data_frame():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(top_k_table(*scores_with_ranks([0, 1, 5]), labels=LABELS).to_dict())
    assert frame.set_index("k").loc[2, "n_correct"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ks": (0, 1)}, r"ks must be .* at least 1, got \(0, 1\)"),
        ({"ks": (1.5,)}, "ks must be .* integers"),
        ({"ks": ()}, "ks must be"),
        ({"ks": 3}, "'ks' parameter of top_k_table"),
        ({"confidence": 1.0}, r"'confidence' .* range \(0.0, 1.0\). Got 1.0"),
        ({"confidence": 95}, "'confidence' .* Got 95"),
        ({"method": "normal"}, "'method' .* Got 'normal'"),
        ({"n_resamples": 0}, "'n_resamples' .* Got 0"),
        ({"random_state": "seed"}, "'random_state' .* Got 'seed'"),
        ({"labels": LABELS[:5]}, "y_score must have one column for each of the 5 labels"),
    ],
)
def test_errors_name_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        top_k_table(*scores_with_ranks([0, 1]), **{"labels": LABELS, **change})
