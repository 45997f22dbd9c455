"""Which glitches to ask about; scikit-learn's learners that use glitches without labels."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

import skglitch
from skglitch import CNNClassifier
from skglitch.discovery import rank_for_labeling

P = np.array([[0.5, 0.3, 0.2], [0.45, 0.45, 0.1], [1.0, 0.0, 0.0], [0.4, 0.35, 0.25]])


def test_margin_by_hand():
    assert rank_for_labeling(y_prob=P).tolist() == [1, 3, 0, 2]


def test_entropy_against_scipy():
    ranked = rank_for_labeling(y_prob=P, method="entropy")
    assert ranked.tolist() == np.argsort(-entropy(P, axis=1)).tolist() == [3, 0, 1, 2]


def test_equal_ones_in_their_order_and_no_more_than_asked_for():
    ranked = rank_for_labeling(y_prob=np.full((5, 2), 0.5), n_samples=3)
    assert ranked.tolist() == [0, 1, 2]
    assert len(rank_for_labeling(y_prob=P, n_samples=99)) == 4


def greedy_by_hand(X, labeled, n):
    """k-center greedy with Euclidean distances of rows of length 1, all computed anew."""
    units = X / np.linalg.norm(X, axis=1, keepdims=True)
    centers = list(labeled / np.linalg.norm(labeled, axis=1, keepdims=True))
    rows = []
    for _ in range(n):
        distances = [
            -1 if row in rows else min(np.linalg.norm(unit - center) for center in centers)
            for row, unit in enumerate(units)
        ]
        rows.append(int(np.argmax(distances)))
        centers.append(units[rows[-1]])
    return rows


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), n_labeled=st.integers(1, 4))
def test_core_set_by_hand(seed, n_labeled):
    rng = np.random.default_rng(seed)
    X, labeled = rng.standard_normal((15, 3)), rng.standard_normal((n_labeled, 3))
    ranked = rank_for_labeling(X, method="core_set", labeled=labeled, n_samples=6)
    assert ranked.tolist() == greedy_by_hand(X, labeled, 6)


@pytest.mark.parametrize("labeled", [np.empty((0, 3)), [], np.empty((0, 5))])
def test_no_glitch_with_a_label_is_as_none(labeled):
    X = np.random.default_rng(0).standard_normal((9, 3))
    ranked = rank_for_labeling(X, method="core_set", labeled=labeled)
    assert ranked.tolist() == rank_for_labeling(X, method="core_set").tolist()


@pytest.mark.parametrize("scale", [1, 1e200, 1e307, 1e-200])
@pytest.mark.parametrize("n_labeled", [0, 2])
def test_core_set_names_each_once(scale, n_labeled):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.standard_normal((6, 4)), 5, axis=0)
    X[-5:] = 0
    ranked = rank_for_labeling(scale * X, method="core_set", labeled=scale * X[:n_labeled])
    assert sorted(ranked) == list(range(30))
    expected = rank_for_labeling(X, method="core_set", labeled=X[:n_labeled])
    assert ranked.tolist() == expected.tolist()


def test_core_set_starts_in_the_middle_and_names_each_once():
    X = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 1, 1]])
    ranked = rank_for_labeling(X, method="core_set").tolist()
    assert ranked[0] == 0
    assert set(ranked[1:4]) == {1, 2, 3}
    assert sorted(ranked) == list(range(6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "requires probabilities"),
        ({"X": P}, "requires probabilities"),
        ({"y_prob": P, "method": "core_set"}, "requires embeddings"),
        ({"X": P, "method": "core_set", "labeled": P[:, :2]}, "2 features, X has 3"),
        ({"y_prob": P[:, :1]}, "one column per class"),
        ({"y_prob": P * np.nan}, "y_prob contains NaN"),
        ({"y_prob": P - 0.1}, "y_prob must hold prob.* row 0 "),
        ({"y_prob": P * 7, "method": "entropy"}, "y_prob must hold prob.* row 0 "),
        ({"y_prob": [[0.5, 0.5], [3.0, -2.0]]}, "row 1 .* logits into prob"),
        ({"X": P, "method": "core_set", "labeled": P[0]}, "Expected 2D array"),
        ({"y_prob": P, "n_samples": 0}, "n_samples"),
        ({"y_prob": P, "method": "random"}, "method"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        rank_for_labeling(**arguments)


class TestWithoutLabels:
    """What docs/discover.md says of scikit-learn's own."""

    def test_label_spreading_and_self_training_on_embeddings(self):
        rng = np.random.default_rng(0)
        truth = np.repeat([0, 1, 2], 30)
        X = np.repeat(np.eye(3), 30, axis=0) + 0.2 * rng.standard_normal((90, 3))
        known = np.full(90, -1)
        known[[0, 30, 60]] = [0, 1, 2]
        for learner in (
            LabelSpreading(kernel="knn", n_neighbors=10),
            SelfTrainingClassifier(LogisticRegression(C=10), threshold=0.6),
        ):
            assert np.mean(learner.fit(X, known).predict(X) == truth) > 0.9

    def test_self_training_of_a_net(self):
        rng = np.random.default_rng(0)
        X = rng.integers(0, 60, (16, 1, 32, 32), dtype=np.uint8)
        X[::2, :, 8:16] += 150
        y = np.array([-1] * 16, dtype=object)
        y[:8] = ["Whistle", "Blip"] * 4
        net = CNNClassifier(
            "test_efficientnet", weights=None, image_shape=(1, 32, 32), max_epochs=2, random_state=0
        )
        flat = X.reshape(len(X), -1)
        learner = SelfTrainingClassifier(net, criterion="k_best", k_best=4, max_iter=1)
        learner.fit(flat, y)
        assert (learner.labeled_iter_ == 1).sum() == 4
        assert set(learner.predict(flat)) <= {"Whistle", "Blip"}

    def test_the_page_as_it_is_written(self, monkeypatch):
        page = Path(__file__).resolve().parents[2] / "docs" / "discover.md"
        if not page.is_file():
            pytest.skip("not a checkout")
        section = page.read_text(encoding="utf-8").partition("## Few labels\n")[2]
        code = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], flags=re.S)
        assert len(code) == 3
        tiny = partial(CNNClassifier, "test_efficientnet", weights=None, max_epochs=2)
        monkeypatch.setattr(skglitch, "CNNClassifier", tiny)
        rng = np.random.default_rng(0)
        X = rng.integers(0, 60, (24, 1, 32, 32), dtype=np.uint8)
        X[::2, :, 8:16] += 150
        names = {
            "X": X,
            "y": np.where(np.arange(24) % 2, "Blip", "Whistle"),
            "labeled": np.arange(24) < 12,
            "embeddings": X.mean(axis=(1, 3)) + rng.standard_normal((24, 32)),
        }
        exec(code[0], names)
        assert np.mean(names["predicted"] == names["y"]) > 0.9
        exec(code[1], names)
        # Unlabeled glitches have no class of their own: only sure predictions become labels.
        assert names["known"].tolist() == [*names["y"][:12], *[-1] * 12]
        assert isinstance(names["model"].estimator_, CNNClassifier)
        assert set(names["model"].classes_) == {"Blip", "Whistle"}
        exec(code[2], names)
        assert sorted(names["first"]) == sorted(set(names["first"]))
        assert sorted(names["rows"]) == list(range(12))
