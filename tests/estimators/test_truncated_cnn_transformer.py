"""TruncatedCNNTransformer: sources, layers, clones, and what stands behind it in pipelines."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline

from skglitch import TruncatedCNNTransformer

from .conftest import TinyNet, make_stripes


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_penultimate_features_are_what_the_last_layer_sees(tiny, stripes, precision):
    X, y = stripes
    classifier = tiny(precision=precision).fit(X, y)
    features = TruncatedCNNTransformer(classifier, precision=precision).fit_transform(X)
    head = classifier.net_.module_.head
    logits = features @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    by_hand = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(by_hand, classifier.predict_proba(X), atol=1e-6)
    assert features.dtype == np.float32
    y_prob, embeddings = classifier.predict_proba_and_embed(X)
    np.testing.assert_array_equal(y_prob, classifier.predict_proba(X))
    np.testing.assert_allclose(embeddings, features, rtol=1e-6, atol=1e-6)


def test_named_layer_is_the_mean_of_its_maps(stripes):
    X, _ = stripes
    transformer = TruncatedCNNTransformer(
        TinyNet, layer="3", views=1.0, normalize=False, precision="float32", random_state=0
    ).fit(X)
    net = transformer.encoder_.backbone.net
    with torch.no_grad():
        maps = (torch.from_numpy(X[:, 1:2]).float() / 255 - 0.5) / 0.5
        for position in range(4):
            maps = net[position](maps)
    np.testing.assert_allclose(transformer.transform(X), maps.mean((2, 3)).numpy(), atol=1e-5)


def test_later_layers_are_not_computed(stripes, monkeypatch):
    X, _ = stripes
    transformer = TruncatedCNNTransformer(TinyNet, layer="3", random_state=0).fit(X)
    last = transformer.encoder_.backbone.net[6]

    def refuse(*args):
        raise AssertionError("computed")

    monkeypatch.setattr(last, "forward", refuse)
    transformer.transform(X)
    with pytest.raises(AssertionError, match="computed"):
        transformer.encoder_.backbone(torch.rand(1, 1, 32, 40))


def test_result_depends_neither_on_batch_size_nor_on_neighbors(stripes):
    X, _ = stripes
    whole = TruncatedCNNTransformer(TinyNet, random_state=0).fit(X)
    parts = TruncatedCNNTransformer(TinyNet, random_state=0, batch_size=5).fit(X)
    np.testing.assert_allclose(whole.transform(X), parts.transform(X), atol=1e-6)
    np.testing.assert_allclose(whole.transform(X)[3:4], whole.transform(X[3:4]), atol=1e-6)


def test_no_gradient_no_training_mode_no_drift(tiny, stripes):
    X, y = stripes
    classifier = tiny(augment=True).fit(X, y)
    transformer = TruncatedCNNTransformer(classifier).fit(X)
    before = {k: v.clone() for k, v in transformer.encoder_.state_dict().items()}
    first, second = transformer.transform(X), transformer.transform(X)
    np.testing.assert_array_equal(first, second)
    after = transformer.encoder_.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_separate_views_stand_side_by_side(stripes):
    X, _ = stripes
    params = {"normalize": False, "random_state": 0}
    separate = TruncatedCNNTransformer(TinyNet, views="separate", **params).fit_transform(X)
    single = TruncatedCNNTransformer(TinyNet, views=4.0, **params).fit_transform(X)
    assert separate.shape == (len(X), 4 * single.shape[1])
    np.testing.assert_allclose(separate[:, -single.shape[1] :], single, atol=1e-5)


def test_fitted_classifier_is_used_as_it_is_even_through_clone(tiny, stripes):
    X, y = stripes
    classifier = tiny().fit(X, y)
    transformer = TruncatedCNNTransformer(classifier)
    expected = transformer.fit_transform(X)
    for source in (clone(transformer), TruncatedCNNTransformer(FrozenEstimator(classifier))):
        np.testing.assert_array_equal(clone(source).fit_transform(X), expected)
        assert clone(source).fit(X).classifier_ is classifier
    assert not hasattr(clone(transformer), "encoder_")


def test_changed_parameters_of_a_fitted_source_train_it_anew(tiny, stripes):
    X, y = stripes
    classifier = tiny().fit(X, y)
    transformer = TruncatedCNNTransformer(classifier).set_params(source__max_epochs=1)
    transformer.fit(X, y)
    assert len(transformer.classifier_.history_) == 1
    assert len(classifier.history_) == 12
    assert classifier.max_epochs == 12


def test_classifier_that_is_not_fitted_is_trained_inside_fit(tiny, stripes):
    X, y = stripes
    source = tiny()
    transformer = TruncatedCNNTransformer(source).fit(X, y)
    assert not hasattr(source, "net_")
    expected = TruncatedCNNTransformer(tiny().fit(X, y)).fit_transform(X)
    np.testing.assert_array_equal(transformer.transform(X), expected)
    with pytest.raises(ValueError, match="requires y"):
        TruncatedCNNTransformer(source).fit(X)


def test_feature_names_and_set_output(stripes):
    pd = pytest.importorskip("pandas")
    X, _ = stripes
    transformer = TruncatedCNNTransformer(TinyNet, random_state=0).set_output(transform="pandas")
    frame = transformer.fit_transform(X)
    assert isinstance(frame, pd.DataFrame)
    names = transformer.get_feature_names_out()
    assert list(frame.columns) == list(names)
    assert names[0] == "truncatedcnntransformer0"
    assert len(names) == 256


def test_estimators_behind_it(tiny, stripes):
    X, y = stripes
    transformer = TruncatedCNNTransformer(tiny().fit(X, y))
    new_X, new_y = make_stripes(seed=3)
    assert make_pipeline(transformer, LogisticRegression()).fit(X, y).score(new_X, new_y) == 1.0
    labels = make_pipeline(transformer, KMeans(3, random_state=0)).fit_predict(new_X)
    assert adjusted_rand_score(new_y, labels) == 1.0
    labels = make_pipeline(transformer, HDBSCAN(min_cluster_size=3, copy=True)).fit_predict(new_X)
    assert adjusted_rand_score(new_y, labels) > 0.6
    plane = make_pipeline(transformer, TSNE(2, perplexity=5, random_state=0)).fit_transform(X)
    assert plane.shape == (len(X), 2)
    embeddings = transformer.fit(X).transform(X)
    neighbors = NearestNeighbors(n_neighbors=1).fit(embeddings)
    nearest = neighbors.kneighbors(transformer.transform(new_X), return_distance=False)
    np.testing.assert_array_equal(y[nearest[:, 0]], new_y)


def test_pipeline_memory_embeds_once_in_a_grid_over_the_last_step(stripes, tmp_path, monkeypatch):
    X, y = stripes
    calls = []
    embed = TruncatedCNNTransformer._embed

    def counted(self, images, **kwargs):
        calls.append(len(images))
        return embed(self, images, **kwargs)

    monkeypatch.setattr(TruncatedCNNTransformer, "_embed", counted)
    pipeline = make_pipeline(
        TruncatedCNNTransformer(TinyNet, random_state=0),
        LogisticRegression(),
        memory=str(tmp_path / "cache"),
    )
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.01, 0.1, 1.0, 10.0]}, cv=2)
    search.fit(X, y)
    # Each fold's training part twice (for its center and for its rows), each test part once a
    # candidate, and everything twice in the end.
    n_training = calls.count(len(X) // 2) - 4 * 2
    assert n_training == 2 * 2
    assert calls.count(len(X)) == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"layer": "layer9"}, "layer='layer9' is not a layer of this backbone"),
        ({"source": "nonet"}, "backbone='nonet' is not known"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"source": 3}, "'source' parameter"),
        ({"image_shape": (3, 3)}, r"image_shape=\(3, 3\)"),
    ],
)
def test_bad_parameter_is_named(stripes, params, message):
    X, _ = stripes
    with pytest.raises(ValueError, match=message):
        TruncatedCNNTransformer(**{"source": TinyNet, **params}).fit(X)


def test_images_of_another_shape_than_the_classifier_saw(tiny, stripes):
    X, y = stripes
    transformer = TruncatedCNNTransformer(tiny().fit(X, y))
    with pytest.raises(ValueError, match="source"):
        transformer.fit(X[:, :2])


def test_pickle_and_not_fitted(stripes):
    X, _ = stripes
    transformer = TruncatedCNNTransformer(TinyNet, random_state=0)
    with pytest.raises(NotFittedError):
        transformer.transform(X)
    transformer.fit(X)
    copy = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(copy.transform(X), transformer.transform(X))
