"""Where the last layer starts: a regression on the features of the net as it is, or zeros."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch._backbones import Readout, make_backbone
from skglitch._training import ViewEncoder, ViewLayout
from skglitch._training._head import regress_head

from .conftest import TinyNet, make_stripes


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(3)
    return TinyNet().state_dict()


def _hardly_trained(weights, **params):
    """A classifier that stays where it starts."""
    defaults = {
        "backbone": TinyNet,
        "weights": weights,
        "learning_rate": 1e-12,
        "max_epochs": 1,
        "augment": False,
        "random_state": 0,
    }
    return CNNClassifier(**{**defaults, **params})


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_head_is_logistic_regression_on_frozen_features(weights, n_classes, weighted):
    X, y = make_stripes()
    rows = np.isin(y, np.unique(y)[:n_classes])
    X, y = X[rows], y[rows]
    share = np.linspace(0.2, 1.8, len(y)) if weighted else None
    classifier = _hardly_trained(weights).fit(X, y, sample_weight=share)
    pipeline = make_pipeline(
        TruncatedCNNTransformer(TinyNet, weights=weights),
        LogisticRegression(C=10, max_iter=1000),
    )
    pipeline.fit(X, y, logisticregression__sample_weight=share)
    new_X, _ = make_stripes(seed=8)
    np.testing.assert_allclose(
        classifier.predict_proba(new_X), pipeline.predict_proba(new_X), atol=1e-4
    )


@pytest.mark.parametrize(
    ("head_init", "has_weights", "regresses"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("zeros", True, False),
        ("regression", False, True),
    ],
)
def test_what_starts_where(weights, head_init, has_weights, regresses):
    X, y = make_stripes()
    classifier = _hardly_trained(weights if has_weights else None, head_init=head_init)
    with warnings.catch_warnings():
        # Features that are not normalized may keep the regression from its goal: no matter.
        warnings.simplefilter("error", ConvergenceWarning)
        head = classifier.fit(X, y).net_.module_.head
    assert (head.weight.detach().abs().max().item() > 1e-3) == regresses
    if not regresses:
        np.testing.assert_allclose(classifier.predict_proba(X), 1 / 3, atol=1e-6)


def test_center_is_the_mean_of_the_training_features_and_stays(weights):
    X, y = make_stripes()
    classifier = _hardly_trained(weights, learning_rate=1e-2, max_epochs=2).fit(X, y)
    raw = TruncatedCNNTransformer(TinyNet, weights=weights, normalize=False).fit_transform(X)
    center = classifier.net_.module_.encoder.center.numpy()
    np.testing.assert_allclose(center, raw.mean(axis=0), atol=1e-5)


def test_features_of_each_layer_have_length_four(weights):
    X, _ = make_stripes()
    transformer = TruncatedCNNTransformer(TinyNet, weights=weights, layer=("0", "3")).fit(X)
    features = transformer.transform(X)
    first, second = features[:, :8], features[:, 8:]
    assert second.shape[1] == 16
    for part in (first, second):
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 4, rtol=1e-5)
    raw = TruncatedCNNTransformer(
        TinyNet, weights=weights, layer=("0", "3"), normalize=False
    ).fit_transform(X)
    moved = raw - raw.mean(axis=0)
    by_hand = 4 * moved[:, :8] / np.linalg.norm(moved[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose(first, by_hand, atol=1e-3)


def test_center_takes_a_translation_of_all_features_away():
    encoder = ViewEncoder(
        make_backbone(TinyNet(), None), ViewLayout("mosaic", (0,)), normalize=True
    )
    features = torch.rand(7, 256)
    encoder.center_on(features)
    there = encoder.normalized(features)
    encoder.center_on(features + 5)
    torch.testing.assert_close(encoder.normalized(features + 5), there, atol=1e-4, rtol=1e-4)


def test_from_scratch_nothing_is_normalized(stripes):
    X, y = stripes
    classifier = _hardly_trained(None, learning_rate=1e-2, max_epochs=12, batch_size=8).fit(X, y)
    encoder = classifier.net_.module_.encoder
    assert not encoder.normalize
    assert len(encoder.center) == 0
    assert "encoder.center" not in classifier.net_.module_.state_dict()
    assert classifier.score(X, y) == 1.0


def test_regression_of_two_classes_has_two_opposite_rows():
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(20, 3)), np.arange(20) % 2
    head = torch.nn.Linear(3, 2)
    regress_head(head, features, targets)
    weight, bias = head.weight.detach(), head.bias.detach()
    regression = LogisticRegression(C=10).fit(features, targets)
    np.testing.assert_allclose(weight[1] - weight[0], regression.coef_[0], rtol=1e-5)
    np.testing.assert_allclose(bias[1] - bias[0], regression.intercept_[0], rtol=1e-5)
    torch.testing.assert_close(weight[0], -weight[1])


def test_other_readouts_need_the_shape_of_images():
    with pytest.raises(ValueError, match="needs image_shape"):
        ViewEncoder(make_backbone(TinyNet(), None), ViewLayout("mosaic", (0,)), Readout(("0",)))


@pytest.mark.parametrize(
    ("weights_read", "head_init", "rate"),
    [
        (True, "auto", 3e-4),
        (True, "zeros", 1e-3),
        (False, "auto", 1e-3),
        (False, "regression", 3e-4),
    ],
)
def test_rate_depends_on_where_the_last_layer_starts(weights, weights_read, head_init, rate):
    X, y = make_stripes()
    params = {"head_init": head_init, "max_epochs": 2, "batch_size": 8, "precision": "float32"}
    given, auto = (
        _hardly_trained(weights if weights_read else None, learning_rate=value, **params).fit(X, y)
        for value in (rate, "auto")
    )
    np.testing.assert_array_equal(auto.predict_proba(X), given.predict_proba(X))
