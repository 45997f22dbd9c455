"""Weights reach a net through scikit-learn's metadata routing, however deep it is wrapped."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline

from skglitch import TruncatedCNNTransformer
from skglitch.metrics import top_k_scorer

from .conftest import make_stripes

X, Y = make_stripes()
# Two samples of each class decide.
WEIGHTS = np.where(np.arange(len(Y)) % 3 == 0, 100.0, 0.01)


@pytest.fixture(autouse=True)
def _routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def classifier(tiny):
    return tiny(max_epochs=1).set_fit_request(sample_weight=True)


@pytest.fixture
def pipeline(classifier):
    head = LogisticRegression(max_iter=1000).set_fit_request(sample_weight=True)
    return make_pipeline(TruncatedCNNTransformer(classifier), head)


def head_of(classifier):
    return classifier.net_.module_.head.weight.detach().numpy()


def assert_trained_with_weights(transformer, classifier, rows=slice(None)):
    head = head_of(transformer.classifier_)
    weighted = classifier.fit(X[rows], Y[rows], WEIGHTS[rows])
    np.testing.assert_array_equal(head, head_of(weighted))
    unweighted = classifier.fit(X[rows], Y[rows])
    assert abs(head - head_of(unweighted)).max() > 1e-3


def test_routed_weights_reach_the_net_alone_and_in_a_pipeline(pipeline, classifier):
    transformer = TruncatedCNNTransformer(classifier)
    transformer.fit(X, Y, sample_weight=WEIGHTS)
    pipeline.fit(X, Y, sample_weight=WEIGHTS)
    assert_trained_with_weights(transformer, classifier)
    np.testing.assert_array_equal(
        head_of(transformer.classifier_), head_of(pipeline[0].classifier_)
    )


def test_routed_weights_reach_the_net_in_cross_validation(pipeline, classifier):
    folds = StratifiedKFold(2)
    found = cross_validate(
        pipeline,
        X,
        Y,
        cv=folds,
        params={"sample_weight": WEIGHTS},
        return_estimator=True,
        scoring=top_k_scorer().set_score_request(sample_weight=True),
    )
    for fitted, (rows, _) in zip(found["estimator"], folds.split(X, Y), strict=True):
        assert_trained_with_weights(fitted[0], classifier, rows)


def test_routed_weights_reach_the_net_in_a_grid_search(pipeline, classifier):
    grid = {"truncatedcnntransformer__source__batch_size": [8, 9]}
    search = GridSearchCV(
        pipeline, grid, cv=2, scoring=top_k_scorer().set_score_request(sample_weight=True)
    )
    search.fit(X, Y, sample_weight=WEIGHTS)
    best = search.best_params_["truncatedcnntransformer__source__batch_size"]
    assert_trained_with_weights(search.best_estimator_[0], classifier.set_params(batch_size=best))


def test_routed_weights_by_another_name(classifier):
    classifier.set_fit_request(sample_weight="snr")
    transformer = make_pipeline(TruncatedCNNTransformer(classifier)).fit(X, Y, snr=WEIGHTS)[0]
    assert_trained_with_weights(transformer, classifier)


def test_weights_that_nothing_asks_for_are_refused(tiny):
    silent = TruncatedCNNTransformer(tiny(max_epochs=1))
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        silent.fit(X, Y, sample_weight=WEIGHTS)
    with pytest.raises(TypeError, match="sample_weight"):
        make_pipeline(TruncatedCNNTransformer("test_efficientnet", weights=None)).fit(
            X, Y, sample_weight=WEIGHTS
        )


def test_a_fitted_net_is_not_asked_about_weights(tiny):
    fitted = tiny(max_epochs=1).fit(X, Y)
    head = LogisticRegression(max_iter=1000).set_fit_request(sample_weight=True)
    pipeline = make_pipeline(TruncatedCNNTransformer(fitted), head)
    assert pipeline.fit(X, Y, sample_weight=WEIGHTS)[0].classifier_ is fitted
