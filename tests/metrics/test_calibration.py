"""Calibration: bins by hand and against scikit-learn, the bias and its removal by simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve

from skglitch.metrics import expected_calibration_error, reliability_table

LABELS = ["Blip", "Chirp", "Tomte"]
Y_TRUE = ["Blip", "Blip", "Chirp", "Tomte", "Tomte"]
Y_PROB = [
    [0.9, 0.1, 0.0],  # right at 0.9
    [0.2, 0.6, 0.2],  # wrong at 0.6
    [0.1, 0.7, 0.2],  # right at 0.7
    [0.0, 0.1, 0.9],  # right at 0.9
    [0.7, 0.0, 0.3],  # wrong at 0.7
]


def calibrated(n_samples, n_classes, seed):
    """Labels drawn with the probabilities themselves."""
    rng = np.random.default_rng(seed)
    prob = rng.dirichlet(np.full(n_classes, 0.5), n_samples)
    y = (prob.cumsum(axis=1) < rng.uniform(size=(n_samples, 1))).sum(axis=1)
    return np.minimum(y, n_classes - 1), prob


class TestReliabilityTable:
    def test_by_hand(self):
        table = reliability_table(Y_TRUE, Y_PROB, labels=LABELS, n_bins=4)
        assert table.left.tolist() == [0.5, 0.75]
        assert table.right.tolist() == [0.75, 1.0]
        assert table.n_samples.tolist() == [3, 2]
        np.testing.assert_allclose(table.probability, [2 / 3, 0.9])
        np.testing.assert_allclose(table.frequency, [1 / 3, 1])

    def test_a_class_by_hand(self):
        table = reliability_table(Y_TRUE, Y_PROB, labels=LABELS, n_bins=2, label="Tomte")
        assert table.n_samples.tolist() == [4, 1]
        np.testing.assert_allclose(table.probability, [0.7 / 4, 0.9])
        np.testing.assert_allclose(table.frequency, [1 / 4, 1])
        assert table.attrs == {"label": "Tomte", "confidence_level": 0.95}

    def test_intervals_against_scipy(self):
        table = reliability_table(Y_TRUE, Y_PROB, labels=LABELS, n_bins=4, confidence_level=0.8)
        expected = binomtest(1, 3).proportion_ci(0.8, method="wilson")
        assert (table.low[0], table.high[0]) == pytest.approx(tuple(expected))

    @pytest.mark.parametrize("strategy", ["uniform", "quantile"])
    @pytest.mark.parametrize("n_bins", [1, 7, 15])
    def test_against_sklearn(self, strategy, n_bins):
        y, prob = calibrated(500, 2, seed=0)
        prob = prob.round(2)  # ties, and values on the edges of bins
        true, given_prob = calibration_curve(y, prob[:, 1], n_bins=n_bins, strategy=strategy)
        table = reliability_table(y, prob, labels=[0, 1], label=1, n_bins=n_bins, strategy=strategy)
        np.testing.assert_allclose(table.frequency, true)
        np.testing.assert_allclose(table.probability, given_prob)

    def test_equal_mass(self):
        y, prob = calibrated(600, 4, seed=1)
        table = reliability_table(y, prob, labels=range(4), n_bins=6, strategy="quantile")
        assert table.n_samples.tolist() == [100] * 6

    def test_unknown_class_is_never_right(self):
        table = reliability_table(["Koi_Fish"] * 5, Y_PROB, labels=LABELS, n_bins=1)
        assert table.frequency.tolist() == [0]

    def test_columns(self):
        table = reliability_table(Y_TRUE, Y_PROB, labels=LABELS, n_bins=4)
        assert list(table) == [
            *("left", "right", "probability", "frequency", "low", "high", "n_samples"),
        ]
        assert table.index.tolist() == [0, 1]

    def test_named_columns_are_put_in_order(self):
        frame = pd.DataFrame(Y_PROB, columns=LABELS)[["Tomte", "Blip", "Chirp"]]
        pd.testing.assert_frame_equal(
            reliability_table(Y_TRUE, frame, labels=LABELS, label="Tomte"),
            reliability_table(Y_TRUE, Y_PROB, labels=LABELS, label="Tomte"),
        )
        with pytest.raises(ValueError, match=r"y_prob .*Helix"):
            reliability_table(Y_TRUE, frame.rename(columns={"Blip": "Helix"}), labels=LABELS)


class TestError:
    def test_by_hand(self):
        options = {"labels": LABELS, "n_bins": 4}
        # Bins of 3 and 2 samples: |2/3 - 1/3| and |0.9 - 1|.
        error = expected_calibration_error(Y_TRUE, Y_PROB, **options)
        assert error == pytest.approx(3 / 5 / 3 + 2 / 5 * 0.1)

    def test_agrees_with_the_table(self):
        y, prob = calibrated(300, 5, seed=2)
        table = reliability_table(y, prob, labels=range(5))
        distance = np.abs(table.probability - table.frequency)
        error = expected_calibration_error(y, prob, labels=range(5))
        assert error == pytest.approx(np.average(distance, weights=table.n_samples))

    @given(st.integers(0, 1000))
    def test_range(self, seed):
        y, prob = calibrated(40, 3, seed)
        assert 0 <= expected_calibration_error(y, prob, labels=range(3), n_bins=5) <= 1

    def test_error_falls_with_samples(self):
        few, many = (
            expected_calibration_error(*calibrated(n, 5, seed=3), labels=range(5))
            for n in (100, 10_000)
        )
        assert many < few / 3

    def test_too_sure(self):
        y, prob = calibrated(5000, 5, seed=4)
        sharper = prob**3 / (prob**3).sum(axis=1, keepdims=True)
        error = expected_calibration_error(y, sharper, labels=range(5))
        guess = np.mean(sharper.argmax(axis=1) == y)
        # All bins are too sure, so that the error is the difference of the means.
        assert error == pytest.approx(sharper.max(axis=1).mean() - guess, abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_prob": [[2.0, -1.0, 0.0]]}, "y_prob .*row 0 .*sum 1"),
        ({"y_prob": [[3.0, 1.0, 0.0]]}, "row 0 .*sum 4 .*softmax"),
        ({"y_prob": [[np.nan, 0.5, 0.5]]}, "y_prob .*NaN in 1 of 1"),
        ({"y_prob": [[0.5, 0.5]]}, "y_prob .* 3 labels"),
        ({"labels": ["Blip", "Blip", "Tomte"]}, "labels .*once"),
        ({"labels": [1, 2, 3]}, "strings throughout or numbers"),
        ({"n_bins": 0}, "'n_bins' .* Got 0"),
        ({"strategy": "kmeans"}, "'strategy' .* Got 'kmeans'"),
    ],
)
@pytest.mark.parametrize("function", [reliability_table, expected_calibration_error])
def test_errors(function, change, message):
    problem = {"y_true": ["Blip"], "y_prob": [[0.5, 0.3, 0.2]], "labels": LABELS}
    with pytest.raises(ValueError, match=message):
        function(**{**problem, **change})


def test_rounded_probabilities_are_taken():
    options = {"y_true": ["Blip"], "labels": LABELS, "n_bins": 1}
    error = expected_calibration_error(y_prob=[[0.5, 0.3, 0.1991]], **options)
    assert error == pytest.approx(0.5)
    with pytest.raises(ValueError, match=r"row 0 .* 0\.998 "):
        expected_calibration_error(y_prob=[[0.5, 0.3, 0.198]], **options)


def test_errors_of_one_function():
    problem = {"y_true": ["Blip"], "y_prob": [[0.5, 0.3, 0.2]], "labels": LABELS}
    with pytest.raises(ValueError, match="label='Helix'"):
        reliability_table(**problem, label="Helix")
