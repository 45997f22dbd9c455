"""skglitch predict and skglitch embed."""

from __future__ import annotations

import csv
import io
import json
import shutil
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.cli._predict import tabulate_predictions
from skglitch.datasets import load_gravity_spy
from skglitch.estimators import Encoder


def read(folder):
    return load_gravity_spy(folder, durations=(1.0, 4.0), size=(32, 40), progress=False)


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_predictions_of_a_labeled_folder(run, model, folder):
    result = run("predict", model, folder, "--top", "5", "--probabilities")
    assert result.exit_code == 0, result.output
    bunch, rows = read(folder), table(result.stdout)
    scores = skglitch.load(model).predict_proba(bunch.data)
    assert list(rows[0]) == [
        "id", "ifo", "label", "prediction", "probability", "prediction_2", "probability_2",
        "p_Blip", "p_Koi_Fish",
    ]  # fmt: skip
    assert [row["id"] for row in rows] == bunch.ids.tolist()
    assert [row["ifo"] for row in rows] == bunch.ifo.tolist()
    assert [row["label"] for row in rows] == bunch.target.tolist()
    labels = np.array(["Blip", "Koi_Fish"])
    assert [row["prediction"] for row in rows] == labels[scores.argmax(axis=1)].tolist()
    assert [row["prediction_2"] for row in rows] == labels[scores.argmin(axis=1)].tolist()
    printed = np.array([[float(row["p_Blip"]), float(row["p_Koi_Fish"])] for row in rows])
    np.testing.assert_array_equal(printed.astype(np.float32), scores)
    printed = np.array([row["probability"] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(printed, scores.max(axis=1))
    assert "accuracy [%]" in result.stderr


def test_scores_leave_out_classes_that_the_model_lacks(run, model, folder, tmp_path):
    shutil.copytree(folder / "Koi_Fish", tmp_path / "some" / "Koi_Fish")
    shutil.copytree(folder / "Blip", tmp_path / "some" / "Chirp")
    result = run("predict", model, "some", "--json")
    assert result.exit_code == 0, result.output
    assert "leave out 5 glitches" in result.stderr
    summary = json.loads(result.stdout)
    assert (summary["n_glitches"], summary["top_k"][0]["n_samples"]) == (10, 5)
    shutil.rmtree(tmp_path / "some" / "Koi_Fish")
    assert json.loads(run("predict", model, "some", "--json", "-q").stdout)["top_k"] is None


def test_views_of_unknown_durations_are_all_that_there_are(run, folder, tmp_path):
    """A model of arrays does not know the durations of its views."""
    bunch = load_gravity_spy(folder, durations=(4.0,), size=(32, 40))
    classifier = CNNClassifier("test_efficientnet", weights=None, max_epochs=1, device="cpu")
    skglitch.save(classifier.fit(bunch.data, bunch.target), tmp_path / "m.skglitch")
    for path in folder.glob("*/*_4.0.png"):
        (tmp_path / "single" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "single" / path.parent.name)
    result = run("predict", "m.skglitch", "single")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 11
    result = run("predict", "m.skglitch", folder)
    assert result.exit_code == 1
    assert "fitted to 1 views of unknown durations" in result.stderr


def test_ties_go_to_the_class_that_predict_takes():
    scores = np.array([[0.2, 0.4, 0.4], [0.5, 0.25, 0.25]])
    classifier = SimpleNamespace(classes_=np.array(["Blip", "Chirp", "Tomte"]))
    printed = tabulate_predictions(classifier, scores, 2)
    assert printed["prediction"].tolist() == ["Chirp", "Blip"]
    assert printed["prediction_2"].tolist() == ["Tomte", "Chirp"]
    assert printed["probability_2"].tolist() == [0.4, 0.25]


def test_predictions_of_a_folder_without_labels(run, model, unlabeled):
    result = run("predict", model, unlabeled, "-o", "out.csv", "-q")
    assert result.exit_code == 0, result.output
    assert result.output == ""
    with open("out.csv", encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert lines[0] == "id,ifo,prediction,probability"
    assert [line.split(",")[0] for line in lines[1:]] == ["B0", "B2", "B4"]
    again = run("predict", model, unlabeled, "-o", "out.csv", "-q")
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    assert run("predict", model, unlabeled, "-o", "out.csv", "--overwrite").exit_code == 0


def test_options_of_the_run_take_the_place_of_those_saved(run, model, unlabeled, monkeypatch):
    seen = []
    predict = CNNClassifier.predict_proba_and_embed

    def spy(self, X):
        seen.append(self)
        return predict(self, X)

    monkeypatch.setattr(CNNClassifier, "predict_proba_and_embed", spy)
    assert run("predict", model, unlabeled, "--batch-size", "2", "-q").exit_code == 0
    assert run("predict", model, unlabeled).exit_code == 0
    assert [classifier.batch_size for classifier in seen] == [2, CNNClassifier().batch_size]
    assert [classifier.verbose for classifier in seen] == [0, 1]


def test_views_have_to_be_those_of_the_model(run, model, folder, tmp_path):
    (tmp_path / "short").mkdir()
    for path in folder.glob("Blip/*_1.0.png"):
        (tmp_path / "short" / path.name).symlink_to(path)
    result = run("predict", model, "short")
    assert result.exit_code == 1
    assert "durations=(1.0, 4.0)" in result.stderr
    assert "or missing='fill'." in result.stderr


def test_models_that_are_no_good(run, model, folder, tmp_path):
    assert run("predict", "none.skglitch", folder).exit_code == 2
    (tmp_path / "text").write_text("no model")
    result = run("predict", "text", folder)
    assert (result.exit_code, "not a skglitch file" in result.stderr) == (1, True)
    transformer = TruncatedCNNTransformer(
        "test_efficientnet", weights=None, encoder=Encoder(durations=(1.0, 4.0))
    )
    skglitch.save(transformer.fit(read(folder).data), "transformer")
    result = run("predict", "transformer", folder)
    assert result.exit_code == 1
    assert "TruncatedCNNTransformer, not a CNNClassifier" in result.stderr


def test_unknown_durations_are_told(run, model, folder):
    classifier = skglitch.load(model)
    classifier.durations_ = (4.0,)
    skglitch.save(classifier, "odd.skglitch")
    result = run("predict", "odd.skglitch", folder)
    assert result.exit_code == 1
    assert "fitted to 2 views" in result.stderr


def test_the_word_for_the_ready_made_model(run, ready_made, tmp_path):
    classifier, X, _ = ready_made
    with h5py.File(tmp_path / "glitches.h5", "w") as file:
        file["data"] = X[:3]
    result = run("predict", "pretrained", "glitches.h5", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = table(result.stdout)
    assert list(rows[0])[-3:] == ["prediction", "probability", "novelty_p_value"]
    assert [row["prediction"] for row in rows] == classifier.predict(X[:3]).tolist()
    embeddings = TruncatedCNNTransformer(classifier).fit_transform(X[:3])
    p_values = classifier.novelty_.p_values(embeddings)
    assert [float(row["novelty_p_value"]) for row in rows] == pytest.approx(p_values)
    assert run("embed", "pretrained", "glitches.h5", "-o", "e.npz").exit_code == 0
    np.testing.assert_array_equal(np.load("e.npz")["embeddings"], embeddings)


def test_the_word_goes_before_a_file_of_that_name(run, ready_made, tmp_path):
    with h5py.File(tmp_path / "glitches.h5", "w") as file:
        file["data"] = ready_made[1][:1]
    (tmp_path / "pretrained").write_text("no model")
    result = run("predict", "pretrained", "glitches.h5", "-q")
    assert result.exit_code == 0
    assert "./pretrained" in result.stderr
    result = run("predict", "./pretrained", "glitches.h5", "-q")
    assert "not a skglitch file" in result.stderr


def expected_embeddings(model, folder):
    bunch = read(folder)
    transformer = TruncatedCNNTransformer(skglitch.load(model))
    return bunch, transformer.fit_transform(bunch.data)


def test_embeddings_of_a_model(run, model, folder):
    bunch, expected = expected_embeddings(model, folder)
    for suffix in ("npz", "npy", "csv"):
        result = run("embed", model, folder, "-o", f"e.{suffix}")
        assert result.exit_code == 0, result.output
        assert result.stdout == ""
    with np.load("e.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["embeddings"], expected)
        np.testing.assert_array_equal(file["id"], bunch.ids)
        np.testing.assert_array_equal(file["label"], bunch.target)
        np.testing.assert_array_equal(file["ifo"], bunch.ifo)
    np.testing.assert_array_equal(np.load("e.npy"), expected)
    with open("e_ids.csv", encoding="utf-8") as file:
        assert [row["id"] for row in table(file.read())] == bunch.ids.tolist()
    with open("e.csv", encoding="utf-8") as file:
        rows = table(file.read())
    numbers = np.array([[row[f"x{i}"] for i in range(expected.shape[1])] for row in rows])
    np.testing.assert_array_equal(numbers.astype(np.float32), expected)
    assert list(rows[0])[:4] == ["id", "ifo", "label", "x0"]


def test_embeddings_of_a_saved_transformer(run, model, folder):
    bunch, expected = expected_embeddings(model, folder)
    skglitch.save(TruncatedCNNTransformer(skglitch.load(model)).fit(bunch.data), "t.skglitch")
    assert run("embed", "t.skglitch", folder, "-o", "e.npz").exit_code == 0
    np.testing.assert_array_equal(np.load("e.npz")["embeddings"], expected)
    result = run("embed", "t.skglitch", folder, "-o", "f.npz", "--layer", "blocks.1")
    assert (result.exit_code, "--layer" in result.stderr) == (1, True)


def test_embeddings_of_a_backbone(run, unlabeled):
    result = run(
        "embed", "test_efficientnet", unlabeled, "-o", "e.npz", "--weights", "none", "--layer",
        "blocks.1", "--durations", "4", "--size", "32x40", "--seed", "3", "--views", "separate",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    X = load_gravity_spy(unlabeled, durations=(4.0,), size=(32, 40), progress=False).data
    transformer = TruncatedCNNTransformer(
        "test_efficientnet", weights=None, layer="blocks.1", views="separate", random_state=3
    )
    with np.load("e.npz") as file:
        np.testing.assert_array_equal(file["embeddings"], transformer.fit(X[:1]).transform(X))
        assert sorted(file) == ["embeddings", "id", "ifo"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["test_efficientnet", "-o", "e.txt"], 2, "does not end in"),
        (["none.skglitch", "-o", "e.npy"], 2, "'none.skglitch' does not exist"),
        (["test_efficientne", "-o", "e.npy"], 1, "Did you mean 'test_efficientnet'"),
        (["test_efficientnet"], 2, "Missing option"),
        (["MODEL", "-o", "e.npy", "--views", "separate"], 2, "--views: not for a saved model"),
    ],
)
def test_errors_of_embed(run, model, folder, arguments, code, message):
    first, *rest = [str(model) if word == "MODEL" else word for word in arguments]
    result = run("embed", first, folder, *rest)
    assert result.exit_code == code, result.output
    assert message in result.stderr


def test_table_beside_a_npy_is_not_overwritten(run, model, folder, tmp_path):
    (tmp_path / "e_ids.csv").write_text("precious")
    assert run("embed", model, folder, "-o", "e.npy").exit_code == 2
    assert (tmp_path / "e_ids.csv").read_text() == "precious"
    assert not (tmp_path / "e.npy").exists()
