"""The card of a model file, in Python and on the command line."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer, _files
from skglitch.cli import main
from skglitch.persistence import read_card

from .conftest import TinyNet
from .test_save_load import OLD_FILE, edited, state_of


@pytest.fixture(scope="module")
def net(images):
    params = {"weights": None, "max_epochs": 2, "early_stopping": True, "random_state": 0}
    return CNNClassifier("test_efficientnet", validation_fraction=0.25, **params).fit(*images)


def test_card_of_a_classifier(net, images, tmp_path):
    skglitch.save(net, tmp_path / "model")
    card = read_card(tmp_path / "model")
    assert card["classes"] == {"Blip": 4, "Koi_Fish": 4, "Whistle": 4}
    assert card["parameters"]["CNNClassifier.max_epochs"] == 2
    assert card["estimators"] == {"CNNClassifier": "skglitch.estimators.CNNClassifier"}
    assert card["versions"]["skglitch"] == skglitch.__version__
    assert card["scores"]["valid_loss"] == min(net.history_[:, "valid_loss"])
    (row,) = card["data"]
    assert (row["shape"], row["dtype"]) == (list(images[0].shape), "uint8")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", row["date"])
    assert re.fullmatch("[0-9a-f]{64}", row["sha256"])


def test_card_of_a_pipeline(images, tmp_path):
    transformer = TruncatedCNNTransformer("test_efficientnet", weights=None)
    forest = RandomForestClassifier(2, random_state=0)
    pipeline = make_pipeline(transformer, StandardScaler(), forest).fit(*images)
    skglitch.save(pipeline, tmp_path / "model")
    card = read_card(tmp_path / "model")
    assert card["classes"] == {"Blip": 4, "Koi_Fish": 4, "Whistle": 4}
    assert [kind.rpartition(".")[2] for kind in card["estimators"].values()] == [
        *("Pipeline", "TruncatedCNNTransformer", "StandardScaler", "RandomForestClassifier"),
        "DecisionTreeClassifier",
    ]
    parameters = card["parameters"]
    assert parameters["Pipeline.steps.2.1.n_estimators"] == 2
    assert not any("estimators_" in name for name in parameters)


def test_the_checksum_tells_data_apart(net, images):
    X, y = images
    transformer = TruncatedCNNTransformer("test_efficientnet", weights=None)

    def checksum(X, y):
        return transformer.fit(X, y).fit_data_[0]["sha256"]

    same = net.fit_data_[0]["sha256"]
    assert checksum(X, y) == checksum(X.copy(), list(y)) == same
    brighter = X.copy()
    brighter[3, 0, 0, 0] += 1
    others = {
        checksum(brighter, y),
        checksum(X, y[::-1]),
        checksum(X[1:], y[1:]),
        checksum(X, None),
    }
    assert len(others | {same}) == 5


def test_each_training_adds_its_data(net, images, tmp_path):
    X, y = images
    skglitch.save(net, tmp_path / "model")
    more = skglitch.load(tmp_path / "model").set_params(early_stopping=False, max_epochs=1)
    more.partial_fit(X[::2], y[::2]).add_classes(X[-2:], ["Tomte"] * 2)
    skglitch.save(more, tmp_path / "more")
    card = read_card(tmp_path / "more")
    counts = {"Blip": 6, "Koi_Fish": 6, "Tomte": 2, "Whistle": 6}
    assert card["classes"] == counts
    assert [row["shape"][0] for row in card["data"]] == [12, 6, 2]
    assert len(net.fit_data_) == 1


def test_numbers_as_classes_and_own_nets(images, tmp_path):
    X, y = images
    numbers = np.unique(y, return_inverse=True)[1]
    classifier = CNNClassifier(TinyNet, max_epochs=1).fit(X, numbers)
    with pytest.warns(UserWarning, match="backbone"):
        skglitch.save(classifier, tmp_path / "model")
    card = read_card(tmp_path / "model")
    assert card["classes"] == {0: 4, 1: 4, 2: 4}
    assert "load" in card["parameters"]["CNNClassifier.backbone"]


def test_models_without_data_or_classes(tmp_path):
    skglitch.save(StandardScaler().fit([[1.0], [2.0]]), tmp_path / "model")
    card = read_card(tmp_path / "model")
    assert not card["data"]
    assert not card["classes"]
    assert card["parameters"]["StandardScaler.with_std"] is True
    assert read_card(OLD_FILE)["classes"] == dict.fromkeys(["Blip", "Koi_Fish", "Whistle"])


def test_no_net_is_built(monkeypatch):
    monkeypatch.setattr(CNNClassifier, "_from_state", None)
    assert len(read_card(_files.PRETRAINED)["classes"]) == 24


def test_other_files(tmp_path):
    def name_code(schema):
        state_of(schema)["params"]["views"] = {"$eval": "1"}

    with pytest.raises(ValueError, match=r"model' cannot be loaded.*\$eval"):
        read_card(edited(OLD_FILE, tmp_path / "model", name_code))
    with pytest.raises(FileNotFoundError, match="none'"):
        read_card(tmp_path / "none")


def test_info(net, images, tmp_path):
    pipeline = make_pipeline(TruncatedCNNTransformer(net), LogisticRegression()).fit(*images)
    path = tmp_path / "model"
    skglitch.save(pipeline, path)
    printed = CliRunner().invoke(main, ["info", str(path)])
    assert printed.exit_code == 0, printed.output
    assert re.search(r"^Koi_Fish +4$", printed.output, re.MULTILINE)
    assert re.search(r"^Pipeline\.steps\.1\.1\.C +1\.0$", printed.output, re.MULTILINE)
    result = CliRunner().invoke(main, ["info", str(path), "--json"])
    assert json.loads(result.stdout)["classes"]["Koi_Fish"] == 4
    ready_made = CliRunner().invoke(main, ["info", "pretrained"])
    assert "pretrained" not in ready_made.stderr
    # It does not say how many glitches there were of each class, and the encoder is a long value.
    classes, parameters = (
        re.search(rf"^{name}\n(.*?)\n\n", ready_made.stdout, re.DOTALL | re.MULTILINE)[1]
        for name in ("classes", "parameters")
    )
    assert classes.split() == skglitch.load_pretrained().classes_.tolist()
    assert len({re.search(r" +", line).end() for line in parameters.splitlines()}) == 1


def test_info_of_a_file_that_is_no_model(tmp_path):
    (tmp_path / "model").write_text("id,label\n")
    printed = CliRunner().invoke(main, ["info", str(tmp_path / "model")])
    assert printed.exit_code == 1
    assert "not a skglitch file" in printed.stderr
