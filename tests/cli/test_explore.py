"""skglitch explore: what goes into the page, from a model and from embeddings."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest

from skglitch.datasets import load_gravity_spy
from skglitch.display import EmbeddingExplorer

NET = ["--size", "32x40", "--weights", "none", "--device", "cpu", "--method", "pca"]


def page(path="explorer.html"):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    return json.loads(found[1])


def column(data, name):
    """The text of each glitch in a column."""
    (found,) = (each for each in data["columns"] if each["name"] == name)
    codes = np.frombuffer(base64.b64decode(found["codes"]), "<u4")
    return [found["classes"][code] for code in codes]


@pytest.fixture
def embeddings(run, folder):
    result = run("embed", "test_efficientnet", folder, "-o", "e.npz", *NET[:-2])
    assert result.exit_code == 0, result.output
    return "e.npz"


def test_a_backbone_and_a_folder(run, folder):
    result = run("explore", "test_efficientnet", folder, "--json", *NET)
    assert result.exit_code == 0, result.output
    data = page()
    assert sorted(data["ids"]) == sorted(f"{letter}{n}" for letter in "BK" for n in range(5))
    labels = column(data, "label")
    assert [label[0] for label in labels] == [name[0] for name in data["ids"]]
    assert set(column(data, "ifo")) == {"H1", "L1"}
    about = data["pictures"]
    assert (about["durations"], about["height"], about["width"]) == ([1.0, 4.0], 32, 40)
    summary = json.loads(result.stdout)
    assert summary["n_glitches"] == 10
    assert summary["pictures"] is True
    assert summary["output"] == "explorer.html"
    assert "10 glitches are in explorer.html" in result.stderr


def test_guesses_of_a_model_color_what_has_no_labels(run, model, unlabeled):
    result = run("explore", model, unlabeled, "-o", "map.html", "--method", "pca", "-q")
    assert result.exit_code == 0, result.output
    assert result.output == ""
    data = page("map.html")
    assert [each["name"] for each in data["columns"]] == ["prediction", "probability", "ifo"]
    assert set(column(data, "prediction")) <= {"Blip", "Koi_Fish"}


def test_embeddings_without_and_with_pictures(run, embeddings, folder):
    result = run("explore", embeddings, "--method", "pca", "--dimensions", "3", "--title", "<Mine>")
    assert result.exit_code == 0, result.output
    data = page()
    assert (data["title"], data["dimensions"], data["pictures"]) == ("<Mine>", 3, None)
    assert set(column(data, "label")) == {"Blip", "Koi_Fish"}
    result = run("explore", embeddings, folder, "-o", "with.html", "--method", "pca")
    assert result.exit_code == 0, result.output
    assert page("with.html")["pictures"]["views"] == 2


def test_pictures_are_those_of_the_ids(run, folder, monkeypatch):
    bunch = load_gravity_spy(folder, durations=(1.0, 4.0), progress=False)
    order = np.random.default_rng(0).permutation(10)
    np.savez("e.npz", embeddings=np.eye(10)[order], id=bunch.ids[order])
    seen, write = [], EmbeddingExplorer.write
    monkeypatch.setattr(
        EmbeddingExplorer,
        "write",
        lambda self, *args, **options: (seen.append(self), write(self, *args, **options)),
    )
    result = run("explore", "e.npz", folder, "--method", "pca")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(seen[0].X, bunch.data[order])
    np.savez("f.npz", embeddings=np.eye(3), id=["B0", "unknown", "B1"])
    result = run("explore", "f.npz", folder, "-o", "f.html", "--method", "pca")
    assert result.exit_code == 1
    assert "1 of 3 glitches" in result.stderr
    assert "'unknown'" in result.stderr


def test_glitches_with_two_pictures_are_refused(run, folder, tmp_path):
    for path in folder.glob("*/*.png"):
        (tmp_path / "both" / path.parent.name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "both" / path.parent.name / path.name).symlink_to(path)
    # Another detector's of the same name.
    for path in folder.glob("Blip/H1_B0_*.png"):
        (tmp_path / "both" / "Blip" / path.name.replace("H1", "L1")).symlink_to(path)
    for ids, code in ((["B1", "B0", "K2"], 1), (["B1", "B2", "K2"], 0)):
        np.savez("e.npz", embeddings=np.eye(3), id=ids)
        result = run("explore", "e.npz", "both", "--method", "pca")
        assert result.exit_code == code, result.output
        summary = "several glitches with the id 'B0'"
        assert (summary in result.stderr) == bool(code)


def test_glitches_that_are_all_alike(run):
    np.savez("e.npz", embeddings=np.ones((88, 5)))
    result = run("explore", "e.npz")
    assert result.exit_code == 0, result.output
    assert not np.frombuffer(base64.b64decode(page()["places"]), "<f4").any()


def test_ids_that_name_two_glitches_are_refused(run):
    np.savez("e.npz", embeddings=np.eye(4), id=["a", "b", "a", "c"])
    result = run("explore", "e.npz")
    assert result.exit_code == 1
    assert "ids[0] and ids[2] are both 'a'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "summary"),
    [
        (["-o", "explorer.pdf"], "does not end in .html"),
        (["-o", "here.html"], "--overwrite"),
        (["--layer", "penultimate"], "--layer: not for a file of embeddings"),
        (["--method", "mds"], "mds"),
    ],
)
def test_errors_in_the_command_line(run, tmp_path, arguments, summary):
    (tmp_path / "here.html").write_text("kept")
    np.savez(tmp_path / "e.npz", embeddings=np.eye(4))
    result = run("explore", "e.npz", *arguments)
    assert result.exit_code == 2, result.output
    assert summary in result.stderr
    assert (tmp_path / "here.html").read_text() == "kept"


def test_files_are_replaced_when_told_to_and_not_by_half_of_one(run, tmp_path):
    (tmp_path / "here.html").write_text("old")
    np.savez(tmp_path / "e.npz", embeddings=np.eye(4))
    arguments = ["-o", "here.html", "--method", "pca", "--overwrite"]
    np.savez(tmp_path / "bad.npz", embeddings=np.full((4, 4), np.nan))
    assert run("explore", "bad.npz", *arguments).exit_code == 1
    assert (tmp_path / "here.html").read_text() == "old"
    assert run("explore", "e.npz", *arguments).exit_code == 0
    assert page(tmp_path / "here.html")["ids"] == ["0", "1", "2", "3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.npz", "e.npz", "here.html"]
