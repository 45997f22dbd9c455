"""Prediction sets: by hand, coverage by Monte Carlo, against MAPIE."""

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binomtest

from skglitch.metrics import (
    conformal_threshold,
    coverage_table,
    prediction_sets,
    top_k_sets,
    top_k_table,
)

LABELS = ["Blip", "Chirp", "Tomte"]


def problem(n_samples, rng, n_classes=6, rare=1.0):
    """Labels, and probabilities that are wrong: too sure, and noisy."""
    weights = np.geomspace(1, rare, n_classes)
    y = rng.choice(n_classes, size=n_samples, p=weights / weights.sum())
    logits = 1.5 * np.eye(n_classes)[y] + rng.normal(size=(n_samples, n_classes))
    prob = np.exp(2 * logits)
    return y, prob / prob.sum(axis=1, keepdims=True)


def coverages(n_repeats, n_calibration, seed=0, n_test=200, rare=1.0, per_class=False, **options):
    """Coverage of new sets, each by a threshold of its own."""
    rng = np.random.RandomState(seed)
    held = []
    for _ in range(n_repeats):
        y, prob = problem(n_calibration + n_test, rng, rare=rare)
        threshold = conformal_threshold(
            y[:n_calibration],
            prob[:n_calibration],
            labels=range(6),
            random_state=rng,
            class_conditional=per_class,
            **options,
        )
        sets = prediction_sets(prob[n_calibration:], threshold, random_state=rng)
        table = coverage_table(y[n_calibration:], sets, labels=range(6))
        held.append(table.class_coverage if per_class else table.coverage)
    return np.array(held)


class TestByHand:
    PROB = [[0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.6, 0.0, 0.4], [0.1, 0.1, 0.8]]
    TRUE = ["Blip", "Chirp", "Tomte", "Tomte"]

    def threshold(self, **options):
        return conformal_threshold(self.TRUE, self.PROB, labels=LABELS, **options)

    def test_lac(self):
        # Scores 0.5, 0.3, 0.6, 0.2; of 4, the ceil(5 * 0.6) = 3rd is the threshold.
        assert self.threshold(coverage=0.6).threshold.tolist() == [0.5] * 3
        assert self.threshold(coverage=0.8).threshold.tolist() == [0.6] * 3
        # What is at the threshold is in: only so the samples it was learnt from are covered.
        sets = prediction_sets(self.PROB, self.threshold(coverage=0.6))
        assert sets.tolist() == (np.array(self.PROB) >= 0.5).tolist()

    def test_too_few_samples(self):
        threshold = self.threshold(coverage=0.81)
        assert np.isinf(threshold.threshold).all()
        assert prediction_sets(self.PROB, threshold).all()
        assert "In every set, for want of samples: Blip, Chirp, Tomte" in str(threshold)

    def test_rounding_does_not_raise_the_rank(self):
        # 0.7 * (9 + 1) is 7.000000000000001 or so in some orders of multiplication.
        for n, coverage, rank in [(9, 0.7, 7), (99, 0.55, 55), (99, 0.57, 57), (19, 0.95, 19)]:
            prob = np.linspace(0.9, 0.1, n)
            threshold = conformal_threshold(
                ["a"] * n, np.column_stack([prob, 1 - prob]), labels=["a", "b"], coverage=coverage
            )
            assert threshold.threshold[0] == 1 - prob[rank - 1]

    def test_aps_without_lots(self):
        # Sums down to the true class: 0.5, 0.7, 1.0, 0.8.
        threshold = self.threshold(method="aps", randomized=False, coverage=0.4)
        assert threshold.threshold == pytest.approx([0.7] * 3)
        sets = prediction_sets([[0.1, 0.6, 0.3], [0.65, 0.04, 0.31]], threshold)
        assert sets.tolist() == [[False, True, False], [True, False, False]]

    def test_raps_without_lots(self):
        # The third is of rank 2: 0.3 more with one free class, none with two.
        options = {"method": "raps", "randomized": False, "coverage": 0.8, "penalty": 0.3}
        assert self.threshold(**options).threshold == pytest.approx([1.3] * 3)
        assert self.threshold(**options, n_free=2).threshold == pytest.approx([1.0] * 3)
        assert self.threshold(**options, n_free=0).threshold == pytest.approx([1.6] * 3)

    def test_lots_take_a_part_of_the_probability(self):
        scores = np.random.RandomState(3).uniform(size=4) * [0.5, 0.7, 0.4, 0.8] + [0, 0, 0.6, 0]
        threshold = self.threshold(method="aps", coverage=0.8, random_state=3)
        assert threshold.threshold == pytest.approx([scores.max()] * 3)

    def test_class_conditional(self):
        threshold = self.threshold(coverage=0.5, class_conditional=True)
        assert threshold.threshold == pytest.approx([0.5, 0.3, 0.6])
        assert threshold.n_samples.tolist() == [1, 1, 2]

    def test_top_k_sets(self):
        sets = top_k_sets(self.PROB, k=2)
        assert sets.sum(axis=1).tolist() == [2] * 4
        assert sets[0].tolist() == [True, True, False]
        assert sets[3].tolist() == [True, False, True]  # the first of equals
        assert top_k_sets(self.PROB, k=9).all()


class TestCoverage:
    """The promise, within four standard errors of the simulation."""

    @pytest.mark.parametrize("method", ["lac", "aps", "raps"])
    @pytest.mark.parametrize(("n", "coverage"), [(19, 0.9), (60, 0.8), (200, 0.95)])
    def test_marginal(self, method, n, coverage):
        held = coverages(400, n, method=method, coverage=coverage)
        error = held.std() / len(held) ** 0.5
        assert held.mean() > coverage - 4 * error
        assert held.mean() < coverage + 1 / (n + 1) + 4 * error

    def test_finite_samples(self):
        # The highest of 15 scores: 15 / 16. The quantile at 0.9 of the 15, which is the 14th,
        # would cover 14 / 16 and break the promise.
        held = coverages(400, 15, coverage=0.9)
        assert held.mean() == pytest.approx(15 / 16, abs=4 * held.std() / 20)
        assert held.mean() > 0.9

    def test_scatter_is_as_told(self):
        held = coverages(300, 100, coverage=0.9, n_test=2000)
        assert held.std() == pytest.approx((0.9 * 0.1 / 100) ** 0.5, rel=0.2)

    def test_each_class(self):
        kwargs = {"coverage": 0.9, "rare": 0.05, "n_test": 400}
        apart = coverages(200, 600, per_class=True, **kwargs)
        error = np.nanstd(apart, axis=0) / len(apart) ** 0.5
        assert (np.nanmean(apart, axis=0) > 0.9 - 4 * error).all()

    def test_without_lots(self):
        held = coverages(400, 199, method="aps", coverage=0.5, randomized=False)
        assert held.mean() == pytest.approx(0.5, abs=4 * held.std() / 20)

    def test_sizes(self):
        rng = np.random.default_rng(0)
        y, prob = problem(6000, rng)
        tables = {}
        for method in ("lac", "aps", "raps"):
            threshold = conformal_threshold(
                y[:3000], prob[:3000], labels=range(6), method=method, penalty=0.1, random_state=0
            )
            sets = prediction_sets(prob[3000:], threshold, random_state=1)
            tables[method] = coverage_table(y[3000:], sets, labels=range(6))
        # LAC is built for the smallest sets on average, the penalty against the largest ones.
        mean_size = {method: table.mean_size for method, table in tables.items()}
        assert min(mean_size, key=mean_size.get) == "lac"
        assert tables["raps"].size_counts[5:].sum() < tables["aps"].size_counts[5:].sum()

    def test_higher_coverage_gives_larger_sets(self):
        y, prob = problem(500, np.random.default_rng(1))
        levels = [
            prediction_sets(prob, conformal_threshold(y, prob, labels=range(6), coverage=coverage))
            for coverage in (0.5, 0.8, 0.99)
        ]
        for smaller, larger in pairwise(levels):
            assert (smaller <= larger).all()
            assert (smaller != larger).any()


class TestAgainstMapie:
    """MAPIE needs a classifier: one that looks probabilities up."""

    @staticmethod
    def mapie_sets(y, prob, prob_new, score, coverage, **options):
        classification = pytest.importorskip("mapie.classification")
        from sklearn.base import BaseEstimator, ClassifierMixin

        class Given(ClassifierMixin, BaseEstimator):
            def fit(self, X, y):
                self.classes_ = np.arange(prob.shape[1])
                self.n_features_in_ = prob.shape[1]
                return self

            def predict_proba(self, X):
                return np.asarray(X)

            def predict(self, X):
                return self.classes_[np.asarray(X).argmax(axis=1)]

        mapie = classification.SplitConformalClassifier(
            Given().fit(prob, y), confidence_level=coverage, conformity_score=score, random_state=0
        )
        return mapie.conformalize(prob, y).predict_set(prob_new, **options)[1][:, :, 0]

    @pytest.mark.parametrize("coverage", [0.6, 0.9])
    def test_lac(self, coverage):
        y, prob = problem(700, np.random.default_rng(2))
        theirs = self.mapie_sets(y[:300], prob[:300], prob[300:], "lac", coverage)
        threshold = conformal_threshold(y[:300], prob[:300], labels=range(6), coverage=coverage)
        np.testing.assert_array_equal(prediction_sets(prob[300:], threshold), theirs)

    def test_aps(self):
        # Their lots fall otherwise: coverage and size agree, not each set.
        y, prob = problem(6000, np.random.default_rng(3))
        theirs = self.mapie_sets(
            y[:3000],
            prob[:3000],
            prob[3000:],
            "aps",
            0.8,
            conformity_score_params={"include_last_label": "randomized"},
        )
        threshold = conformal_threshold(
            y[:3000], prob[:3000], labels=range(6), coverage=0.8, method="aps", random_state=0
        )
        ours = prediction_sets(prob[3000:], threshold, random_state=1)
        tables = [coverage_table(y[3000:], sets, labels=range(6)) for sets in (ours, theirs)]
        assert tables[0].coverage == pytest.approx(tables[1].coverage, abs=0.02)
        assert tables[0].mean_size == pytest.approx(tables[1].mean_size, abs=0.1)


class TestCoverageTable:
    SETS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 1, 1]], dtype=bool)
    TRUE = ["Blip", "Tomte", "Blip", "Tomte", "Tomte"]

    def test_by_hand(self):
        table = coverage_table(self.TRUE, self.SETS, labels=LABELS)
        assert table.coverage == 3 / 5
        assert table.support.tolist() == [2, 0, 3]
        np.testing.assert_allclose(table.class_coverage, [1 / 2, np.nan, 2 / 3])
        np.testing.assert_allclose(table.class_size, [1 / 2, np.nan, 2])
        assert table.size_counts.tolist() == [1, 2, 1, 1]
        assert table.mean_size == 7 / 5

    def test_intervals_against_scipy(self):
        table = coverage_table(self.TRUE, self.SETS, labels=LABELS, confidence=0.9)
        expected = binomtest(3, 5).proportion_ci(0.9, method="wilson")
        assert (table.low, table.high) == pytest.approx(tuple(expected))
        expected = binomtest(2, 3).proportion_ci(0.9, method="wilson")
        assert (table.class_low[2], table.class_high[2]) == pytest.approx(tuple(expected))

    def test_unknown_class_is_in_no_set(self):
        table = coverage_table(["Koi_Fish"] * 5, self.SETS, labels=LABELS)
        assert (table.coverage, table.n_samples, table.support.sum()) == (0, 5, 0)

    def test_top_k_sets_have_top_k_accuracy(self):
        y, prob = problem(300, np.random.default_rng(4))
        table = top_k_table(y, prob, labels=range(6), ks=(1, 2, 3))
        for k, accuracy in zip(table.k, table.accuracy, strict=True):
            sets = top_k_sets(prob, k=int(k))
            assert coverage_table(y, sets, labels=range(6)).coverage == accuracy

    def test_other_forms(self):
        table = coverage_table(["Blip"] * 5, self.SETS, labels=LABELS)
        assert "Sets by size: 0: 1, 1: 2, 2: 1, 3: 1" in str(table)
        as_dict = json.loads(json.dumps(table.to_dict()))
        assert as_dict["mean_size"] == 7 / 5
        assert len(as_dict["classes"]["labels"]) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": ["Blip", "Helix"]}, r"labels lacks classes that y_true has: \['Helix'\]"),
        ({"y_prob": [[1, 2, 3], [1, 0, 0]]}, "y_prob must hold probabilities.*row 0"),
        ({"y_prob": [[1, 0, 0]]}, "y_prob has 1 samples, but y_true has 2"),
        ({"labels": ["Blip", "Blip", "Tomte"]}, "labels must name each class once"),
        ({"coverage": 90}, "'coverage' .* Got 90"),
        ({"method": "naive"}, "'method' .* Got 'naive'"),
        ({"penalty": -1}, "'penalty' .* Got -1"),
    ],
)
def test_errors(change, message):
    arguments = {
        "y_true": ["Blip", "Tomte"],
        "y_prob": [[1, 0, 0], [0, 0, 1]],
        "labels": LABELS,
    }
    with pytest.raises(ValueError, match=message):
        conformal_threshold(**{**arguments, **change})


def test_errors_of_sets():
    threshold = conformal_threshold(["Blip"], [[1, 0, 0]], labels=LABELS, coverage=0.5)
    with pytest.raises(ValueError, match="one column for each of the 3 labels"):
        prediction_sets([[0.5, 0.5]], threshold)
    with pytest.raises(ValueError, match="'threshold' parameter of prediction_sets"):
        prediction_sets([[0.5, 0.5]], 0.9)
    with pytest.raises(ValueError, match=r"one column a class, got shape \(2,\)"):
        top_k_sets([0.5, 0.5], k=1)
    with pytest.raises(ValueError, match=r"table of booleans .* got int64 of shape \(1, 3\)"):
        coverage_table(["Blip"], np.array([[1, 0, 0]], dtype=np.int64), labels=LABELS)
    with pytest.raises(ValueError, match="sets has 2 samples, but y_true has 1"):
        coverage_table(["Blip"], [[True] * 3] * 2, labels=LABELS)
