"""Columns named after classes are put in order or refused, wherever probabilities are taken."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.table import Table
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator, ClassifierMixin

from skglitch.discovery import find_label_issues
from skglitch.display import (
    ConfusionDisplay,
    GalleryDisplay,
    ReliabilityDisplay,
    TopKDisplay,
)
from skglitch.metrics import (
    conformal_threshold,
    coverage_table,
    expected_calibration_error,
    prediction_sets,
    reliability_table,
    top_k_accuracy,
    top_k_scorer,
    top_k_table,
)

LABELS = ["Blip", "Koi_Fish", "Tomte"]
Y = np.array(["Blip", "Koi_Fish", "Tomte", "Blip"])
PROB = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.1, 0.6], [0.2, 0.3, 0.5]])
X = np.zeros((4, 1, 8, 8), dtype=np.uint8)
FRAME = pd.DataFrame(PROB, columns=LABELS, index=[7, 5, 3, 1])[["Tomte", "Blip", "Koi_Fish"]]

ENTRANCES = {
    "top_k_accuracy": lambda prob: top_k_accuracy(Y, prob, k=1, labels=LABELS),
    "top_k_table": lambda prob: top_k_table(Y, prob, labels=LABELS),
    "TopKDisplay": lambda prob: TopKDisplay.from_predictions(
        Y, {"net": prob}, labels=LABELS, ax=Figure()
    ).tables["net"],
    "reliability_table": lambda prob: reliability_table(Y, prob, labels=LABELS, label="Tomte"),
    "expected_calibration_error": lambda prob: expected_calibration_error(Y, prob, labels=LABELS),
    "ReliabilityDisplay": lambda prob: (
        ReliabilityDisplay.from_predictions(Y, prob, labels=LABELS, ax=Figure()).table
    ),
    "conformal_threshold": lambda prob: conformal_threshold(Y, prob, labels=LABELS, coverage=0.5),
    "coverage_table": lambda prob: coverage_table(Y, prediction_sets(prob, 0.5), labels=LABELS),
    "GalleryDisplay": lambda prob: (
        GalleryDisplay.from_predictions(
            X, Y, prob, labels=LABELS, durations=(1.0,), ax=Figure()
        ).titles
    ),
    "find_label_issues": lambda prob: find_label_issues(None, Y, y_prob=prob),
}


@pytest.mark.parametrize("name", ENTRANCES)
def test_probabilities_by_name_are_put_in_order_or_refused(name):
    result, expected = ENTRANCES[name](FRAME), ENTRANCES[name](PROB)
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(result, expected)
    else:
        assert result == expected
    for wrong in (FRAME.rename(columns={"Tomte": "Helix"}), FRAME.add_prefix("Helix")):
        with pytest.raises(ValueError, match=r"Blip.*Helix"):
            ENTRANCES[name](wrong)


@pytest.mark.parametrize(
    "convert",
    [
        lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
        lambda frame: frame.astype(object),
        pa.Table.from_pandas,
        Table.from_pandas,
        lambda frame: frame.to_records(index=False),
    ],
    ids=["arrow-backed", "object", "pyarrow", "astropy", "records"],
)
def test_probabilities_by_name_in_any_table(convert):
    table = convert(FRAME.reset_index(drop=True))
    assert top_k_accuracy(Y, table, k=1, labels=LABELS) == 0.75
    sets = prediction_sets(table, 0.5)
    assert coverage_table(Y, sets, labels=LABELS).coverage["all"] == 0.75


def test_numbers_that_may_be_classes_or_positions_are_refused():
    codes, frame = [2, 1, 0, 2], pd.DataFrame(PROB)
    with pytest.raises(ValueError, match=r"\[2, 1, 0\].*\[0, 1, 2\]"):
        top_k_accuracy(codes, frame, k=1, labels=[2, 1, 0])
    assert top_k_accuracy(codes, frame.to_numpy(), k=1, labels=[2, 1, 0]) == 0.75
    assert top_k_accuracy(codes, frame[[2, 1, 0]], k=1, labels=[0, 1, 2]) == 0.5


class NamedProbabilities(ClassifierMixin, BaseEstimator):
    """A classifier of someone else, whose probabilities are a data frame in an order of its own."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return pd.DataFrame(X, columns=self.classes_)[self.classes_[::-1]]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_scorer_takes_probabilities_by_name(n_classes):
    prob = np.eye(n_classes)
    classifier = NamedProbabilities().fit(prob, LABELS[:n_classes])
    assert top_k_scorer(1)(classifier, prob, LABELS[:n_classes]) == 1.0


@pytest.mark.parametrize("labels", [None, LABELS, LABELS[::-1]])
def test_a_confusion_matrix_by_name_is_put_in_order(labels):
    table = pd.DataFrame(np.arange(9).reshape(3, 3), index=LABELS, columns=LABELS)
    shuffled = table.loc[["Tomte", "Blip", "Koi_Fish"], ["Koi_Fish", "Blip", "Tomte"]]
    display = ConfusionDisplay(shuffled, display_labels=labels).plot(ax=Figure())
    names = display.labels_.tolist()
    assert names == (labels or shuffled.columns.tolist())
    shown = [[cell and cell.get_text() for cell in row] for row in display.text_]
    expected = table.loc[names, names].astype(str).to_numpy().tolist()
    assert [[text or "0" for text in row] for row in shown] == expected
    with pytest.raises(ValueError, match=r"confusion_matrix.*Blip"):
        ConfusionDisplay(shuffled.drop("Blip"), display_labels=labels).plot(ax=Figure())


def test_masked_probabilities_by_name_are_missing():
    table = Table.from_pandas(FRAME.reset_index(drop=True), index=False)
    masked = Table(table, masked=True)
    masked["Blip"].mask[2] = True
    with pytest.raises(ValueError, match="NaN in 1 of 4"):
        top_k_accuracy(Y, masked, k=1, labels=LABELS)
