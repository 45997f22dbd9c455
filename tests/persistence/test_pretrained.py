"""load_pretrained: a classifier with a novelty detector, in half the bytes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer, _files
from skglitch.datasets import load_gravity_spy, make_glitches
from skglitch.discovery import NoveltyDetector
from skglitch.persistence._file import read_file, write_file


def test_the_loaded_model_is_the_saved_one(ready_made):
    classifier, X, _ = ready_made
    loaded = skglitch.load_pretrained(device="cpu")
    assert loaded.device == "cpu"
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    embeddings = TruncatedCNNTransformer(loaded).fit_transform(X)
    np.testing.assert_array_equal(
        loaded.novelty_.p_values(embeddings), classifier.novelty_.p_values(embeddings)
    )


def test_novelty_is_kept_with_the_net_it_was_fitted_to(ready_made, tmp_path):
    _, X, y = ready_made
    loaded = skglitch.load_pretrained()
    skglitch.save(loaded, tmp_path / "model")
    for copy in (pickle.loads(pickle.dumps(loaded)), skglitch.load(tmp_path / "model")):
        assert copy.novelty_.offset_ == loaded.novelty_.offset_
    assert isinstance(loaded.add_classes(X[:2], ["Tomte"] * 2).novelty_, NoveltyDetector)
    assert not hasattr(clone(loaded), "novelty_")
    loaded.set_params(max_epochs=1, fine_tune="head")
    assert not hasattr(loaded.partial_fit(X, y), "novelty_")


def test_half_of_the_bytes_are_read_as_single_precision(ready_made, tmp_path):
    classifier, X, _ = ready_made
    schema, arrays = read_file(_files.PRETRAINED)
    half = [name for name, a in arrays.items() if a.dtype == np.float32 and a.ndim > 1]
    path = tmp_path / "half.skglitch"
    write_file(path, schema["estimator"], arrays, half)
    assert path.stat().st_size < 0.7 * _files.PRETRAINED.stat().st_size
    back = read_file(path)[1]
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        expected = array.astype(np.float16) if name in half else array
        np.testing.assert_array_equal(back[name], expected.astype(array.dtype))
    difference = skglitch.load(path).predict_proba(X) - classifier.predict_proba(X)
    assert 0 < np.abs(difference).max() < 0.05


def test_the_trunk_starts_other_classifiers(ready_made):
    classifier, X, y = ready_made
    expected = classifier.net_.module_.encoder.backbone.net.state_dict()
    fitted = CNNClassifier(weights="glitches", fine_tune="head", max_epochs=1).fit(X, y)
    transformer = TruncatedCNNTransformer(weights="glitches").fit(X)
    for encoder in (fitted.net_.module_.encoder, transformer.encoder_):
        assert encoder.backbone.loaded["extent"] == "whole"
        for name, value in encoder.backbone.net.state_dict().items():
            assert torch.equal(value, expected[name])


@pytest.fixture(scope="module")
def itself():
    return skglitch.load_pretrained()


@pytest.mark.skipif(not _files.PRETRAINED.is_file(), reason="the ready-made model is not there yet")
class TestTheModelItself:
    def test_what_it_is(self, itself):
        assert len(itself.classes_) == 24
        assert "Reverse_Chirp" not in itself.classes_
        assert itself.durations_ == (0.5, 1.0, 2.0, 4.0)
        assert itself.image_shape_ == (4, 140, 170)
        assert _files.PRETRAINED.stat().st_size < 1e7
        TruncatedCNNTransformer(weights="glitches").fit(np.zeros((1, 4, 140, 170), np.uint8))

    def test_simulated_glitches(self, itself):
        glitches = make_glitches(24, classes=list(itself.classes_), random_state=1)
        assert itself.score(glitches.data, glitches.target) > 0.7
        embeddings = TruncatedCNNTransformer(itself).fit_transform(glitches.data)
        assert (itself.novelty_.predict(embeddings) == 1).mean() > 0.5

    def test_real_glitches(self, itself, gravity_spy_o1):
        X, y = load_gravity_spy(gravity_spy_o1, return_X_y=True)
        assert itself.score(X, y) > 0.7
