"""The scorer inside scikit-learn's cross-validation and grid search."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_blobs
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron
from sklearn.metrics import make_scorer, precision_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from skglitch.metrics import top_k_accuracy, top_k_scorer

NAMES = np.array(["Blip", "Chirp", "Koi_Fish", "Whistle"])


class FixedProbabilities(ClassifierMixin, BaseEstimator):
    """Give the first columns of X as scores, and count how often it is asked."""

    def __init__(self, classes=("Blip", "Chirp", "Whistle")):
        self.classes = classes

    def fit(self, X, y=None):
        self.classes_ = np.asarray(self.classes)
        self.n_calls_ = 0
        return self

    def predict_proba(self, X):
        self.n_calls_ += 1
        return np.asarray(X)


@pytest.fixture
def blobs():
    X, y = make_blobs(n_samples=80, centers=4, cluster_std=4.0, random_state=0)
    return X, y


@pytest.mark.parametrize(("k", "expected"), [(1, 0.0), (2, 0.5), (3, 1.0), (9, 1.0)])
def test_ranks_by_hand(k, expected):
    X = [[0.5, 0.4, 0.1], [0.5, 0.1, 0.4]]
    assert top_k_scorer(k)(FixedProbabilities().fit(X), X, ["Chirp", "Chirp"]) == expected


def test_default_is_one_guess():
    X = [[0.5, 0.4, 0.1], [0.5, 0.1, 0.4]]
    assert top_k_scorer()(FixedProbabilities().fit(X), X, ["Chirp", "Blip"]) == 0.5


@pytest.mark.parametrize(
    "encode",
    [
        lambda y: y,
        lambda y: NAMES[y],
        lambda y: NAMES[y].astype(object),
        lambda y: np.array([-5, 3, 40, 1000])[y],
        lambda y: np.array([-5, 3, 40, 1000], dtype=np.int16)[y],
        lambda y: np.array([0.5, 1.5, 2.5, 7.0])[y],
    ],
    ids=["int", "str", "object", "gappy", "int16", "float"],
)
def test_folds_that_lack_classes(blobs, encode):
    X, codes = blobs
    y = encode(codes)
    # Fold 0 holds no sample of class 3; fold 1 holds all of class 0, so that its
    # training fold has none. The others are shared evenly.
    fold = np.arange(len(codes)) % 2
    fold[codes == 3] = 1
    fold[codes == 0] = 1
    fold[np.flatnonzero(codes == 3)[:5]] = -1  # always in training
    scoring = {f"top_{k}": top_k_scorer(k) for k in (1, 2, 4, 10)}
    # Scikit-learn's classifiers refuse fractions as classes.
    estimator = AnyNumberNB() if y.dtype.kind == "f" else GaussianNB()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = cross_validate(
            estimator,
            X,
            y,
            cv=PredefinedSplit(fold),
            scoring=scoring,
            error_score="raise",
            return_estimator=True,
        )
    unknown = np.mean(codes[fold == 1] == 0)
    assert 0.1 < unknown < 0.9
    assert results["test_top_4"].tolist() == [1.0, 1 - unknown]
    assert results["test_top_10"].tolist() == [1.0, 1 - unknown]
    for index, fitted in enumerate(results["estimator"]):
        test = fold == index
        expected = [
            top_k_accuracy(y[test], fitted.predict_proba(X[test]), k=k, labels=fitted.classes_)
            for k in (1, 2)
        ]
        assert [results["test_top_1"][index], results["test_top_2"][index]] == expected


class AnyNumberNB(GaussianNB):
    """Naive Bayes that takes any numbers as classes."""

    def fit(self, X, y):
        names, codes = np.unique(y, return_inverse=True)
        super().fit(X, codes)
        self.classes_ = names
        return self

    def predict(self, X):
        return self.classes_[np.argmax(self.predict_joint_log_proba(X), axis=1)]

    def predict_proba(self, X):
        scores = self._joint_log_likelihood(X)
        return np.exp(scores - scores.max(axis=1, keepdims=True))


def test_sklearns_own_scorer_fails_on_such_a_fold(blobs):
    # Why this scorer exists: if this one day passes, say so in the documentation.
    X, y = blobs
    fold = np.where(y == 3, 1, np.arange(len(y)) % 2)
    fold[np.flatnonzero(y == 3)[:5]] = -1
    with pytest.raises(ValueError, match="Number of classes in 'y_true'"):
        cross_validate(
            GaussianNB(),
            X,
            y,
            cv=PredefinedSplit(fold),
            scoring="top_k_accuracy",
            error_score="raise",
        )


def test_top_1_of_distinct_scores_is_accuracy(blobs):
    X, y = blobs
    for estimator in (GaussianNB(), LinearSVC(), make_pipeline(StandardScaler(), SVC())):
        estimator.fit(X, y)
        assert top_k_scorer(1)(estimator, X, y) == estimator.score(X, y)


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(), Perceptron(), make_pipeline(StandardScaler(), LinearSVC())],
    ids=["probabilities", "decision_function", "pipeline"],
)
def test_two_classes(estimator):
    X, y = make_blobs(n_samples=60, centers=2, cluster_std=6.0, random_state=1)
    y = NAMES[y]
    estimator.fit(X, y)
    score = top_k_scorer(1)(estimator, X, y)
    assert score == estimator.score(X, y)
    assert 0.5 < score < 1
    assert top_k_scorer(2)(estimator, X, y) == 1


def test_decision_values_between_0_and_1_are_no_probabilities():
    # scikit-learn guesses a threshold of 1/2 for these.
    class Decider(ClassifierMixin, BaseEstimator):
        classes_ = np.array([0, 1])

        def decision_function(self, X):
            return np.asarray(X)[:, 0]

    X = [[0.1], [0.2], [0.9]]
    assert top_k_scorer(1)(Decider(), X, [1, 1, 1]) == 1
    assert top_k_scorer(1)(Decider(), X, [0, 0, 0]) == 0


def test_one_class_in_training():
    X = np.zeros((4, 1))
    estimator = DummyClassifier(strategy="prior").fit(X, ["Blip"] * 4)
    assert top_k_scorer(1)(estimator, X, ["Blip", "Blip", "Blip", "Chirp"]) == 0.75


def test_many_scorers_share_one_prediction():
    X = np.tile([[0.5, 0.4, 0.1]], (6, 1))
    y = np.array(["Blip", "Chirp", "Whistle"] * 2)
    results = cross_validate(
        FixedProbabilities(),
        X,
        y,
        cv=PredefinedSplit([0, 0, 0, -1, -1, -1]),
        scoring={f"top_{k}": top_k_scorer(k) for k in (1, 2, 3)},
        return_estimator=True,
        error_score="raise",
    )
    assert [results[f"test_top_{k}"][0] for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert results["estimator"][0].n_calls_ == 1


def test_other_binary_scorers_do_not_turn_the_classes_round():
    X, y = make_blobs(n_samples=60, centers=2, cluster_std=3.0, random_state=1)
    scoring = {
        "first_class": make_scorer(_area_of_first_class, response_method="predict_proba"),
        "also": make_scorer(_area_of_first_class, response_method="predict_proba"),
        "top_1": top_k_scorer(1),
    }
    results = cross_validate(
        LogisticRegression(), X, y, cv=2, scoring={**scoring, "accuracy": "accuracy"}
    )
    assert results["test_top_1"].tolist() == results["test_accuracy"].tolist()
    assert results["test_first_class"].min() > 0.5


def _area_of_first_class(y_true, y_score, pos_label=0):
    return roc_auc_score(np.asarray(y_true) == pos_label, y_score)


def test_grid_search_in_two_processes(blobs):
    X, y = blobs
    search = GridSearchCV(
        make_pipeline(StandardScaler(), SVC()),
        {"svc__C": [1e-3, 1.0]},
        scoring={"top_1": top_k_scorer(1), "top_2": top_k_scorer(2)},
        refit="top_2",
        cv=2,
        n_jobs=2,
        error_score="raise",
    )
    search = clone(search).fit(X, NAMES[y])
    top_1, top_2 = (search.cv_results_[f"mean_test_top_{k}"] for k in (1, 2))
    assert (top_1 < top_2).all()
    assert search.best_score_ == top_2.max()
    assert search.score(X, NAMES[y]) == top_k_scorer(2)(search, X, NAMES[y])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies_score_alike(duplicate):
    X = [[0.5, 0.4, 0.1], [0.5, 0.1, 0.4]]
    scorer = duplicate(top_k_scorer(2))
    assert scorer(FixedProbabilities().fit(X), X, ["Chirp", "Chirp"]) == 0.5
    assert repr(scorer) == "top_k_scorer(k=2)"


def test_sample_weight():
    X = [[0.5, 0.4, 0.1], [0.5, 0.1, 0.4]]
    scorer, estimator = top_k_scorer(2), FixedProbabilities().fit(X)
    assert scorer(estimator, X, ["Chirp", "Chirp"], sample_weight=[3, 1]) == 0.75


@pytest.mark.parametrize("several", [False, True])
def test_sample_weight_is_routed(several):
    X = np.array([[0.5, 0.4, 0.1], [0.5, 0.1, 0.4]] * 2)
    with sklearn.config_context(enable_metadata_routing=True):
        weighted = top_k_scorer(2).set_score_request(sample_weight=True)
        plain = top_k_scorer(2).set_score_request(sample_weight=False)
        results = cross_validate(
            FixedProbabilities(),
            X,
            ["Chirp"] * 4,
            cv=PredefinedSplit([0, 0, -1, -1]),
            scoring={"score": weighted, "plain": plain} if several else weighted,
            params={"sample_weight": [3, 1, 1, 1]},
            error_score="raise",
        )
    assert results["test_score"].tolist() == [0.75]
    assert not several or results["test_plain"].tolist() == [0.5]


@pytest.mark.parametrize("k", [0, -1, 2.0, "2", None])
def test_bad_k(k):
    with pytest.raises(ValueError, match=r"'k' .* Got"):
        top_k_scorer(k)


def test_estimators_that_cannot_be_scored():
    X, y = [[0.0], [1.0], [2.0]], [0, 1, 2]
    with pytest.raises(NotFittedError):
        top_k_scorer(1)(GaussianNB(), X, y)
    for estimator in (LinearRegression(), IsolationForest(n_estimators=2)):
        with pytest.raises(TypeError, match="classes_"):
            top_k_scorer(1)(estimator.fit(X, y), X, y)
    with pytest.raises(AttributeError, match=r"Perceptive.*decision_function"):
        top_k_scorer(1)(_without_scores(X, y), X, y)


def _without_scores(X, y):
    class Perceptive(ClassifierMixin, BaseEstimator):
        classes_ = np.unique(y)

        def predict(self, X):
            return X

    return Perceptive()


def test_ovo_decision_values_are_refused(blobs):
    X, y = blobs
    estimator = SVC(decision_function_shape="ovo").fit(X, y)  # 6 pairs of 4 classes
    with pytest.raises(ValueError, match=r"4 labels.*\(80, 6\)"):
        top_k_scorer(1)(estimator, X, y)


def test_works_beside_other_scorers(blobs):
    X, y = blobs
    precision = make_scorer(precision_score, average="macro", zero_division=0)
    results = cross_validate(
        GaussianNB(),
        X,
        y,
        scoring={"precision": precision, "area": "roc_auc_ovr", "top_1": top_k_scorer(1)},
        cv=2,
        error_score="raise",
    )
    assert len(results["test_top_1"]) == 2
    assert results["test_top_1"].min() > 0.3
