"""The estimators in cross-validation and grid search, in this process and in others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.estimators import Encoder
from skglitch.metrics import top_k_scorer

from .conftest import TinyNet, make_stripes


def test_grid_search_in_two_processes(tiny, stripes):
    X, y = stripes
    grid = {"max_epochs": [1, 12], "learning_rate": [1e-12, 1e-2]}
    scoring = "neg_log_loss"
    search = GridSearchCV(tiny(), grid, scoring=scoring, cv=StratifiedKFold(2), n_jobs=2)
    search.fit(X, y)
    assert search.best_params_ == {"max_epochs": 12, "learning_rate": 1e-2}
    assert search.best_estimator_.score(*make_stripes(seed=4)) == 1.0


def test_grid_search_over_backbones_by_name_and_by_class(stripes):
    X, y = stripes
    classifier = CNNClassifier(weights=None, views=4.0, max_epochs=1, random_state=0)
    search = GridSearchCV(classifier, {"backbone": ["test_resnet", TinyNet]}, cv=2, n_jobs=2)
    search.fit(X, y)
    assert len(search.cv_results_["params"]) == 2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_grid_search_over_nested_steps(tiny, stripes):
    X, y = stripes
    pipeline = Pipeline(
        [("embed", TruncatedCNNTransformer(tiny())), ("classify", LogisticRegression())]
    )
    grid = {"embed__source__max_epochs": [1, 8], "classify__C": [0.1, 1.0]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X, y)
    best = search.best_estimator_
    assert (
        len(best["embed"].classifier_.history_) == search.best_params_["embed__source__max_epochs"]
    )
    assert best.score(*make_stripes(seed=4)) > 0.9


def test_grid_search_over_the_encoder_that_is_none(tiny, stripes):
    X, y = stripes
    layers = ["0", ("0", "3")]
    search = GridSearchCV(tiny(max_epochs=2), {"encoder__layer": layers}, cv=2).fit(X, y)
    assert search.best_estimator_.encoder.layer in layers
    assert search.estimator.encoder is None
    pipeline = Pipeline(
        [
            ("embed", TruncatedCNNTransformer(TinyNet, random_state=0)),
            ("classify", KNeighborsClassifier(1)),
        ]
    )
    grid = {"embed__encoder__pooling": ["mean", "max"], "embed__layer": layers}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    best = search.best_estimator_["embed"]
    assert best.encoder_.readout.pooling == search.best_params_["embed__encoder__pooling"]
    assert search.estimator["embed"].encoder is None
    grid = {"embed__source__encoder__layer": layers}
    pipeline.set_params(embed=TruncatedCNNTransformer(tiny(max_epochs=1)))
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_estimator_["embed"].classifier_.encoder.layer in layers


def test_set_params_of_the_encoder(tiny):
    for estimator in (tiny(), TruncatedCNNTransformer(TinyNet)):
        estimator.set_params(encoder__layer="0", encoder__n_bands=3)
        assert estimator.encoder.get_params() == Encoder(layer="0", n_bands=3).get_params()
        estimator.set_params(encoder=None, encoder__pooling="max")
        assert estimator.encoder.get_params() == Encoder(pooling="max").get_params()
        assert estimator.set_params(encoder=None).encoder is None
        with pytest.raises(ValueError, match=r"'color' .*Encoder"):
            estimator.set_params(encoder__color="gray")


def test_same_result_in_one_process_and_in_two(tiny, stripes):
    X, y = stripes
    # Sums differ in their last bits with the number of threads, and joblib gives workers one.
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = cross_val_predict(tiny(max_epochs=2), X, y, cv=3, method="predict_proba")
    finally:
        torch.set_num_threads(n_threads)
    both = cross_val_predict(tiny(max_epochs=2), X, y, cv=3, method="predict_proba", n_jobs=3)
    np.testing.assert_array_equal(alone, both)


def test_several_top_k_scorers_where_a_fold_lacks_a_class(tiny, stripes):
    X, y = stripes
    # Unshuffled thirds: each test part holds one class, which training never saw.
    folds = [(np.flatnonzero(y != label), np.flatnonzero(y == label)) for label in np.unique(y)]
    folds.append((np.arange(0, len(y), 2), np.arange(6)))
    scores = cross_validate(
        tiny(),
        X,
        y,
        cv=folds,
        scoring={f"top{k}": top_k_scorer(k) for k in (1, 2, 3)},
        error_score="raise",
    )
    for k in (1, 2, 3):
        np.testing.assert_array_equal(scores[f"test_top{k}"][:3], 0)
        assert scores[f"test_top{k}"][3] == 1
