"""The table of each class, by hand and against scikit-learn."""

import json
import pickle
import warnings

import numpy as np
import pytest
from sklearn.metrics import classification_report

from skglitch.metrics import classification_table

Y_TRUE = ["Blip", "Blip", "Chirp", "Whistle", "Whistle"]
Y_PRED = ["Blip", "Blip", "Whistle", "Whistle", "Whistle"]


def test_by_hand():
    table = classification_table(Y_TRUE, Y_PRED)
    assert table.labels.tolist() == ["Blip", "Chirp", "Whistle"]
    assert table.precision.tolist() == [1, 0, 2 / 3]
    assert table.recall.tolist() == [1, 0, 1]
    assert table.f1.tolist() == [1, 0, 0.8]
    assert table.support.tolist() == [2, 1, 2]
    assert table.accuracy == 0.8
    assert table.macro == pytest.approx((5 / 9, 2 / 3, 0.6))
    assert table.weighted == pytest.approx((2 / 3, 0.8, 0.72))
    assert table.perfect == ["Blip"]


def test_agrees_with_sklearns_report():
    generator = np.random.default_rng(0)
    y_true, y_pred = generator.integers(0, 6, (2, 200)) * 10
    report = classification_report(y_true, y_pred, output_dict=True)
    table = classification_table(y_true, y_pred)
    for index, label in enumerate(range(0, 60, 10)):
        values = (table.precision[index], table.recall[index], table.f1[index])
        assert (*values, table.support[index]) == pytest.approx(tuple(report[str(label)].values()))
    assert table.macro == pytest.approx(tuple(report["macro avg"].values())[:3])
    assert table.weighted == pytest.approx(tuple(report["weighted avg"].values())[:3])
    assert table.accuracy == pytest.approx(report["accuracy"])


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
    np.testing.assert_array_equal(table.precision[2:], [precision, precision])
    np.testing.assert_array_equal(table.recall[2:], [0.0, recall])
    assert table.macro.recall == pytest.approx(macro_recall)
    assert table.support.tolist() == [1, 1, 1, 0]
    # "d" has precision and recall 1 by decree for zero_division=1, but no samples.
    assert table.perfect == ["b"]


def test_a_class_with_false_alarms_is_not_perfect():
    assert classification_table(["a", "b"], ["a", "a"]).perfect == []
    assert "Perfect classes (0 of 2): none" in str(classification_table(["a", "b"], ["a", "a"]))


def test_labels_set_the_order():
    table = classification_table(Y_TRUE, Y_PRED, labels=["Whistle", "Tomte", "Blip", "Chirp"])
    assert table.labels.tolist() == ["Whistle", "Tomte", "Blip", "Chirp"]
    assert table.support.tolist() == [2, 0, 2, 1]
    assert table.recall.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.float64, object])
def test_numbers_as_labels(dtype):
    y_true, y_pred = np.array([-3, 7, 7]).astype(dtype), np.array([-3, 7, 90])
    table = classification_table(y_true, y_pred)
    assert table.labels.tolist() == [-3, 7, 90]
    assert table.recall.tolist() == [1, 0.5, 0]
    assert table.perfect == [-3]


def test_strings_in_any_container():
    table = classification_table(np.array(Y_TRUE, dtype=object), np.array(Y_PRED))
    assert table.to_dict() == classification_table(Y_TRUE, Y_PRED).to_dict()


def test_pandas_in_and_out():
    pd = pytest.importorskip("pandas")
    table = classification_table(pd.Series(Y_TRUE), pd.Series(Y_PRED, dtype="category"))
    frame = pd.DataFrame(table.to_dict()["classes"]).set_index("labels")
    assert frame.loc["Whistle", "f1"] == 0.8


def test_text():
    assert str(classification_table(Y_TRUE, Y_PRED)).splitlines() == [
        "class             precision [%]  recall [%]  F1 [%]  support",
        "Blip                     100.00      100.00  100.00        2",
        "Chirp                      0.00        0.00    0.00        1",
        "Whistle                   66.67      100.00   80.00        2",
        "",
        "macro average             55.56       66.67   60.00        5",
        "weighted average          66.67       80.00   72.00        5",
        "",
        "Accuracy: 80.00 %",
        "Perfect classes (1 of 3): Blip",
    ]


def test_other_forms():
    table = classification_table(Y_TRUE, Y_PRED)
    as_dict = json.loads(json.dumps(table.to_dict()))
    assert as_dict["accuracy"] == 0.8
    assert as_dict["macro"]["recall"] == pytest.approx(2 / 3)
    assert as_dict["perfect"] == ["Blip"]
    assert pickle.loads(pickle.dumps(table)).to_dict() == table.to_dict()
    assert "<script>" not in classification_table(["<script>"], ["<script>"])._repr_html_()
    with pytest.raises(AttributeError):
        table.accuracy = 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["Blip", "Chirp"]}, r"labels lacks classes .*: \['Whistle'\]"),
        ({"labels": ["Blip", "Chirp", "Whistle", "Blip"]}, r"more than once: \['Blip'\]"),
        ({"labels": [0, 1, 2]}, "labels holds numbers"),
        ({"y_pred": [0, 1, 2, 2, 2]}, "y_true holds strings .* y_pred holds numbers"),
        ({"y_pred": Y_PRED[:4]}, "y_pred has 4 samples, but y_true has 5"),
        ({"y_pred": [*Y_PRED[:4], None]}, "y_pred must hold strings only .* found NoneType"),
        ({"zero_division": 0.5}, "'zero_division' .* Got 0.5"),
        ({"zero_division": "warn"}, "'zero_division' .* Got 'warn'"),
    ],
)
def test_errors_name_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        classification_table(**{"y_true": Y_TRUE, "y_pred": Y_PRED, **change})
