"""Auxiliary classifiers of Inception V3: there in training, gone from what is predicted."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer


@pytest.fixture(scope="module")
def two():
    X = np.random.default_rng(0).integers(0, 255, (2, 1, 75, 75), dtype=np.uint8)
    return X, np.array(["Blip", "Chirp"])


def _inception(**params):
    defaults = {
        "weights": None,
        "auxiliary_weight": 0.4,
        "max_epochs": 1,
        "batch_norm": "keep",
        "learning_rate": 1e-3,
        "augment": False,
        "random_state": 0,
    }
    return CNNClassifier("inception_v3", **{**defaults, **params})


@pytest.fixture(scope="module")
def fitted(two):
    return _inception().fit(*two)


def test_gradient_reaches_the_branch_and_the_output_is_one_tensor(fitted, two):
    X, _ = two
    module = fitted.net_.module_
    fresh = fitted._make_module()
    assert fresh.encoder.trunk.auxiliary_widths == (768,)
    changed = {
        name
        for (name, new), old in zip(module.named_parameters(), fresh.parameters(), strict=True)
        if not torch.equal(new, old)
    }
    assert "auxiliary_heads.0.weight" in changed
    assert any(name.startswith("encoder.trunk.auxiliary.AuxLogits.conv0") for name in changed)
    assert module.auxiliary_logits == []
    with torch.no_grad():
        assert module(torch.from_numpy(X)).shape == (2, 2)
    assert fitted.predict_proba(X).shape == (2, 2)


def test_loss_is_that_of_both_classifiers(fitted):
    # Both start from zeros, so from equal probabilities of two classes.
    assert fitted.history_[0, "train_loss"] == pytest.approx(1.4 * np.log(2), rel=1e-5)


def test_zero_drops_the_branch(two):
    classifier = _inception(auxiliary_weight=0.0, fine_tune="head").fit(*two)
    module = classifier.net_.module_
    assert len(module.auxiliary_heads) == 0
    assert not any("aux" in name.lower() for name in module.state_dict())
    assert classifier.history_[0, "train_loss"] == pytest.approx(np.log(2), rel=1e-5)
    # Without the branch, pictures may be smaller than its 299 pixels.
    assert module.encoder.trunk.input_size(75, 75) == (75, 75)


def test_pictures_are_enlarged_for_the_branch(fitted):
    assert fitted.net_.module_.encoder.trunk.input_size(75, 75) == (299, 299)


def test_pickled_cloned_saved_and_loaded(fitted, two, tmp_path):
    X, _ = two
    expected = fitted.predict_proba(X)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    assert clone(fitted).auxiliary_weight == 0.4
    skglitch.save(fitted, tmp_path / "net.skglitch")
    loaded = skglitch.load(tmp_path / "net.skglitch")
    np.testing.assert_allclose(loaded.predict_proba(X), expected, atol=1e-6)
    features = TruncatedCNNTransformer(loaded).fit_transform(X)
    assert features.shape == (2, 2048)


def test_the_branch_learns_classes_that_are_added(fitted, two):
    X, _ = two
    classifier = pickle.loads(pickle.dumps(fitted))
    head = classifier.net_.module_.auxiliary_heads[0].weight.detach().clone()
    classifier.extend(X[:1] // 2, ["Burst"])
    grown = classifier.net_.module_.auxiliary_heads[0]
    np.testing.assert_array_equal(classifier.classes_, ["Blip", "Burst", "Chirp"])
    assert torch.equal(grown.weight[[0, 2]], head)
    assert torch.equal(grown.weight[1], torch.zeros_like(head[0]))


def test_other_nets_have_no_branch(tiny, stripes):
    X, y = stripes
    plain, asked = (tiny(auxiliary_weight=weight, max_epochs=1).fit(X, y) for weight in (0.0, 0.4))
    np.testing.assert_array_equal(plain.predict_proba(X), asked.predict_proba(X))
