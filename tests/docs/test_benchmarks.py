"""The scripts of benchmarks/ parse their options."""

from __future__ import annotations

import argparse
import copy
import importlib
import shutil
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

import skglitch
from skglitch.datasets import fetch_gravity_spy

from ..datasets.zenodo import Zenodo, pack, put_training_set, serving
from .test_pages import ROOT

SCRIPTS = [path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py")]


class Parsed(Exception):
    """Raised after parsing, before hours of work begin."""


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_starts_without_options(name, monkeypatch):
    def parse(parser):
        raise Parsed(original(parser))

    original = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(sys, "argv", [name])
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    # PyTables is a module tables, too.
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(Parsed):
        importlib.import_module(name).main()


@pytest.fixture
def pretrained(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("pretrained")


def test_some_training_glitches_lack_views(pretrained):
    X = np.ones((400, 4, 2, 3), dtype=np.uint8)
    dropped = pretrained.drop_views(X, 0)
    np.testing.assert_array_equal(pretrained.drop_views(X, 0), dropped)
    n_missing = (dropped == 0).all(axis=(2, 3)).sum(axis=1)
    assert (dropped.sum(axis=(1, 2, 3)) == 6 * (4 - n_missing)).all()
    assert set(n_missing) == {0, 1, 2, 3}
    assert 0.2 < (n_missing > 0).mean() < 0.3
    assert X.all()


def test_the_temperature_is_part_of_the_head(pretrained, ready_made):
    classifier, X, _ = ready_made
    y = classifier.predict(X)
    y[::4] = np.roll(classifier.classes_, 1)[np.searchsorted(classifier.classes_, y[::4])]
    hot = copy.deepcopy(classifier)
    with torch.no_grad():
        for parameter in hot.net_.module_.head.parameters():
            parameter *= 3
    # The logits of both are the same but for the temperature.
    ratio = pretrained.calibrate(hot, X, y) / pretrained.calibrate(copy.deepcopy(classifier), X, y)
    assert ratio == pytest.approx(3, rel=0.01)


def test_a_rounded_model_is_what_its_file_holds(pretrained, ready_made, tmp_path):
    classifier, X, _ = ready_made
    rounded = copy.deepcopy(classifier)
    pretrained.round_weights(rounded)
    pretrained.keep_fewer_exemplars(rounded)
    pretrained.write(rounded, tmp_path / "model.skglitch")
    loaded = skglitch.load(tmp_path / "model.skglitch")
    np.testing.assert_array_equal(loaded.predict_proba(X), rounded.predict_proba(X))
    assert loaded.exemplars_.shape == (24, 1520)
    pretrained.write(loaded, tmp_path / "again.skglitch")
    first, second = (tmp_path / f"{name}.skglitch" for name in ("model", "again"))
    assert first.read_bytes() == second.read_bytes()


def test_the_figure_of_table_1_has_the_name_of_its_data_set(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    table1 = importlib.import_module("table1")
    monkeypatch.setattr(table1, "RESULTS", tmp_path)
    runs = [{"accuracy after each epoch": [0.5, 1.0]}]
    table1.plot("real", {("resnet18", "none"): runs, ("vgg16", "none"): runs})
    assert [path.name for path in tmp_path.iterdir()] == ["table1_real.png"]


@pytest.fixture
def training_set(tmp_path, draw, monkeypatch):
    """A server with twelve glitches of two classes, one a day."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(fetch_gravity_spy.__kwdefaults__, "size", (32, 40))
    table = "gravityspy_id,event_time,sample_type\n"
    for number in range(12):
        folder = tmp_path / "set" / ("Blip", "Koi_Fish")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        drawn = draw(tmp_path / f"{number % 2}.png", np.full((466, 566), 40 + 100 * (number % 2)))
        for duration in ("0.5", "1.0", "2.0", "4.0"):
            shutil.copy(drawn, folder / f"H1_g{number}_spectrogram_{duration}.png")
        table += f"g{number},{1126051217 + 86400 * number},{'test' if number > 8 else 'train'}\n"
    with serving(Zenodo()) as zenodo:
        monkeypatch.setattr("skglitch._download.ZENODO", zenodo.url)
        put_training_set(zenodo, pack(tmp_path / "set"), table)
        yield zenodo


@pytest.mark.parametrize("split", ["random", "official", "time"])
def test_the_training_set_from_download_to_table(
    split, training_set, tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    options = ["--split", split, "--results", str(tmp_path / "out")]
    options += ["--net", "test_efficientnet", "--weights", "none", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", ["gravity_spy", *options])
    script = importlib.import_module("gravity_spy")
    script.main()
    n_train = {"random": 9, "official": 9, "time": 8}[split]
    printed = capsys.readouterr().out
    assert f"{n_train} + 3" in printed
    assert "98.84" in printed
    monkeypatch.setattr(script, "CNNClassifier", None)
    script.main()
    assert capsys.readouterr().out == printed


def test_f1_scores_are_those_of_scikit_learn(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    true, predicted = np.random.default_rng(0).choice(["a", "b", "c"], (2, 50))
    predicted[:5] = "z"
    scores = importlib.import_module("gravity_spy").f1_interval(true.tolist(), predicted.tolist())
    expected = f1_score(true, predicted, labels=["a", "b", "c"], average=None)
    np.testing.assert_allclose(scores["f1"], [*expected, expected.mean()])
    assert (scores["low"] < scores["f1"]).all()
    assert (scores["f1"] < scores["high"]).all()
