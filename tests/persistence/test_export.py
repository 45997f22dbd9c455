"""Exported nets compute what the estimators compute, and run without torch and skglitch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import load_gravity_spy
from skglitch.persistence import _export

onnxruntime = pytest.importorskip("onnxruntime")
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "without-torch.md"


@pytest.fixture(scope="module")
def glitches():
    X = np.random.default_rng(0).integers(0, 255, (6, 4, 32, 40), dtype=np.uint8)
    return X, np.tile(["Blip", "Koi_Fish"], 3)


@pytest.fixture(scope="module")
def classifier(glitches):
    settings = {"weights": None, "max_epochs": 1, "precision": "float32", "random_state": 0}
    return CNNClassifier("test_efficientnet", **settings).fit(*glitches)


def test_a_classifier_as_onnx(classifier, glitches, tmp_path):
    X, _ = glitches
    skglitch.export(classifier, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for images in (X, X[:1]):
        (found,) = session.run(["probabilities"], {"images": images})
        np.testing.assert_allclose(found, classifier.predict_proba(images), rtol=1e-4, atol=1e-6)
    texts = session.get_modelmeta().custom_metadata_map
    facts = {name: json.loads(text) for name, text in texts.items()}
    assert facts["classes"] == ["Blip", "Koi_Fish"]
    assert facts["image_shape"] == [4, 32, 40]
    assert facts["durations"] == [0.5, 1.0, 2.0, 4.0]
    assert facts["versions"]["skglitch"] == skglitch.__version__


def test_layers_of_a_transformer_of_floats_as_a_program_of_torch(glitches, tmp_path):
    X = glitches[0] / 51
    settings = {"weights": None, "layer": ("blocks.1", "blocks.2"), "precision": "float32"}
    transformer = TruncatedCNNTransformer("test_efficientnet", **settings).fit(X)
    skglitch.export(transformer, tmp_path / "embed.pt2")
    files = {"skglitch.json": ""}
    program = torch.export.load(tmp_path / "embed.pt2", extra_files=files)
    found = program.module()(torch.from_numpy(X).float()).detach().numpy()
    np.testing.assert_allclose(found, transformer.transform(X), rtol=1e-4, atol=1e-5)
    assert json.loads(files["skglitch.json"])["image_shape"] == [4, 32, 40]


def test_the_program_of_the_page_needs_neither_torch_nor_skglitch(
    classifier, gravity_spy_o1, tmp_path
):
    settings = {"size": (32, 40), "return_X_y": True, "progress": False}
    for kind in ("Blip", "Whistle"):
        (tmp_path / "FOLDER" / kind).mkdir(parents=True)
        for picture in sorted((gravity_spy_o1 / kind).iterdir())[:8]:
            (tmp_path / "FOLDER" / kind / picture.name).symlink_to(picture)
    X, _ = load_gravity_spy(tmp_path / "FOLDER", **settings)
    skglitch.export(classifier, tmp_path / "model.onnx")
    (program,) = re.findall(r"```python\n(import json.*?)```", PAGE.read_text(), re.DOTALL)
    blocked = "import sys\nsys.modules['torch'] = sys.modules['skglitch'] = None\n"
    result = subprocess.run(
        [sys.executable, "-c", blocked + program, "FOLDER"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    printed = [float(line.split()[-1]) for line in result.stdout.splitlines()]
    np.testing.assert_allclose(printed, classifier.predict_proba(X).max(axis=1), atol=1e-3)


def test_what_differs_is_not_written(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(_export, "_TOLERANCE", -1.0)
    with pytest.raises(RuntimeError, match="differs from torch"):
        skglitch.export(classifier, tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments(classifier, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"model\.h5.* \.onnx or \.pt2"):
        skglitch.export(classifier, tmp_path / "model.h5")
    with pytest.raises(TypeError, match="dict"):
        skglitch.export({}, tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r'pip install "skglitch\[onnx\]"'):
        skglitch.export(classifier, tmp_path / "model.onnx")
