"""The plain function, against hand counts, scikit-learn and its own laws."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import top_k_accuracy_score

from skglitch.metrics import top_k_accuracy

LABELS = ["Blip", "Chirp", "Whistle"]
Y_TRUE = ["Blip", "Chirp", "Chirp"]
Y_SCORE = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.5, 0.1, 0.4]])


@pytest.mark.parametrize(("k", "n_correct"), [(1, 1), (2, 2), (3, 3), (4, 3), (1000, 3)])
def test_counts_by_hand(k, n_correct):
    assert top_k_accuracy(Y_TRUE, Y_SCORE, k=k, labels=LABELS) == n_correct / 3


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_agrees_with_sklearn_without_ties(k):
    generator = np.random.default_rng(0)
    y_true, y_score = generator.integers(0, 4, 50), generator.normal(size=(50, 5))
    weights = generator.random(50)
    options = {"k": k, "labels": np.arange(5), "sample_weight": weights}
    expected = top_k_accuracy_score(y_true, y_score, **options)
    assert top_k_accuracy(y_true, y_score, **options) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("k", "expected"), [(1, 0.0), (2, 0.0), (3, 1.0)])
def test_a_tie_counts_against_the_classifier(k, expected):
    assert top_k_accuracy(Y_TRUE, np.ones((3, 3)), k=k, labels=LABELS) == expected


def test_a_tie_below_the_true_class_does_no_harm():
    assert top_k_accuracy(["Blip"], [[0.5, 0.25, 0.25]], k=1, labels=LABELS) == 1
    assert top_k_accuracy(["Chirp"], [[0.5, 0.25, 0.25]], k=2, labels=LABELS) == 0


@pytest.mark.parametrize("k", [1, 3, 4, 100])
def test_unknown_classes_are_wrong_at_every_k(k):
    # The last column would be right: it must not stand in for the unknown class.
    y_score = [[0.1, 0.1, 0.8], [0.1, 0.2, 0.7]]
    assert top_k_accuracy(["Koi_Fish", "Whistle"], y_score, k=k, labels=LABELS) == 0.5


def test_infinite_scores_rank_like_others():
    y_score = [[-np.inf, 0.0, -np.inf], [np.inf, 0.0, 1.0]]
    assert top_k_accuracy(["Chirp", "Blip"], y_score, k=1, labels=LABELS) == 1


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        lambda y: np.asarray(y, dtype=object),
        lambda y: np.asarray(y).reshape(-1, 1),
        tuple,
    ],
    ids=["str", "object", "column", "tuple"],
)
def test_labels_in_any_container(convert):
    assert top_k_accuracy(convert(Y_TRUE), Y_SCORE, k=2, labels=LABELS) == 2 / 3


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_labels_and_scores_from_pandas(dtype):
    y_true, y_score = pd.Series(Y_TRUE, dtype=dtype), pd.DataFrame(Y_SCORE, columns=LABELS)
    assert top_k_accuracy(y_true, y_score, k=2, labels=y_score.columns) == 2 / 3
    y_true[1] = None
    with pytest.raises(ValueError, match=r"y_true has no label .* row 1"):
        top_k_accuracy(y_true, y_score, k=2, labels=LABELS)


def test_masked_labels_scores_and_weights_are_refused():
    mask = [False, True, False]
    with pytest.raises(ValueError, match=r"y_true has no label .*row 1"):
        top_k_accuracy(np.ma.array(Y_TRUE, mask=mask), Y_SCORE, k=1, labels=LABELS)
    y_score = np.ma.array(Y_SCORE, mask=np.diag(mask))
    weights = np.ma.array([1.0, 1.0, 1.0], mask=mask)
    with pytest.raises(ValueError, match="y_score contains NaN in 1 of 3"):
        top_k_accuracy(Y_TRUE, y_score, k=1, labels=LABELS)
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        top_k_accuracy(Y_TRUE, Y_SCORE, k=1, labels=LABELS, sample_weight=weights)


def test_minus_one_is_a_class_only_where_it_is_among_them():
    y_score = [[0.9, 0.1], [0.2, 0.8]]
    assert top_k_accuracy([-1, 1], y_score, k=1, labels=[-1, 1]) == 1
    with pytest.raises(ValueError, match=r"y_true has no label .*row 0"):
        top_k_accuracy([-1, 1], y_score, k=1, labels=[0, 1])


def test_named_columns_are_put_in_order():
    frame = pd.DataFrame(Y_SCORE, columns=LABELS)
    expected = top_k_accuracy(Y_TRUE, Y_SCORE, k=1, labels=LABELS)
    assert expected == 1 / 3
    assert top_k_accuracy(Y_TRUE, frame[LABELS[::-1]], k=1, labels=LABELS) == expected
    # Columns without names are taken in the order of labels.
    assert top_k_accuracy(Y_TRUE, pd.DataFrame(Y_SCORE), k=1, labels=LABELS) == expected
    codes = [LABELS.index(label) for label in Y_TRUE]
    frame.columns = pd.Index([0, 1, 2])
    assert top_k_accuracy(codes, frame[[2, 0, 1]], k=1, labels=[0, 1, 2]) == expected
    for columns in (["Blip", "Chirp", "Tomte"], ["Blip", "Chirp", "Chirp"], ["a", "b", "c"]):
        with pytest.raises(ValueError, match=f"y_score .*{columns[0]}"):
            top_k_accuracy(Y_TRUE, pd.DataFrame(Y_SCORE, columns=columns), k=1, labels=LABELS)


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.float32, object])
def test_gappy_numbers_as_labels(dtype):
    y_true = np.array([3, 70, 70]).astype(dtype)
    assert top_k_accuracy(y_true, Y_SCORE, k=2, labels=[3, 70, 100]) == 2 / 3


def test_truth_values_as_labels():
    y_true, y_score = list(np.array([True, False, False])), [[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]]
    assert top_k_accuracy(y_true, y_score, k=1, labels=[False, True]) == 2 / 3


def test_weights_by_hand():
    score = top_k_accuracy(Y_TRUE, Y_SCORE, k=1, labels=LABELS, sample_weight=[3, 1, 0])
    assert score == 0.75


@st.composite
def problems(draw):
    """Give labels, scores from few values (so that ties come up) and true labels."""
    n_labels = draw(st.integers(1, 5))
    labels = np.array([f"class_{index}" for index in range(n_labels)])
    n_samples = draw(st.integers(1, 8))
    y_score = draw(arrays(np.float64, (n_samples, n_labels), elements=st.integers(0, 3)))
    y_true = draw(st.lists(st.sampled_from(labels), min_size=n_samples, max_size=n_samples))
    return labels, y_score, y_true


@settings(max_examples=60)
@given(problems())
def test_rises_with_k_to_one(problem):
    labels, y_score, y_true = problem
    scores = [
        top_k_accuracy(y_true, y_score, k=k, labels=labels) for k in range(1, len(labels) + 1)
    ]
    assert scores == sorted(scores)
    assert scores[-1] == 1


@settings(max_examples=60)
@given(problems(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_order_of_classes_does_not_matter(problem, k, random):
    labels, y_score, y_true = problem
    order = list(range(len(labels)))
    random.shuffle(order)
    score = top_k_accuracy(y_true, y_score, k=k, labels=labels)
    assert score == top_k_accuracy(y_true, y_score[:, order], k=k, labels=labels[order])


@settings(max_examples=60)
@given(problems(), st.integers(1, 5))
def test_never_above_any_way_of_breaking_ties(problem, k):
    labels, y_score, y_true = problem
    positions = np.searchsorted(labels, y_true)
    score = top_k_accuracy(y_true, y_score, k=k, labels=labels)
    for order in (1, -1):  # first or last of equals first
        sorting = np.argsort(-y_score[:, ::order], axis=1, kind="stable")[:, :k]
        columns = np.arange(len(labels))[::order][sorting]
        assert score <= (columns == positions[:, np.newaxis]).any(axis=1).mean()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"k": 0},
            r"'k' .*\[1, inf\)\. Got 0",
        ),
        ({"k": 1.5}, "'k' .* Got 1.5"),
        ({"labels": ["Blip", "Chirp"]}, r"y_score .* 2 labels.*\(3, 3\)"),
        ({"labels": ["Blip", "Chirp", "Chirp"]}, r"labels .* more than once: \['Chirp'\]"),
        ({"labels": [0, 1, 2]}, "y_true .*strings .*labels .*numbers"),
        ({"labels": []}, "labels must hold"),
        ({"y_true": ["Blip", "Chirp"]}, "y_score .* 3 .*y_true .* 2"),
        ({"y_true": []}, r"y_true .*\(0,\)"),
        ({"y_true": [["a", "b"]]}, r"y_true .*\(1, 2\)"),
        ({"y_true": ["Blip", None, "Chirp"]}, "y_true has no label"),
        ({"y_true": ["Blip", 1, "Chirp"]}, "y_true .* found numbers and strings"),
        ({"y_true": [b"Blip"] * 3}, "y_true must hold strings only .* found bytes"),
        ({"y_true": [0, np.nan, 1], "labels": [0, 1, 2]}, "y_true has no label .* row 1"),
        ({"y_score": np.where(Y_SCORE == 0.4, np.nan, Y_SCORE)}, "y_score .* NaN in 2 of 3"),
        ({"y_score": Y_SCORE.astype(complex)}, "y_score must hold real numbers, got complex"),
        ({"y_score": np.full((3, 3), None)}, "y_score contains NaN in 3 of 3"),
        ({"y_score": np.full((3, 3), "a", dtype=object)}, "y_score .* real numbers, got objects"),
        ({"y_score": [["a"] * 3] * 3}, "y_score must hold real numbers"),
        ({"y_score": [[1, 2, 3], [1, 2], [1]]}, "y_score .* rows differ in length"),
        ({"y_score": [0.1, 0.2, 0.3]}, r"y_score .* got shape \(3,\)"),
        ({"y_score": [0.1, 0.2, 0.3], "labels": ["Blip", "Chirp"]}, "one score per sample"),
        ({"sample_weight": [1, 2]}, r"sample_weight\.shape == \(2,\), expected \(3,\)"),
        ({"sample_weight": [1, 2, -1]}, "Negative values .* `sample_weight`"),
        ({"sample_weight": [1, 2, np.nan]}, "sample_weight contains NaN"),
        ({"sample_weight": [0, 0, 0]}, "at least one non-zero"),
    ],
)
def test_errors_name_what_is_wrong(change, message):
    arguments = {"y_true": Y_TRUE, "y_score": Y_SCORE, "k": 1, "labels": LABELS, **change}
    with pytest.raises(ValueError, match=message):
        top_k_accuracy(**arguments)


def test_object_scores_are_taken_as_numbers():
    assert top_k_accuracy(Y_TRUE, Y_SCORE.astype(object), k=2, labels=LABELS) == 2 / 3
