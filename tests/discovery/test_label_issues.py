"""Wrong labels: found among clusters, scores by hand, cleanlab as the reference, errors."""

import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB

from skglitch.discovery import find_label_issues

NAMES = np.array(["Blip", "Koi_Fish", "Tomte", "Whistle"])


def clusters(n_each=20, seed=0, spread=0.2):
    rng = np.random.default_rng(seed)
    y = np.repeat(NAMES, n_each)
    X = np.repeat(np.eye(4), n_each, axis=0) + spread * rng.standard_normal((len(y), 4))
    return X, y


def with_wrong(y, rows):
    given = y.copy()
    for row in rows:
        given[row] = NAMES[(np.flatnonzero(y[row] == NAMES)[0] + 1) % len(NAMES)]
    return given


class TestFinds:
    @settings(max_examples=15)
    @given(seed=st.integers(0, 1000))
    def test_wrong_labels_first_with_the_right_ones(self, seed):
        X, y = clusters(seed=seed, spread=0.1)
        rows = np.random.default_rng(seed).choice(80, 4, replace=False)
        issues = find_label_issues(X, with_wrong(y, rows), random_state=0)
        assert set(issues.index[:4]) == set(rows)
        assert issues.suggested[:4].tolist() == y[issues.index[:4]].tolist()
        assert set(issues.sort_values("neighbors", kind="stable").index[:4]) == set(rows)
        assert set(issues.sort_values("classifier", kind="stable").index[:4]) == set(rows)
        assert set(issues.index[issues.flagged]) <= set(rows)
        assert sorted(issues.index) == list(range(80))
        assert (np.diff(issues.score) >= 0).all()
        assert issues.given.tolist() == with_wrong(y, rows)[issues.index].tolist()

    @pytest.mark.parametrize(
        "convert",
        [
            lambda y: y.astype(object),
            lambda y: list(y),
            lambda y: np.searchsorted(NAMES, y) * 10 - 5,
            lambda y: (np.searchsorted(NAMES, y) + 0.5).tolist(),
        ],
    )
    def test_kinds_of_labels(self, convert):
        X, y = clusters()
        expected = find_label_issues(X, with_wrong(y, [7, 50]), random_state=0)
        labels = convert(with_wrong(y, [7, 50]))
        issues = find_label_issues(X, labels, random_state=0)
        assert issues.index.tolist() == expected.index.tolist()
        assert issues.given.iloc[0] == labels[issues.index[0]]

    def test_classes_of_one_and_two(self):
        X, y = clusters()
        labels = y.astype(object)
        labels[3] = "Chirp"
        labels[[60, 61]] = "Helix"
        X[[60, 61]] = 5 * np.array([1, 1, -1, -1])
        issues = find_label_issues(X, labels, random_state=0)
        score = issues["score"]
        assert score[3] == 0
        assert issues.index[0] == 3
        assert issues.suggested.iloc[0] == "Blip"
        assert score[60] > 0

    def test_a_fold_whose_training_part_has_one_class(self):
        issues = find_label_issues(np.eye(5), ["a"] * 4 + ["b"], random_state=0)
        assert issues.index[0] == 4
        assert np.isfinite(issues.score).all()

    def test_duplicates_with_two_labels(self):
        X, y = clusters()
        X[1] = X[0]
        issues = find_label_issues(X, with_wrong(y, [1]), random_state=0)
        assert issues.index[0] == 1


class TestScores:
    def test_neighbors_by_hand(self):
        X = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-1.8, -1.6]])  # of mean 0
        y = ["a", "a", "b", "b"]
        issues = find_label_issues(X, y, n_neighbors=2, random_state=0)
        cosines = [0.8, 0.0]  # of the two nearest to the first
        weights = np.exp(10 * np.array(cosines))
        assert X.mean(axis=0) == pytest.approx([0, 0])
        assert issues["neighbors"][0] == pytest.approx(weights[0] / weights.sum(), rel=1e-5)

    def test_classifier_is_cross_validated(self):
        X, y = clusters(spread=0.6)
        folds = StratifiedKFold(4, shuffle=True, random_state=3)
        expected = cross_val_predict(GaussianNB(), X, y, cv=folds, method="predict_proba")
        issues = find_label_issues(X, y, estimator=GaussianNB(), cv=4, random_state=3)
        own = expected[np.arange(80), np.searchsorted(NAMES, y)]
        np.testing.assert_allclose(issues.classifier, own[issues.index])
        issues = find_label_issues(None, y, y_prob=expected)
        np.testing.assert_array_equal(issues.suggested, NAMES[expected.argmax(1)][issues.index])

    def test_both_is_the_mean(self):
        issues = find_label_issues(*clusters(spread=0.6), random_state=0)
        np.testing.assert_allclose(issues.score, (issues.classifier + issues.neighbors) / 2)

    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_scale_tells_nothing(self, dtype):
        X, y = clusters(spread=0.6)
        expected = find_label_issues(X, y, random_state=0)
        for scale in (1e200, 1e307, 1e-200) if dtype is np.float64 else (1e30, 1e37, 1e-30):
            scaled = (scale * X).astype(dtype)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                issues = find_label_issues(scaled, y, random_state=0)
            for part in ("classifier", "neighbors"):
                found = issues[part].sort_index()
                wanted = expected[part].sort_index()
                np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)

    def test_jobs_change_nothing(self):
        X, y = clusters(spread=0.6)
        one, two = (find_label_issues(X, y, n_jobs=n, random_state=0) for n in (None, 2))
        np.testing.assert_array_equal(one.score, two.score)

    def test_estimator_stays_as_it_is(self):
        estimator = LogisticRegression()
        find_label_issues(*clusters(), estimator=estimator)
        assert not hasattr(estimator, "classes_")


class TestProbabilities:
    P = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])

    def test_take_the_place_of_embeddings(self):
        issues = find_label_issues(None, ["b", "b", "a", "a"], y_prob=self.P)
        assert issues.index.tolist() == [0, 3, 2, 1]
        assert issues.score.tolist() == [0.1, 0.4, 0.7, 0.8]
        assert issues.neighbors.isna().all()
        # Thresholds: a (0.7 + 0.4) / 2, b (0.1 + 0.8) / 2.
        assert issues.flagged.tolist() == [True, True, False, False]

    def test_columns_of_their_own_order(self):
        flipped = find_label_issues(
            None, ["b", "b", "a", "a"], y_prob=self.P[:, ::-1], classes=["b", "a"]
        )
        assert flipped.score.tolist() == [0.1, 0.4, 0.7, 0.8]

    def test_columns_that_have_names(self):
        y = ["b", "b", "a", "a"]
        frame = pd.DataFrame(self.P[:, ::-1], columns=["b", "a"])
        expected = [0.1, 0.4, 0.7, 0.8]
        assert find_label_issues(None, y, y_prob=frame).score.tolist() == expected
        message = find_label_issues(None, y, y_prob=frame, classes=["b", "a"])
        assert message.score.tolist() == expected
        message = find_label_issues(None, y, y_prob=frame, classes=["a", "b"])
        assert message.score.tolist() == expected

    def test_columns_that_have_numbers(self):
        frame = pd.DataFrame(self.P)
        assert find_label_issues(None, ["b", "b", "a", "a"], y_prob=frame).score.iloc[0] == 0.1
        assert find_label_issues(None, [7, 7, 3, 3], y_prob=frame).score.iloc[0] == 0.1
        turned = frame[[1, 0]]
        assert find_label_issues(None, [1, 1, 0, 0], y_prob=turned).score.iloc[0] == 0.1

    @pytest.mark.parametrize(
        ("columns", "classes", "message"),
        [
            (["a", "c"], None, r"y_prob .* \['a', 'b'\], got \['a', 'c'\]"),
            (["a", "a"], None, r"y_prob .* got \['a', 'a'\]"),
            (["P(b)", "P(a)"], ["b", "a"], r"y_prob .* \['b', 'a'\], got \['P\(b\)', 'P\(a\)'\]"),
        ],
    )
    def test_columns_with_other_names(self, columns, classes, message):
        frame = pd.DataFrame(self.P, columns=columns)
        with pytest.raises(ValueError, match=message):
            find_label_issues(None, ["b", "b", "a", "a"], y_prob=frame, classes=classes)

    def test_a_column_more_than_labels(self):
        frame = pd.DataFrame(np.column_stack([self.P, np.zeros(4)]), columns=["a", "b", "c"])
        y = ["b", "b", "a", "a"]
        for y_prob in (frame, frame.to_numpy()):
            with pytest.raises(ValueError, match="y_prob"):
                find_label_issues(None, y, y_prob=y_prob)
            issues = find_label_issues(None, y, y_prob=y_prob, classes=["a", "b", "c"])
            assert issues.score.iloc[0] == 0.1

    def test_class_that_no_sample_has(self):
        P = np.column_stack([self.P * 0.5, np.full(4, 0.5)])
        issues = find_label_issues(None, ["a", "b", "a", "b"], y_prob=P, classes=["a", "b", "c"])
        assert "c" in set(issues.suggested)
        assert not issues.flagged.any()

    def test_with_neighbors(self):
        X = np.array([[1.0, 0], [0.9, 0], [0, 1], [0, 0.9]])
        issues = find_label_issues(X, ["a", "a", "b", "b"], y_prob=self.P, n_neighbors=1)
        assert issues.neighbors.tolist() == [1, 1, 1, 1]
        assert issues.classifier.tolist() == [0.2, 0.3, 0.6, 0.9]


class TestFlags:
    @settings(max_examples=30)
    @given(seed=st.integers(0, 10_000))
    def test_confident_joint_as_cleanlab_has_it(self, seed):
        cleanlab = pytest.importorskip("cleanlab.filter")
        rng = np.random.default_rng(seed)
        P = rng.dirichlet(np.full(4, 0.4), 60)
        codes = np.append(np.arange(4), [rng.choice(4, p=p) for p in P[4:]])
        issues = find_label_issues(None, codes, y_prob=P)
        expected = cleanlab.find_label_issues(
            codes, P, filter_by="confident_learning", n_jobs=1, min_examples_per_class=0
        )
        flagged = issues.flagged.sort_index().to_numpy()
        # cleanlab also flags labels that are more probable than all classes above their threshold.
        thresholds = [P[codes == code, code].mean() for code in range(4)]
        others = np.where(thresholds <= P, P, 0).max(axis=1)
        expected &= others > P[np.arange(60), codes]
        np.testing.assert_array_equal(flagged, expected)

    def test_noise_rate(self):
        pytest.importorskip("cleanlab")
        X, y = clusters(spread=0.3)
        rows = [0, 30, 50, 70]
        issues = find_label_issues(X, with_wrong(y, rows), flag_by="noise_rate", random_state=0)
        assert set(rows) <= set(issues.index[issues.flagged].tolist())

    def test_noise_rate_with_a_class_that_no_sample_has(self):
        pytest.importorskip("cleanlab")
        P = np.array([[0.8, 0.1, 0.1], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.9, 0.1, 0.0]])
        issues = find_label_issues(
            None,
            ["a", "a", "b", "b"],
            y_prob=P,
            classes=["a", "b", "c"],
            flag_by="noise_rate",
        )
        assert 3 in issues.index[issues.flagged]

    def test_noise_rate_without_cleanlab(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
        assert len(find_label_issues(*clusters())) == 80
        with pytest.raises(ImportError, match=r"skglitch\[labels\]"):
            find_label_issues(*clusters(), flag_by="noise_rate")


class TestTable:
    def test_columns_and_rows(self):
        X, y = clusters()
        issues = find_label_issues(X, with_wrong(y, [7]), random_state=0)
        assert issues.index.name == "index"
        assert issues.columns.tolist() == [
            *("given", "suggested", "score", "flagged", "classifier", "neighbors"),
        ]
        assert issues["flagged"].dtype == bool
        assert issues.reset_index().loc[0, ["index", "given", "suggested"]].tolist() == [
            *(7, "Koi_Fish", "Blip"),
        ]


X, Y = clusters(5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y[:-1]}, "X has 20 samples, but y has 19"),
        (
            {"y": [None, *Y[1:]]},
            r"y has no label .* for 1 of 20 samples, the first in row 0: leave",
        ),
        ({"y": ["", "", *Y[2:]]}, "y has no label .* for 2 of 20 samples"),
        ({"y": [np.nan, *range(19)]}, "y has no label .* for 1 of 20 samples"),
        ({"y": [-1] * 5 + [0, 1, 2] * 5}, "y has no label .* for 5 of 20 samples"),
        ({"y": [-1.0] * 5 + [0.0, 1.0, 2.0] * 5}, "y has no label .* for 5 of 20 samples"),
        ({"y": np.append(Y[:-1].astype(object), -1)}, "y has no label .* for 1 of 20 samples"),
        ({"y": pd.Series([None, *Y[1:]], dtype="string")}, "y has no label .* for 1 of 20"),
        ({"y": pd.Series([None, *[1, 2, 3] * 6, 4], dtype="Int64")}, "y has no label .* for 1 of"),
        ({"y": ["a"] * 20}, "one class only, 'a'"),
        ({"y": np.arange(20)}, "labels in y is unique"),
        (
            {"X": np.where(np.arange(20)[:, None] == 4, np.nan, X)},
            "NaN or infinity in 1 rows.*row 4",
        ),
        ({"X": np.ones((20, 3))}, "All rows of X are the same"),
        ({"X": None}, "X and y_prob are both None"),
        ({"y_prob": np.full((20, 3), 1 / 3)}, r"y_prob .* 4 .*shape \(20, 3\)"),
        ({"y_prob": np.full((19, 4), 1 / 4)}, "y_prob has 19 samples"),
        ({"y_prob": np.full((20, 4), 0.5)}, "y_prob must hold probabilities.* row 0"),
        ({"y_prob": np.full((20, 4), np.nan)}, "y_prob contains NaN"),
        ({"classes": ["Blip"]}, "classes lacks labels of y: .*Koi_Fish"),
        ({"classes": [*NAMES, "Blip"]}, "more than once"),
        ({"classes": [1, 2, 3, 4]}, "strings throughout or numbers throughout"),
        ({"flag_by": "vote"}, "flag_by"),
        ({"n_neighbors": 0}, "n_neighbors"),
        ({"cv": 1}, "cv"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        find_label_issues(**({"X": X, "y": Y} | arguments))
