"""Predictions by OpenVINO are those of torch, and an estimator keeps none of it."""

from __future__ import annotations

import copy
import gc
import logging
import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer, _engine
from skglitch.estimators import Encoder

pytest.importorskip("openvino")


class OddNet(nn.Sequential):
    """A net with an operation that no converter knows."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

    def forward(self, images):
        return super().forward(torch.linalg.matrix_exp(images[..., :4, :4].contiguous()))


@pytest.fixture
def compiled(monkeypatch):
    """Batches that OpenVINO has computed, by their sizes."""
    sizes = []
    run = _engine._Compiled.__call__

    def counted(self, batch):
        sizes.append(len(batch))
        return run(self, batch)

    monkeypatch.setattr(_engine._Compiled, "__call__", counted)
    monkeypatch.setattr(_engine, "_check", lambda *arguments: None)
    return sizes


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"views": "separate", "encoder": Encoder(layer=("1", "4"), pooling="std", n_bands=2)},
        {"views": "channels", "encoder": Encoder(input_size=(20, 24), colormap="gray")},
        {"views": 1.0, "precision": "tf32"},
    ],
    ids=["mosaic", "separate", "channels", "one view"],
)
def test_probabilities_and_embeddings_are_those_of_torch(tiny, stripes, compiled, params):
    X, y = stripes
    classifier = tiny(max_epochs=1, **{"precision": "float32", **params}).fit(X, y)
    embed = TruncatedCNNTransformer(classifier, batch_size=7).fit(X).transform
    expected = classifier.predict_proba(X), embed(X)
    assert not compiled
    classifier.engine = "openvino"
    embed.__self__.engine = "openvino"
    found = classifier.predict_proba(X), embed(X)
    assert compiled == [16, 2, 7, 7, 4]
    for a, b in zip(expected, found, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(embed(X[:1]), expected[1][:1], rtol=1e-4, atol=1e-5)


def test_a_published_net_and_pixels_that_are_floats(stripes, compiled):
    X = stripes[0] / 255
    settings = {"weights": None, "precision": "float32", "random_state": 0}
    transformer = TruncatedCNNTransformer("test_efficientnet", engine="torch", **settings).fit(X)
    expected = transformer.transform(X)
    found = transformer.set_params(engine="openvino").transform(X)
    assert compiled == [18]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_bfloat16_is_close(tiny, stripes):
    X, y = stripes
    classifier = tiny(max_epochs=4, precision="float32", engine="openvino").fit(X, y)
    exact = classifier.predict_proba(X)
    rounded = classifier.set_params(precision="bfloat16").predict_proba(X)
    np.testing.assert_allclose(exact, rounded, atol=0.05)


class TestIntegers:
    @pytest.fixture
    def classifier(self, tiny, stripes, monkeypatch):
        pytest.importorskip("nncf")
        monkeypatch.setattr(_engine, "_N_EXACT", 0)
        return tiny(precision="int8").fit(*stripes)

    def test_probabilities_and_embeddings_are_close(self, classifier, stripes, tmp_path):
        X, y = stripes
        found = classifier.predict_proba(X)
        np.testing.assert_array_equal(classifier.predict(X), y)
        np.testing.assert_array_equal(
            pickle.loads(pickle.dumps(classifier)).predict_proba(X), found
        )
        transformer = TruncatedCNNTransformer(classifier)
        rounded = transformer.fit_transform(X)
        classifier.precision = "float32"
        exact = transformer.transform(X)
        assert 0 < abs(rounded - exact).max() < 0.2 * abs(exact).max()
        assert 0 < abs(classifier.predict_proba(X) - found).max() < 0.1

    def test_images_of_fit_are_kept(self, classifier, stripes):
        X, y = stripes
        np.testing.assert_array_equal(classifier.calibration_images_, X)
        classifier.set_params(precision="float32").fit(X, y)
        assert not hasattr(classifier, "calibration_images_")
        with pytest.raises(ValueError, match="precision='int8' was set after fit"):
            classifier.set_params(precision="int8").predict(X)

    def test_torch_has_none(self, classifier, stripes):
        with pytest.raises(ValueError, match=r"engine='torch' .* precision='int8'"):
            classifier.set_params(engine="torch").predict(stripes[0])


def test_auto_compiles_for_many_pixels_only(tiny, stripes, compiled, monkeypatch):
    X, y = stripes
    classifier = tiny(max_epochs=1).fit(X, y)
    monkeypatch.setattr(_engine, "_MIN_PIXELS", X[:10].size)
    classifier.predict(X[:9])
    assert not compiled
    classifier.predict(X[:10])
    assert compiled == [10]
    classifier.set_params(engine="torch").predict(X)
    assert compiled == [10]


class TestKept:
    @pytest.fixture
    def classifier(self, tiny, stripes):
        return tiny(max_epochs=1, engine="openvino", precision="float32").fit(*stripes)

    @pytest.fixture
    def converted(self, monkeypatch):
        calls = []
        convert = _engine._convert
        monkeypatch.setattr(_engine, "_convert", lambda *a: calls.append(1) or convert(*a))
        return calls

    def test_is_converted_once(self, classifier, stripes, converted):
        X, _ = stripes
        first = classifier.predict_proba(X)
        np.testing.assert_array_equal(classifier.predict_proba(X), first)
        TruncatedCNNTransformer(classifier, engine="openvino").fit_transform(X)
        assert len(converted) == 1

    def test_changes_of_the_net_are_seen(self, classifier, stripes, converted):
        X, y = stripes
        classifier.predict(X)
        before = classifier.predict_proba(X)
        with torch.no_grad():
            classifier.net_.module_.encoder.backbone.net[0].weight.mul_(-1)
        after = classifier.predict_proba(X)
        assert abs(after - before).max() > 1e-3
        torch_says = copy.deepcopy(classifier).set_params(engine="torch")
        np.testing.assert_allclose(after, torch_says.predict_proba(X), atol=1e-5)
        for train in (classifier.partial_fit, classifier.fit):
            train(X, y)
            expected = copy.deepcopy(classifier).set_params(engine="torch").predict_proba(X)
            np.testing.assert_allclose(classifier.predict_proba(X), expected, atol=1e-5)
        assert len(converted) == 4

    def test_new_classes_need_nothing_new(self, classifier, stripes, converted):
        X, _ = stripes
        classifier.predict(X)
        classifier.add_classes(X[:3, :, ::-1], ["Tomte"] * 3)
        assert classifier.predict_proba(X).shape == (len(X), 4)
        assert len(converted) == 1

    def test_threads_of_torch_are_followed(self, classifier, stripes, converted):
        X, _ = stripes
        before = torch.get_num_threads()
        classifier.predict(X)
        try:
            torch.set_num_threads(before + 1)
            classifier.predict(X)
        finally:
            torch.set_num_threads(before)
        assert len(converted) == 2

    def test_copies_and_files_are_without_it(self, classifier, stripes, tmp_path):
        X, _ = stripes
        bare = pickle.dumps(classifier)
        expected = classifier.predict_proba(X)
        assert classifier.net_.module_.encoder in _engine._kept
        assert len(pickle.dumps(classifier)) == len(bare)
        with pytest.warns(UserWarning, match="backbone"):
            skglitch.save(classifier, tmp_path / "model.skglitch")
        others = [
            pickle.loads(bare),
            copy.deepcopy(classifier),
            skglitch.load(tmp_path / "model.skglitch", backbone=classifier.backbone),
        ]
        for other in others:
            assert other.net_.module_.encoder not in _engine._kept
            np.testing.assert_array_equal(other.predict_proba(X), expected)
        assert clone(classifier).engine == "openvino"

    def test_it_goes_with_the_estimator(self, classifier, stripes):
        classifier.predict(stripes[0])
        module = classifier.net_.module_.encoder
        assert module in _engine._kept
        gc.collect()  # modules of other tests
        n_kept = len(_engine._kept)
        del classifier.net_, module
        gc.collect()
        assert len(_engine._kept) < n_kept


def test_what_cannot_be_converted_remains_with_torch(stripes, monkeypatch, caplog):
    X, _ = stripes
    transformer = TruncatedCNNTransformer(OddNet, weights=None, random_state=0).fit(X)
    expected = transformer.transform(X)
    transformer.engine = "openvino"
    with pytest.warns(UserWarning, match="cannot compute OddNet, so torch does"):
        np.testing.assert_array_equal(transformer.transform(X), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transformer.transform(X)  # says so once
        monkeypatch.setattr(_engine, "_MIN_PIXELS", 0)
        transformer.set_params(engine="auto").fit(X)
        with caplog.at_level(logging.INFO):
            transformer.transform(X)
    assert "OddNet" in caplog.text


def test_what_differs_remains_with_torch(stripes, monkeypatch):
    X, _ = stripes
    monkeypatch.setattr(_engine, "_TOLERANCE", -1.0)
    transformer = TruncatedCNNTransformer("test_efficientnet", weights=None, engine="openvino")
    with pytest.warns(UserWarning, match="differ from those of torch"):
        transformer.fit(X).transform(X)


def test_bad_engines(stripes):
    with pytest.raises(ValueError, match=r"'engine' .* 'onnx'"):
        CNNClassifier("test_efficientnet", engine="onnx").fit(*stripes)
    transformer = TruncatedCNNTransformer("test_efficientnet", weights=None).fit(stripes[0])
    with pytest.raises(ValueError, match="engine='onnx' is not one of auto, torch, openvino"):
        transformer.set_params(engine="onnx").transform(stripes[0])


WITHOUT = """
import sys, warnings
import numpy as np, pytest
sys.modules["openvino"] = None
warnings.simplefilter("error")
from skglitch import TruncatedCNNTransformer, _engine
_engine._MIN_PIXELS = 0
X = np.zeros((2, 1, 32, 32), dtype=np.uint8)
transformer = TruncatedCNNTransformer("test_efficientnet", weights=None).fit(X)
transformer.transform(X)
with pytest.raises(ImportError, match=r'pip install "skglitch\\[fast\\]"'):
    transformer.set_params(engine="openvino").transform(X)
sys.modules["nncf"] = None
with pytest.raises(ImportError, match=r'int8.* needs nncf: pip install "skglitch\\[fast\\]"'):
    transformer.set_params(precision="int8").fit_transform(X)
"""
SILENT = """
import socket, sys
def refuse(*arguments):
    raise AssertionError("the network was used")
socket.socket.connect = socket.getaddrinfo = refuse
import numpy as np
from skglitch import TruncatedCNNTransformer
assert "openvino" not in sys.modules
X = np.zeros((2, 1, 32, 32), dtype=np.uint8)
settings = {"weights": None, "precision": "float32", "engine": "openvino"}
TruncatedCNNTransformer("test_efficientnet", **settings).fit_transform(X)
assert "openvino" in sys.modules and sys.modules["openvino_telemetry"] is None
"""


@pytest.mark.parametrize("program", [WITHOUT, SILENT], ids=["without it", "silent"])
def test_a_fresh_process(program):
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "CI": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
