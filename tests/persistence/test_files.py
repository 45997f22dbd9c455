"""The file: refused where it is no good, and never half written."""

from __future__ import annotations

import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load as read_arrays
from safetensors.numpy import save as array_bytes
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import linear_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer

from .test_save_load import OLD_FILE, edited, state_of


@pytest.mark.parametrize(
    "estimator", [CNNClassifier(), TruncatedCNNTransformer(), make_pipeline(CNNClassifier())]
)
def test_unfitted_estimators_are_refused(estimator, tmp_path):
    with pytest.raises(NotFittedError):
        skglitch.save(estimator, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


class Derived(CNNClassifier):
    pass


class OwnScaler(StandardScaler):
    pass


def test_classes_of_the_user_are_named(tmp_path):
    X = np.arange(6.0).reshape(3, 2)
    derived = skglitch.load(OLD_FILE)
    derived.__class__ = Derived
    for estimator, message in (
        ({}, "an estimator, not a dict"),
        (derived, r"Derived: a Derived.*joblib\.dump"),
        (make_pipeline(OwnScaler()).fit(X), r"Pipeline\.steps\.0\.1: a OwnScaler.*joblib\.dump"),
        (FunctionTransformer(json.dumps).fit(X), r"FunctionTransformer\.func: a function"),
        (
            KNeighborsClassifier(2, weights=lambda d: 1 / d).fit(X, [0, 1, 1]),
            r"KNeighborsClassifier\.weights",
        ),
        (SVC(kernel=linear_kernel).fit(X, [0, 1, 1]), r"SVC\.kernel"),
    ):
        with pytest.raises(TypeError, match=message):
            skglitch.save(estimator, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_searches_give_their_best_estimator(tmp_path):
    X, y = np.arange(20.0).reshape(10, 2), [0, 1] * 5
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(X, y)
    with pytest.raises(TypeError, match="best_estimator_ of a GridSearchCV"):
        skglitch.save(search, tmp_path / "model")
    skglitch.save(search.best_estimator_, tmp_path / "model")
    loaded = skglitch.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X), search.predict_proba(X))


def test_fitted_attribute_that_is_not_plain_is_named(tmp_path):
    classifier = skglitch.load(OLD_FILE)
    classifier.extra_ = object()
    with pytest.raises(TypeError, match=r"CNNClassifier.*\.extra_"):
        skglitch.save(classifier, tmp_path / "model")


def test_same_estimator_same_bytes_and_nothing_pickled(tmp_path):
    classifier = skglitch.load(OLD_FILE)
    for name in "ab":
        skglitch.save(classifier, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as archive:
        assert archive.namelist() == ["schema.json", "weights.safetensors"]
        schema = json.loads(archive.read("schema.json"))

    assert (schema["format"], schema["protocol"]) == ("skglitch", 1)
    assert schema["versions"]["skglitch"] == skglitch.__version__


def test_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    classifier = skglitch.load(OLD_FILE)
    path = tmp_path / "model.skglitch"
    path.write_bytes(b"old")

    def full_disk(*args):
        raise OSError("no space left")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full_disk)
    with pytest.raises(OSError, match="no space"):
        skglitch.save(classifier, path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.skglitch"]
    monkeypatch.undo()
    skglitch.save(classifier, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.skglitch"]
    assert len(skglitch.load(path).classes_) == 3


def test_file_has_the_rights_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    skglitch.save(skglitch.load(OLD_FILE), str(tmp_path / "model"))
    modes = [os.stat(tmp_path / name).st_mode for name in ("plain", "model")]
    assert modes[0] == modes[1]


def test_places_that_cannot_be_written_to(tmp_path):
    classifier = skglitch.load(OLD_FILE)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        skglitch.save(classifier, tmp_path / "nowhere" / "model")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        skglitch.save(classifier, tmp_path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="none'"):
        skglitch.load(tmp_path / "none")


def foreign_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", '{"format": "skops"}')


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("id,label\n"),
        lambda path: path.write_bytes(pickle.dumps([1])),
        lambda path: zipfile.ZipFile(path, "w").close(),
        foreign_zip,
    ],
)
def test_other_files(tmp_path, write):
    path = tmp_path / "model"
    write(path)
    with pytest.raises(ValueError, match="model'"):
        skglitch.load(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_files_that_were_cut_short(tmp_path, share):
    whole = OLD_FILE.read_bytes()
    path = tmp_path / "model"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="damaged"):
        skglitch.load(path)


@pytest.mark.parametrize("place", [200, 200_000])
def test_flipped_bytes(tmp_path, place):
    """In the schema, and in the weights, where one would go unseen but for the checksum."""
    data = bytearray(OLD_FILE.read_bytes())
    data[place] ^= 0xFF
    path = tmp_path / "model"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged"):
        skglitch.load(path)


def newer(schema):
    schema["protocol"] = 2
    schema["versions"]["skglitch"] = "9.9"


def unknown_class(schema):
    schema["estimator"]["$object"][0] = "os.system"


def unknown_parameter(schema):
    state_of(schema)["params"]["magic"] = 1


def unknown_value(schema):
    state_of(schema)["params"]["views"] = {"$eval": "1"}


def sets_a_method(schema):
    state_of(schema)["fitted"]["predict"] = 1


def other_net(schema):
    state_of(schema)["params"]["backbone"] = "test_resnet"
    schema["versions"]["timm"] = "0.0.1"


def no_params(schema):
    del state_of(schema)["params"]


def no_versions(schema):
    schema["versions"] = ["skglitch"]


def index_out_of_range(schema):
    state_of(schema)["fitted"]["image_shape_"] = {"$scalar": []}


def no_device(schema):
    state_of(schema)["params"]["device"] = {"$device": "x"}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (newer, r"written by a newer skglitch \(9\.9, protocol 2\).*upgrade"),
        (unknown_class, "holds a 'os.system', which is not one of the types"),
        (unknown_parameter, "no parameter magic"),
        (unknown_value, r"unknown kind '\$eval'"),
        (sets_a_method, "sets the attribute 'predict'"),
        (other_net, r"do not fit the net.*written with.*timm 0\.0\.1 \(installed"),
        (no_params, r"cannot be loaded: KeyError\('params'\)"),
        (no_versions, "is damaged: its schema is incomplete"),
        (index_out_of_range, "cannot be loaded: "),
        (no_device, "cannot be loaded: "),
    ],
)
def test_schemas_that_are_refused(tmp_path, edit, message):
    path = edited(OLD_FILE, tmp_path / "model", edit)
    with pytest.raises(ValueError, match=message):
        skglitch.load(path)


def test_texts_of_an_absurd_width_take_no_memory(tmp_path):
    def widen(schema):
        state_of(schema)["fitted"]["classes_"]["$values"][0] = "<U400000000"

    classes = skglitch.load(edited(OLD_FILE, tmp_path / "model", widen)).classes_
    assert classes.dtype == skglitch.load(OLD_FILE).classes_.dtype


@pytest.mark.parametrize(
    ("schema", "message"),
    [(b" " * 10_000_000, "expand to 10000000"), (b"[" * 100_000, "recursion")],
    ids=["bomb", "deep"],
)
def test_schemas_that_expand_without_end(tmp_path, schema, message):
    path = tmp_path / "model"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", schema)
    with pytest.raises(ValueError, match=f"model' is damaged.*{message}"):
        skglitch.load(path)


@pytest.mark.parametrize("change", ["drop", "reshape"])
def test_arrays_have_to_be_those_of_the_net(tmp_path, change):
    with zipfile.ZipFile(OLD_FILE) as archive:
        schema = archive.read("schema.json")
        arrays = read_arrays(archive.read("weights.safetensors"))
    bias = arrays.pop("CNNClassifier.weights.head.bias")
    if change == "reshape":
        arrays["CNNClassifier.weights.head.bias"] = bias[:2].copy()
    path = tmp_path / "model"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", schema)
        archive.writestr("weights.safetensors", array_bytes(arrays))
    message = "'CNNClassifier.weights.head.bias'" if change == "drop" else "weights do not fit"
    with pytest.raises(ValueError, match=message):
        skglitch.load(path)


def test_files_without_a_new_parameter_get_its_default(tmp_path):
    def forget(schema):
        del state_of(schema)["params"]["n_iter_no_change"]

    loaded = skglitch.load(edited(OLD_FILE, tmp_path / "model", forget))
    assert loaded.n_iter_no_change == CNNClassifier().n_iter_no_change
    assert np.isfinite(loaded.net_.module_.head.weight.detach().numpy()).all()
