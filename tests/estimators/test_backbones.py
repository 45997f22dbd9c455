"""Every net of the paper, and the default, through the estimators: one step, embeddings, copies."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.estimators import Encoder

from .conftest import make_stripes

PENULTIMATE = Encoder(layer="penultimate")
# name, number of penultimate features
NETS = [
    ("efficientnet_lite0", 1280),
    ("inception_v3", 2048),
    ("bn_inception", 1024),
    ("resnet50", 2048),
    # vgg19 differs in the number of layers only, and each is half a gigabyte.
    ("vgg16", 4096),
    ("merged_view_cnn", 256),
]


@pytest.fixture(scope="module", params=NETS, ids=[name for name, _ in NETS])
def fitted(request):
    """A classifier after one step on four small pictures, and what it was given."""
    name, width = request.param
    if name == "bn_inception":
        pytest.importorskip("pytorchcv")
    X, y = make_stripes(n_each=2, n_views=1, size=(32, 40))
    X, y = X[:4], y[:4]
    classifier = CNNClassifier(
        name, weights=None, encoder=PENULTIMATE, max_epochs=1, batch_size=4, random_state=0
    )
    before = torch.random.get_rng_state()
    classifier.fit(X, y)
    assert torch.equal(torch.random.get_rng_state(), before)
    return classifier, X, y, width


def test_one_step_trains_every_layer(fitted):
    classifier, _X, _y, width = fitted
    module = classifier.net_.module_
    assert module.head.weight.shape == (2, width)
    assert np.isfinite(classifier.history_[0, "train_loss"])
    # The last layer started from zeros and has learnt something.
    assert module.head.weight.abs().max() > 0
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_probabilities_and_embeddings_agree(fitted):
    classifier, X, _y, width = fitted
    embeddings = TruncatedCNNTransformer(classifier).fit_transform(X)
    assert embeddings.shape == (len(X), width)
    assert embeddings.dtype == np.float32
    head = classifier.net_.module_.head
    logits = torch.from_numpy(embeddings) @ head.weight.detach().T + head.bias.detach()
    np.testing.assert_allclose(
        classifier.predict_proba(X), logits.softmax(1).numpy(), rtol=1e-4, atol=1e-5
    )


def test_clone_pickle_and_file(fitted, tmp_path):
    classifier, X, _y, _width = fitted
    first, second = clone(classifier).get_params(), classifier.get_params()
    assert first.pop("encoder") is not second.pop("encoder")
    assert first == second  # with the parameters of the encoder
    expected = classifier.predict_proba(X)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_allclose(again.predict_proba(X), expected, rtol=1e-5)
    if classifier.backbone == "vgg16":
        return  # and another half
    skglitch.save(classifier, tmp_path / "model.skglitch")
    loaded = skglitch.load(tmp_path / "model.skglitch")
    np.testing.assert_allclose(loaded.predict_proba(X), expected, rtol=1e-5)


def test_head_only_leaves_the_rest_as_it_was(fitted):
    classifier, X, y, _width = fitted
    name = classifier.backbone
    if name.startswith("vgg"):
        return  # as for the others, and half a gigabyte
    frozen = clone(classifier).set_params(fine_tune="head").fit(X, y)
    backbone = frozen.net_.module_.encoder.backbone
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(module.training for module in backbone.net.modules())
    # The same seed, the same random net: what was frozen is what it was before the step.
    again = clone(frozen).fit(X, y).net_.module_.encoder.backbone.state_dict()
    assert all(torch.equal(value, again[key]) for key, value in backbone.state_dict().items())
