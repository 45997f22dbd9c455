"""The demonstration, small: files, scores, and that nothing of it is lost or overwritten."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.preprocessing import normalize

import skglitch
from skglitch.cli import main
from skglitch.cli._demo import NEW_CLASS, describe_new_class, find_new_class

TINY = ["--samples", "110", "--new", "8", "--backbone", "test_efficientnet", "--weights", "none"]
TINY += ["--max-epochs", "1", "--jobs", "1", "--device", "cpu", "-q"]
FILES = {"classes.png", "confusion.png", "demo.json", "map.png", "model.skglitch", "per_class.csv"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out"
    result = CliRunner().invoke(main, ["demo", "-o", str(folder), *TINY, "--json"])
    assert result.exit_code == 0, result.output
    return folder, json.loads(result.stdout)


def test_all_files_are_written(finished):
    folder, printed = finished
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads((folder / "demo.json").read_text()) == printed
    for name in ("classes.png", "confusion.png", "map.png"):
        width, height = Image.open(folder / name).size
        assert min(width, height) > 400
    model = skglitch.load(folder / "model.skglitch")
    assert len(model.classes_) == 22
    assert NEW_CLASS not in model.classes_
    # A header, 22 classes and 3 averages.
    assert len((folder / "per_class.csv").read_text().splitlines()) == 26


def test_what_is_reported(finished):
    _, printed = finished
    assert printed["n_train"] + printed["n_test"] == 110
    assert printed["n_test"] == 22
    assert printed["top_k"][0]["k"] == 1
    assert printed["new_class"] == NEW_CLASS
    assert 0 <= printed["cluster_recall"] <= 1
    assert printed["seconds"] > 0


def test_nothing_is_overwritten_unasked(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "map.png").write_text("mine")
    result = run("demo", "-o", tmp_path / "out", *TINY)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["map.png"]
    assert (tmp_path / "out" / "map.png").read_text() == "mine"


def test_a_class_of_its_own_is_found():
    rng = np.random.default_rng(0)
    centers = np.array([[1, 0, 0], [0, 1, 0], [0, 0.8, 0.6]])
    codes = np.repeat([0, 1, 0, 1, 2], 20)
    embeddings = centers[codes] + 0.05 * rng.normal(size=(100, 3))
    labels = np.array(["Blip", "Chirp", NEW_CLASS])[codes]
    found = find_new_class(embeddings[:40], labels[:40], embeddings[40:], labels[40:])
    assert found["n_new_clusters"] == 1
    assert found["cluster_purity"] == 1
    assert found["cluster_recall"] == 1
    assert found["nearest_class"] == "Chirp"
    assert f"New clusters: 1. The best one has 100% of the {NEW_CLASS}" in describe_new_class(found)


def test_no_cluster_is_called_best_where_there_is_none():
    rng = np.random.default_rng(0)
    labels = np.repeat(["Blip", "Chirp", NEW_CLASS], [30, 30, 3])
    embeddings = np.eye(3)[np.repeat([0, 1, 1], [30, 30, 3])] + 0.05 * rng.normal(size=(63, 3))
    found = find_new_class(embeddings[:50], labels[:50], embeddings[50:], labels[50:])
    text = describe_new_class(found)
    assert "No new cluster has any" in text
    assert "best" not in text


def test_a_class_in_the_middle_of_others_is_not():
    rng = np.random.default_rng(0)
    labels = np.repeat(["Blip", "Chirp", "Blip", "Chirp", NEW_CLASS], 20)
    embeddings = normalize(rng.normal(size=(100, 3)))
    found = find_new_class(embeddings[:40], labels[:40], embeddings[40:], labels[40:])
    assert found["cluster_purity"] < 0.7
