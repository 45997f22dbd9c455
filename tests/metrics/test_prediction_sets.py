"""Prediction sets: by hand, coverage by Monte Carlo, against MAPIE."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from skglitch.metrics import conformal_threshold, coverage_table, prediction_sets

LABELS = ["Blip", "Chirp", "Tomte"]


def problem(n_samples, rng, n_classes=6):
    """Labels, and probabilities that are wrong: too sure, and noisy."""
    y = rng.integers(n_classes, size=n_samples)
    logits = 1.5 * np.eye(n_classes)[y] + rng.normal(size=(n_samples, n_classes))
    prob = np.exp(2 * logits)
    return y, prob / prob.sum(axis=1, keepdims=True)


def coverages(n_repeats, n_calibration, coverage, seed=0, n_test=200):
    """Coverage of new sets, each by a threshold of its own."""
    rng = np.random.default_rng(seed)
    covered = []
    for _ in range(n_repeats):
        y, prob = problem(n_calibration + n_test, rng)
        threshold = conformal_threshold(
            y[:n_calibration], prob[:n_calibration], labels=range(6), coverage=coverage
        )
        sets = prediction_sets(prob[n_calibration:], threshold)
        covered.append(sets[np.arange(n_test), y[n_calibration:]].mean())
    return np.array(covered)


class TestByHand:
    PROB = [[0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.6, 0.0, 0.4], [0.1, 0.1, 0.8]]
    TRUE = ["Blip", "Chirp", "Tomte", "Tomte"]

    def threshold(self, coverage):
        return conformal_threshold(self.TRUE, self.PROB, labels=LABELS, coverage=coverage)

    def test_threshold(self):
        # Probabilities 0.5, 0.7, 0.4, 0.8; of 4, the ceil(5 * 0.6) = 3rd highest is it.
        assert self.threshold(0.6) == 0.5
        assert self.threshold(0.8) == 0.4
        assert type(self.threshold(0.8)) is float
        # A class at the threshold is in the set: only so are the calibration samples covered.
        sets = prediction_sets(self.PROB, self.threshold(0.6))
        assert sets.tolist() == (np.array(self.PROB) >= 0.5).tolist()

    def test_too_few_samples(self):
        assert self.threshold(0.81) == 0
        assert prediction_sets(self.PROB, self.threshold(0.81)).all()

    def test_rounding_does_not_raise_the_rank(self):
        # 0.7 * (9 + 1) is 7.000000000000001 or so in some orders of multiplication.
        for n, coverage, rank in [(9, 0.7, 7), (99, 0.55, 55), (99, 0.57, 57), (19, 0.95, 19)]:
            prob = np.linspace(0.9, 0.1, n)
            y_prob = np.column_stack([prob, 1 - prob])
            threshold = conformal_threshold(["a"] * n, y_prob, labels=["a", "b"], coverage=coverage)
            assert threshold == prob[rank - 1]

    def test_named_columns(self):
        frame = pd.DataFrame(self.PROB, columns=LABELS, index=list("wxyz"))
        shuffled = frame[["Tomte", "Blip", "Chirp"]]
        threshold = conformal_threshold(self.TRUE, shuffled, labels=LABELS, coverage=0.8)
        assert threshold == self.threshold(0.8)
        sets = prediction_sets(shuffled, threshold)
        pd.testing.assert_frame_equal(sets, shuffled >= threshold)
        pd.testing.assert_frame_equal(
            coverage_table(self.TRUE, sets, labels=LABELS),
            coverage_table(self.TRUE, frame.to_numpy() >= threshold, labels=LABELS),
        )


class TestCoverage:
    """The guarantee, within four standard errors of the simulation."""

    @pytest.mark.parametrize(("n", "coverage"), [(19, 0.9), (60, 0.8), (200, 0.95)])
    def test_marginal(self, n, coverage):
        covered = coverages(400, n, coverage)
        error = covered.std() / len(covered) ** 0.5
        assert covered.mean() > coverage - 4 * error
        assert covered.mean() < coverage + 1 / (n + 1) + 4 * error

    def test_finite_samples(self):
        # The highest of 15 scores: 15 / 16. The quantile at 0.9 of the 15, which is the 14th,
        # would cover 14 / 16 and break the guarantee.
        covered = coverages(400, 15, 0.9)
        assert covered.mean() == pytest.approx(15 / 16, abs=4 * covered.std() / 20)
        assert covered.mean() > 0.9

    def test_scatter_is_as_documented(self):
        covered = coverages(300, 100, 0.9, n_test=2000)
        assert covered.std() == pytest.approx((0.9 * 0.1 / 100) ** 0.5, rel=0.2)

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


class TestCoverageTable:
    SETS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 1, 1]], dtype=bool)
    TRUE = ["Blip", "Tomte", "Blip", "Tomte", "Tomte"]

    def test_by_hand(self):
        table = coverage_table(self.TRUE, self.SETS, labels=LABELS)
        assert table.index.tolist() == [*LABELS, "all"]
        assert list(table) == ["coverage", "low", "high", "mean_size", "support"]
        assert table.support.tolist() == [2, 0, 3, 5]
        np.testing.assert_allclose(table.coverage, [1 / 2, np.nan, 2 / 3, 3 / 5])
        np.testing.assert_allclose(table.mean_size, [1 / 2, np.nan, 2, 7 / 5])
        assert table.loc["Chirp", ["low", "high"]].tolist() == [0, 1]

    def test_intervals_against_scipy(self):
        table = coverage_table(self.TRUE, self.SETS, labels=LABELS, confidence_level=0.9)
        for name, n_covered, n in [("all", 3, 5), ("Tomte", 2, 3)]:
            expected = binomtest(n_covered, n).proportion_ci(0.9, method="wilson")
            assert tuple(table.loc[name, ["low", "high"]]) == pytest.approx(tuple(expected))
        assert table.attrs == {"confidence_level": 0.9}

    def test_unknown_class_is_in_no_set(self):
        table = coverage_table(["Koi_Fish"] * 5, self.SETS, labels=LABELS)
        assert table.loc["all", ["coverage", "support"]].tolist() == [0, 5]
        assert table.support[:3].sum() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": ["Blip", "Helix"]}, r"labels .*y_true .*\['Helix'\]"),
        ({"y_prob": [[1, 2, 3], [1, 0, 0]]}, "y_prob .*row 0"),
        ({"y_prob": [[1, 0, 0]]}, "y_prob .* 1 .*y_true .* 2"),
        ({"labels": ["Blip", "Blip", "Tomte"]}, "labels .*once"),
        ({"coverage": 90}, "'coverage' .* Got 90"),
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
    with pytest.raises(ValueError, match=r"y_prob .*\(2,\)"):
        prediction_sets([0.5, 0.5], 0.9)
    with pytest.raises(ValueError, match=r"y_prob .*probabilities"):
        prediction_sets([[0.5, 0.6]], 0.9)
    with pytest.raises(ValueError, match=r"'threshold' .* Got 1\.5"):
        prediction_sets([[0.5, 0.5]], 1.5)
    with pytest.raises(ValueError, match=r"sets .*int64 .*\(1, 3\)"):
        coverage_table(["Blip"], np.array([[1, 0, 0]], dtype=np.int64), labels=LABELS)
    with pytest.raises(ValueError, match=r"sets .*'a', 'c'"):
        coverage_table(["a"], pd.DataFrame({"a": [True], "c": [True]}), labels=["a", "b"])
    with pytest.raises(ValueError, match=r"sets .* 2 .*y_true .* 1"):
        coverage_table(["Blip"], [[True] * 3] * 2, labels=LABELS)
