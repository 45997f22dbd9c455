"""skglitch fit."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import skglitch
from skglitch import CNNClassifier
from skglitch.cli._fit import _PARAMETERS, fit, split_classes
from skglitch.datasets import load_gravity_spy

from .conftest import TINY


def read(folder, durations=(1.0, 4.0)):
    return load_gravity_spy(folder, durations=durations, size=(32, 40), progress=False)


def test_result_as_json_is_that_of_the_saved_model(run, folder):
    result = run("fit", folder, *TINY, "--json", "--test-fraction", "0.4")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    model = skglitch.load("model.skglitch")
    assert summary["model"] == "model.skglitch"
    assert summary["classes"] == model.classes_.tolist() == ["Blip", "Koi_Fish"]
    assert summary["durations"] == list(model.durations_) == [1.0, 4.0]
    assert (summary["n_train"], summary["n_test"], summary["epochs"]) == (6, 4, 1)
    assert summary["interrupted"] is False
    batches = model.history_[0]["batches"]
    assert sum(batch["train_batch_size"] for batch in batches) == 6
    bunch = read(folder)
    held_out = np.isin(bunch.ids, summary["test_ids"])
    assert sorted(bunch.target[held_out]) == ["Blip"] * 2 + ["Koi_Fish"] * 2
    assert [row["k"] for row in summary["top_k"]] == [1, 2]
    expected = model.score(bunch.data[held_out], bunch.target[held_out])
    assert summary["top_k"][0]["accuracy"] == expected
    support = {row["label"]: row["support"] for row in summary["per_class"]}
    assert (support["Blip"], support["Koi_Fish"]) == (2, 2)
    # Messages and progress are elsewhere.
    assert "fit:" in result.stderr
    assert "saved as model.skglitch" in result.stderr
    assert model.verbose == 0


def test_tables_for_people(run, folder):
    result = run("fit", folder, *TINY, "-q", "--test-fraction", "0.4")
    assert result.exit_code == 0, result.output
    assert "4 held-out glitches" in result.stdout
    assert "accuracy [%]" in result.stdout
    assert "recall [%]" in result.stdout
    assert result.stderr == ""


def test_no_test_part_trains_on_all_and_prints_no_score(run, folder):
    result = run("fit", folder, *TINY, "--test-fraction", "0", "-o", "all.skglitch")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    history = skglitch.load("all.skglitch").history_
    assert sum(batch["train_batch_size"] for batch in history[0]["batches"]) == 10
    assert "top_k" not in json.loads(
        run("fit", folder, *TINY, "--test-fraction", "0", "--overwrite", "--json").stdout
    )


def test_options_reach_the_classifier(run, folder):
    result = run(
        "fit", folder, *TINY, "-q", "--views", "4.0,1", "--batch-size", "3", "--learning-rate",
        "0.01", "--fine-tune", "head", "--class-weight", "balanced", "--early-stopping",
        "--precision", "float32", "--seed", "5",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    expected = {
        "backbone": "test_efficientnet", "weights": None, "views": (4.0, 1.0),
        "encoder__durations": (1.0, 4.0), "max_epochs": 1, "batch_size": 3, "learning_rate": 0.01,
        "fine_tune": "head", "class_weight": "balanced", "early_stopping": True,
        "precision": "float32", "device": "cpu", "random_state": 5,
    }  # fmt: skip
    params = skglitch.load("model.skglitch").get_params()
    assert {name: params[name] for name in expected} == expected
    assert set(_PARAMETERS) < set(expected)


def test_seed_draws_what_is_held_out():
    target = np.repeat(["Blip", "Chirp"], 20)
    parts = [split_classes(target, 0.25, seed)[1].tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]
    assert [row // 20 for row in sorted(parts[0])] == [0] * 5 + [1] * 5


def test_seed_makes_it_repeatable(run, folder):
    accuracy = {}
    for seed in (0, 0, 1):
        run("fit", folder, *TINY, "-q", "--overwrite", "--seed", seed, "--test-fraction", "0")
        score = skglitch.load("model.skglitch").predict_proba(read(folder).data)
        accuracy.setdefault(seed, []).append(score)
    np.testing.assert_array_equal(*accuracy[0])
    assert not np.array_equal(accuracy[0][0], accuracy[1][0])


def test_parameters_that_are_not_given_have_the_defaults_of_the_classifier():
    shown = {option.name: option.default for option in fit.params}
    names = set(_PARAMETERS) - {"random_state"}
    assert names < set(CNNClassifier().get_params())
    # What click takes for "no default": None, or in later versions a mark of its own.
    assert {shown[name] for name in names} <= {None, fit.params[0].default}


def test_folder_with_the_4_s_view_only(run, folder, tmp_path):
    for path in folder.glob("*/*_4.0.png"):
        target = tmp_path / "long" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    assert run("fit", "long", *TINY, "-o", "a").exit_code == 0
    assert run("fit", folder, *TINY, "-o", "b", "--durations", "4").exit_code == 0
    a, b = (skglitch.load(name) for name in "ab")
    assert a.durations_ == b.durations_ == (4.0,)
    X = read(folder, durations=(4.0,)).data
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))
    result = run("fit", "long", *TINY, "-o", "c", "--durations", "1,4")
    assert result.exit_code == 1
    assert "there are 4.0 s of 10 glitches" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--views", "mosaik"], "no list of durations"),
        (["--durations", "4,-1"], "not positive"),
        (["--size", "140"], "140x170"),
        (["--weights", "nowhere.pth"], "neither 'imagenet', 'glitches', 'none' nor a file"),
        (["--test-fraction", "1"], "0<=x<1"),
        (["--class-weight", "none"], "balanced"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_usage_errors(run, folder, arguments, message):
    result = run("fit", folder, *TINY, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_output_is_checked_before_anything_is_read(run, folder, tmp_path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("the folder was read")

    monkeypatch.setattr("skglitch.cli._fit.load_source", never)
    (tmp_path / "model.skglitch").write_text("precious")
    for output, message in [
        ("model.skglitch", "--overwrite replaces it"),
        ("nowhere/model.skglitch", "cannot write to"),
        (tmp_path, "is a folder"),
    ]:
        result = run("fit", folder, *TINY, "-o", output)
        assert result.exit_code == 2, result.output
        assert message in result.stderr
    assert (tmp_path / "model.skglitch").read_text() == "precious"
    result = run("fit", folder, *TINY, "--overwrite")
    assert "the folder was read" in result.stderr


def test_data_errors_are_one_line(run, folder, unlabeled, tmp_path):
    (tmp_path / "few" / "Blip").mkdir(parents=True)
    shutil.copy(next(folder.glob("Blip/*_4.0.png")), tmp_path / "few" / "Blip")
    (tmp_path / "bad").symlink_to(folder)
    for where, message, more in [
        (unlabeled, "no labels", []),
        ("few", "--test-fraction 0", []),
        ("few", "one class only", ["--test-fraction", "0"]),
        (folder, "Did you mean 'test_efficientnet'", ["--backbone", "test_efficientne"]),
        (folder, "device='tpu'", ["--device", "tpu"]),
    ]:
        result = run("fit", where, *TINY, "-q", *more)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert message in result.stderr
    assert not (tmp_path / "model.skglitch").exists()


def test_debug_shows_the_traceback(run, unlabeled):
    result = run("fit", unlabeled, *TINY, "--debug")
    assert result.exit_code == 1
    assert isinstance(result.exception, ValueError)


def test_broken_pictures_and_missing_views(run, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "flawed")
    (tmp_path / "flawed/Blip/H1_B0_spectrogram_1.0.png").write_bytes(b"no picture")
    (tmp_path / "flawed/Koi_Fish/H1_K0_spectrogram_4.0.png").unlink()
    strict = run("fit", "flawed", *TINY, "-q")
    assert strict.exit_code == 1
    assert "missing='skip'" in strict.stderr
    lenient = run("fit", "flawed", *TINY, "--json", "--missing", "skip", "--on-error", "skip")
    assert lenient.exit_code == 0, lenient.output
    summary = json.loads(lenient.stdout)
    assert summary["n_train"] + summary["n_test"] == 8
    assert "Warning: " in lenient.stderr
    assert "H1_B0_spectrogram_1.0.png" in lenient.stderr
    assert "UserWarning" not in lenient.stderr
