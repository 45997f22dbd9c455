"""Paired tests: p-values by hand, level by simulation, the bootstrap against theory."""

import warnings
from functools import partial
from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score

from skglitch.metrics import group_by_time, mcnemar_test, paired_bootstrap, top_k_accuracy


def predictions(n_both, only_a, only_b, n_neither):
    """Labels and predictions of two classifiers with these counts."""
    right_a = np.repeat([True, True, False, False], [n_both, only_a, only_b, n_neither])
    right_b = np.repeat([True, False, True, False], [n_both, only_a, only_b, n_neither])
    y_true = np.resize(["Blip", "Tomte"], len(right_a))
    other = np.where(y_true == "Blip", "Tomte", "Blip")
    return y_true, np.where(right_a, y_true, other), np.where(right_b, y_true, other)


class TestMcNemar:
    def test_counts(self):
        result = mcnemar_test(*predictions(7, 3, 2, 1))
        counts = (result.n_both, result.n_only_a, result.n_only_b, result.n_neither)
        assert counts == (7, 3, 2, 1)

    def test_by_hand(self):
        # 1 of 8 discordant samples for A: 2 (C(8, 0) + C(8, 1)) / 2^8 = 18 / 256.
        result = mcnemar_test(*predictions(5, 1, 7, 0))
        assert result.pvalue == pytest.approx(18 / 256)
        assert result.mid_pvalue == pytest.approx((18 - 8) / 256)

    def test_as_many_for_either(self):
        result = mcnemar_test(*predictions(5, 3, 3, 0))
        assert result.pvalue == 1
        assert result.mid_pvalue == pytest.approx(1 - comb(6, 3) / 2**7)

    def test_the_same_predictions(self):
        result = mcnemar_test(*predictions(5, 0, 0, 2))
        assert (result.pvalue, result.mid_pvalue) == (1, 1)

    @given(st.integers(0, 60), st.integers(0, 60))
    def test_against_scipy(self, only_a, only_b):
        result = mcnemar_test(*predictions(2, only_a, only_b, 1))
        if only_a + only_b:
            assert result.pvalue == pytest.approx(binomtest(only_a, only_a + only_b).pvalue)
        assert 0 < result.mid_pvalue <= result.pvalue <= 1
        swapped = mcnemar_test(*predictions(2, only_b, only_a, 1))
        assert (swapped.pvalue, swapped.mid_pvalue) == (result.pvalue, result.mid_pvalue)

    def test_level(self):
        # Equal classifiers: all the outcomes of 19 discordant samples and their chances.
        chance = np.array([comb(19, b) for b in range(20)]) / 2**19
        results = [mcnemar_test(*predictions(0, b, 19 - b, 0)) for b in range(20)]
        exact = chance[[result.pvalue <= 0.05 for result in results]].sum()
        mid = chance[[result.mid_pvalue <= 0.05 for result in results]].sum()
        assert exact == pytest.approx(0.0192, abs=1e-4)
        assert mid == pytest.approx(0.0636, abs=1e-4)

    def test_mid_p_finds_more(self):
        result = mcnemar_test(*predictions(0, 5, 14, 0))
        assert result.mid_pvalue < 0.05 < result.pvalue

    def test_kinds_of_labels(self):
        result = mcnemar_test([1, 2, 3], np.array([1, 2, 2], dtype=object), [1.0, 1.0, 3.0])
        assert (result.n_both, result.n_only_a, result.n_only_b) == (1, 1, 1)

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            ((["a", "b"], ["a", "b"], ["a"]), "y_pred_b .* 1 .*y_true .* 2"),
            ((["a"], [1], ["a"]), "strings throughout or numbers throughout.*y_pred_a"),
            ((["a", None], ["a", "a"], ["a", "a"]), "y_true has no label"),
        ],
    )
    def test_errors(self, args, message):
        with pytest.raises(ValueError, match=message):
            mcnemar_test(*args)


class TestPairedBootstrap:
    def test_difference_and_normal_interval(self):
        # Var of the mean of +1, -1 and 0: (b + c - (b - c)^2 / n) / n^2.
        n, only_a, only_b = 600, 60, 30
        result = paired_bootstrap(*predictions(500, only_a, only_b, 10), random_state=0)
        assert result.score_a == pytest.approx(560 / n)
        assert result.difference == pytest.approx(30 / n)
        deviation = sqrt(only_a + only_b - (only_a - only_b) ** 2 / n) / n
        assert result.standard_error == pytest.approx(deviation, rel=0.05)
        assert result.low == pytest.approx(30 / n - 1.96 * deviation, abs=0.004)
        assert result.high == pytest.approx(30 / n + 1.96 * deviation, abs=0.004)

    def test_confidence(self):
        wide, narrow = (
            paired_bootstrap(*predictions(90, 20, 10, 3), confidence_level=level, random_state=0)
            for level in (0.99, 0.5)
        )
        assert wide.low < narrow.low < narrow.high < wide.high

    def test_the_same_predictions(self):
        result = paired_bootstrap(*predictions(5, 0, 0, 2), n_resamples=20)
        assert (result.difference, result.low, result.high) == (0, 0, 0)

    def test_any_metric(self):
        y_true, a, b = predictions(50, 20, 5, 10)
        metric = partial(f1_score, average="macro")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = paired_bootstrap(y_true, a, b, metric=metric, n_resamples=100, random_state=0)
        assert result.difference == pytest.approx(metric(y_true, a) - metric(y_true, b))
        assert 0 < result.low < result.difference < result.high

    def test_accuracy_is_the_default(self):
        problem = predictions(50, 9, 5, 10)
        plain = paired_bootstrap(*problem, n_resamples=20, random_state=0)
        assert plain == paired_bootstrap(
            *problem, metric=accuracy_score, n_resamples=20, random_state=0
        )

    def test_top_k_of_scores(self):
        rng = np.random.default_rng(0)
        labels = np.arange(5)
        y_true = rng.integers(0, 5, 200)
        noise = rng.normal(size=(2, 200, 5))
        a, b = noise + np.eye(5)[y_true] * np.array([3.0, 0.5])[:, None, None]
        metric = partial(top_k_accuracy, k=2, labels=labels)
        result = paired_bootstrap(y_true, a, b, metric=metric, n_resamples=100, random_state=0)
        assert result.score_b == metric(y_true, b)
        assert result.low > 0

    def test_groups_are_drawn_whole(self):
        # Copies of each sample tell nothing new: with groups the interval is as wide as for
        # the originals, without it is narrower by the root of their number.
        y_true, a, b = predictions(60, 20, 15, 5)
        alone = paired_bootstrap(y_true, a, b, random_state=0)
        nine = [np.repeat(values, 9) for values in (y_true, a, b)]
        groups = np.repeat(np.arange(100), 9)
        grouped = paired_bootstrap(*nine, groups=groups, random_state=0)
        apart = paired_bootstrap(*nine, random_state=0)
        assert grouped.standard_error == pytest.approx(alone.standard_error)
        assert apart.standard_error == pytest.approx(alone.standard_error / 3, rel=0.1)

    def test_groups_in_any_order_and_size(self):
        y_true, a, b = predictions(3, 2, 1, 0)
        seen = []

        def metric(true, pred):
            seen.append(len(true))
            return float(np.mean(true == pred))

        paired_bootstrap(
            y_true, a, b, metric=metric, groups=["x", "y", "x", "x", "y", "x"], n_resamples=50
        )
        assert set(seen) <= {6, 8, 4}  # two draws of groups of 4 and of 2
        assert len(set(seen)) == 3

    def test_takes_time_groups(self):
        groups = group_by_time([0, 1, 100, 101, 200, 201], gap=5)
        y_true, a, b = predictions(2, 2, 0, 2)
        # Differences of the groups: 0, 1 and 0. Of 27 equal resamples 8 lack the second.
        result = paired_bootstrap(y_true, a, b, groups=groups, random_state=0, n_resamples=4000)
        assert result.standard_error == pytest.approx(sqrt(2 / 9 / 3), rel=0.05)

    def test_random_state(self):
        problem = predictions(40, 9, 4, 5)
        one, again, other = (
            paired_bootstrap(*problem, random_state=seed, n_resamples=50) for seed in (0, 0, 1)
        )
        assert one == again
        assert one.standard_error != other.standard_error

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"groups": [0, 0, 0, 0]}, "groups holds a single group"),
            ({"groups": [0, 1]}, "groups .* 2 .*y_true .* 4"),
            ({"metric": "f1"}, "'metric'"),
            ({"confidence_level": 95}, "'confidence_level' .* Got 95"),
            ({"n_resamples": 1}, "'n_resamples' .* Got 1"),
        ],
    )
    def test_errors(self, change, message):
        with pytest.raises(ValueError, match=message):
            paired_bootstrap(*predictions(1, 1, 1, 1), **change)

    def test_lengths_differ(self):
        with pytest.raises(ValueError, match=r"y_pred_a .* 2 .*y_true .* 3"):
            paired_bootstrap([1, 2, 3], [1, 2], [1, 2, 3])
