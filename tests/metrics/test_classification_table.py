"""The table of each class, by hand and against scikit-learn."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import classification_report

from skglitch.metrics import classification_table

Y_TRUE = ["Blip", "Blip", "Chirp", "Whistle", "Whistle"]
Y_PRED = ["Blip", "Blip", "Whistle", "Whistle", "Whistle"]


def perfect(table):
    classes = table[:-3]
    return classes.index[(classes.f1 == 1) & (classes.support > 0)].tolist()


def test_by_hand():
    table = classification_table(Y_TRUE, Y_PRED)
    assert table.index.name == "label"
    assert table.index.tolist() == [
        *("Blip", "Chirp", "Whistle", "accuracy", "macro avg", "weighted avg")
    ]
    assert list(table) == ["precision", "recall", "f1", "support"]
    assert table.precision[:3].tolist() == [1, 0, 2 / 3]
    assert table.recall[:3].tolist() == [1, 0, 1]
    assert table.f1[:3].tolist() == [1, 0, 0.8]
    assert table.support.tolist() == [2, 1, 2, 5, 5, 5]
    assert table.loc["accuracy"].tolist() == [0.8, 0.8, 0.8, 5]
    assert table.loc["macro avg"].tolist() == pytest.approx([5 / 9, 2 / 3, 0.6, 5])
    assert table.loc["weighted avg"].tolist() == pytest.approx([2 / 3, 0.8, 0.72, 5])
    assert perfect(table) == ["Blip"]


def test_agrees_with_sklearns_report():
    generator = np.random.default_rng(0)
    y_true, y_pred = generator.integers(0, 6, (2, 200)) * 10
    report = classification_report(y_true, y_pred, output_dict=True)
    table = classification_table(y_true, y_pred)
    for label in range(0, 60, 10):
        assert table.loc[label].tolist() == pytest.approx(list(report[str(label)].values()))
    for name in ("macro avg", "weighted avg"):
        assert table.loc[name].tolist() == pytest.approx(list(report[name].values()))
    assert table.f1["accuracy"] == pytest.approx(report["accuracy"])


@pytest.mark.parametrize(
    ("zero_division", "precision", "recall", "macro_recall"),
    [(0.0, 0.0, 0.0, 0.5), (1.0, 1.0, 1.0, 0.75), (np.nan, np.nan, np.nan, 2 / 3)],
)
def test_zero_division(zero_division, precision, recall, macro_recall):
    # "c" is never predicted, "d" is neither predicted nor there.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = classification_table(
            ["a", "b", "c"], ["a", "b", "a"], labels=list("abcd"), zero_division=zero_division
        )
    np.testing.assert_array_equal(table.precision[2:4], [precision, precision])
    np.testing.assert_array_equal(table.recall[2:4], [0.0, recall])
    assert table.recall["macro avg"] == pytest.approx(macro_recall)
    assert table.support.tolist() == [1, 1, 1, 0, 3, 3, 3]
    # "d" has precision and recall 1 by decree for zero_division=1, but no samples.
    assert perfect(table) == ["b"]


def test_a_class_with_false_alarms_is_not_perfect():
    assert perfect(classification_table(["a", "b"], ["a", "a"])) == []


def test_labels_set_the_order():
    table = classification_table(Y_TRUE, Y_PRED, labels=["Whistle", "Tomte", "Blip", "Chirp"])
    assert table.index[:4].tolist() == ["Whistle", "Tomte", "Blip", "Chirp"]
    assert table.support[:4].tolist() == [2, 0, 2, 1]
    assert table.recall[:4].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.float64, object])
def test_numbers_as_labels(dtype):
    y_true, y_pred = np.array([-3, 7, 7]).astype(dtype), np.array([-3, 7, 90])
    table = classification_table(y_true, y_pred)
    assert table.index[:3].tolist() == [-3, 7, 90]
    assert table.recall[:3].tolist() == [1, 0.5, 0]
    assert perfect(table) == [-3]


@pytest.mark.parametrize(
    "convert",
    [lambda y: np.array(y, dtype=object), pd.Series, lambda y: pd.Series(y, dtype="category")],
    ids=["object", "series", "category"],
)
def test_strings_in_any_container(convert):
    table = classification_table(convert(Y_TRUE), np.array(Y_PRED))
    pd.testing.assert_frame_equal(table, classification_table(Y_TRUE, Y_PRED))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["Blip", "Chirp"]}, r"labels lacks classes .*: \['Whistle'\]"),
        ({"labels": ["Blip", "Chirp", "Whistle", "Blip"]}, r"more than once: \['Blip'\]"),
        ({"labels": [0, 1, 2]}, "labels holds numbers"),
        ({"y_pred": [0, 1, 2, 2, 2]}, "y_true .*strings .*y_pred .*numbers"),
        ({"y_pred": Y_PRED[:4]}, "y_pred .* 4 .*y_true .* 5"),
        ({"y_pred": [*Y_PRED[:4], None]}, "y_pred has no label"),
        ({"zero_division": 0.5}, "'zero_division' .* Got 0.5"),
        ({"zero_division": "warn"}, "'zero_division' .* Got 'warn'"),
    ],
)
def test_errors_name_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        classification_table(**{"y_true": Y_TRUE, "y_pred": Y_PRED, **change})
