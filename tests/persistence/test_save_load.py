"""save and load: the same predictions, from whatever was fitted."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch._backbones import Backbone
from skglitch._training import ViewEncoder, ViewLayout
from skglitch.discovery import NewClassFinder, NoveltyDetector, SimilarityIndex
from skglitch.estimators import Encoder, SpectrogramAugment

from .conftest import TinyNet, make_images

OLD_FILE = Path(__file__).with_name("data") / "classifier-v1.skglitch"


def round_trip(estimator, folder, **options):
    """Save and load with no warning allowed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        skglitch.save(estimator, folder / "model.skglitch")
        return skglitch.load(folder / "model.skglitch", **options)


def test_classifier_is_the_same_after_a_round_trip(make, images, tmp_path):
    X, y = images
    classifier = make(views="separate", class_weight={"Blip": 2.0, "Koi_Fish": 1, "Whistle": 1})
    loaded = round_trip(classifier, tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), classifier.predict(X))
    assert loaded.score(X, y) == classifier.score(X, y)
    first, second = loaded.get_params(), classifier.get_params()
    assert first.pop("encoder") is not second.pop("encoder")
    assert first == second  # with the parameters of the encoder
    assert loaded.classes_.dtype == classifier.classes_.dtype
    assert loaded.image_shape_ == (2, 32, 40)
    assert loaded.n_features_in_ == 2 * 32 * 40
    assert loaded.scale_ == classifier.scale_


def test_history_and_net_can_be_used(make, images, tmp_path):
    classifier = make()
    loaded = round_trip(classifier, tmp_path)
    assert loaded.history_ == classifier.history_
    assert loaded.history_ is loaded.net_.history
    assert loaded.history_[:, "train_loss"] == classifier.history_[:, "train_loss"]
    assert loaded.net_.initialized_
    assert not loaded.net_.module_.training
    assert loaded.net_.max_epochs == 2
    assert loaded.net_.interrupted_ is False
    # Fit from scratch goes by the parameters, as with any estimator.
    refitted = clone(loaded).fit(*images)
    np.testing.assert_array_equal(
        refitted.predict_proba(images[0]), classifier.predict_proba(images[0])
    )


@pytest.mark.parametrize(
    "names",
    [
        np.array([3, 20, 100]),
        np.array([0.0, 2.0, 7.0]),
        np.array(["Blip", "Koi_Fish", "Whistle"], dtype=object),
    ],
)
def test_labels_of_any_kind(make, images, tmp_path, names):
    X, y = images
    classifier = make(y=names[np.unique(y, return_inverse=True)[1]])
    predicted = round_trip(classifier, tmp_path).predict(X)
    assert predicted.dtype == names.dtype
    np.testing.assert_array_equal(predicted, classifier.predict(X))


def test_parameters_of_all_kinds(make, images, tmp_path):
    classifier = make(
        views=[1.0, 4.0],
        encoder=Encoder(durations=[1.0, np.float64(4.0)]),
        augment=SpectrogramAugment(gain=0.5),
        device=torch.device("cpu"),
        early_stopping=True,
        validation_fraction=0.25,
        fine_tune="head",
        precision="bfloat16",
    )
    loaded = round_trip(classifier, tmp_path)
    assert loaded.views == [1.0, 4.0]
    assert loaded.device == torch.device("cpu")
    assert loaded.augment.gain == 0.5
    assert loaded.net_.precision == "bfloat16"
    assert loaded.net_.module_.frozen == classifier.net_.module_.frozen != ()
    np.testing.assert_array_equal(
        loaded.predict_proba(images[0]), classifier.predict_proba(images[0])
    )


def test_data_frames_keep_their_columns(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(8, 12)), columns=[f"pixel_{i}" for i in range(12)])
    classifier = CNNClassifier(
        "test_efficientnet", weights=None, image_shape=(3, 4), max_epochs=1
    ).fit(X, [0, 1] * 4)
    loaded = round_trip(classifier, tmp_path)
    np.testing.assert_array_equal(loaded.feature_names_in_, X.columns)
    assert loaded.feature_names_in_.dtype == object
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(X.rename(columns={"pixel_0": "other"}))


def test_weights_file_is_not_needed_again(make, images, tmp_path):
    import timm

    weights = tmp_path / "weights.pth"
    torch.save(timm.create_model("test_efficientnet").state_dict(), weights)
    classifier = make(weights=weights)
    expected = classifier.predict_proba(images[0])
    skglitch.save(classifier, tmp_path / "model")
    weights.unlink()
    loaded = skglitch.load(tmp_path / "model")
    assert loaded.weights == weights
    np.testing.assert_array_equal(loaded.predict_proba(images[0]), expected)


def test_loading_leaves_the_generators_of_the_caller_alone(make, tmp_path):
    skglitch.save(make(random_state=None), tmp_path / "a")
    skglitch.save(TruncatedCNNTransformer("test_efficientnet", weights=None, random_state=None)
                  .fit(make_images()[0]), tmp_path / "b")  # fmt: skip
    for name in "ab":
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        skglitch.load(tmp_path / name)
        drawn = torch.rand(1).item(), np.random.rand()  # noqa: NPY002
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        assert drawn == (torch.rand(1).item(), np.random.rand())  # noqa: NPY002


def test_how_pictures_reach_the_net_comes_from_the_file():
    class Inceptionlike(nn.Sequential):
        transform_input = False

    def encoder(**options):
        net = Inceptionlike(nn.Conv2d(3, 4, 1))
        return ViewEncoder(Backbone(net, width=4, **options), ViewLayout("mosaic", (0,)))

    old = encoder(mean=(0.1, 0.2, 0.3), std=(0.7,) * 3, min_size=75, fixed_size=(80, 90))
    old.backbone.net.transform_input = True
    new = encoder(mean=(0.5,) * 3, std=(0.5,) * 3)
    new.set_backbone_facts(old.get_facts())
    old, new = old.backbone, new.backbone
    pictures = torch.rand(2, 1, 40, 50)
    torch.testing.assert_close(new.prepare(pictures), old.prepare(pictures), rtol=0, atol=0)
    assert new.prepare(pictures).shape == (2, 3, 80, 90)
    assert new.net.transform_input is True


@pytest.mark.parametrize("wrap", [lambda c: c, clone, FrozenEstimator, None])
def test_transformer_is_the_same_after_a_round_trip(make, images, tmp_path, wrap):
    """Of a fitted classifier, one that is not, a frozen one, and a backbone."""
    X, y = images
    source = "test_efficientnet" if wrap is None else wrap(make())
    transformer = TruncatedCNNTransformer(
        source,
        weights=None,
        layer="blocks.1",
        encoder=Encoder(durations=(1.0, 4.0)),
        random_state=3,
    )
    transformer.set_output(transform="pandas").fit(X, y)
    loaded = round_trip(transformer, tmp_path)
    assert type(loaded.source) is type(source)
    pd.testing.assert_frame_equal(loaded.transform(X), transformer.transform(X))
    if wrap is None:
        assert not hasattr(loaded, "classifier_")
        return
    np.testing.assert_array_equal(
        loaded.classifier_.predict_proba(X), transformer.classifier_.predict_proba(X)
    )
    assert hasattr(loaded.source, "net_") == hasattr(source, "net_")
    if wrap is not clone:
        assert getattr(loaded.source, "estimator", loaded.source) is loaded.classifier_


def test_loaded_classifier_is_a_source(make, images, tmp_path):
    classifier = make()
    loaded = round_trip(classifier, tmp_path)
    np.testing.assert_array_equal(
        TruncatedCNNTransformer(loaded).fit_transform(images[0]),
        TruncatedCNNTransformer(classifier).fit_transform(images[0]),
    )


@pytest.mark.parametrize("backbone", [TinyNet, TinyNet()])
def test_module_has_to_be_given_again(make, images, tmp_path, backbone):
    classifier = make(backbone)
    path = tmp_path / "model"
    with pytest.warns(UserWarning, match=r"backbone \(TinyNet\)"):
        skglitch.save(classifier, path)
    with pytest.raises(ValueError, match=r"\(TinyNet\).*backbone=\.\.\."):
        skglitch.load(path)
    loaded = skglitch.load(path, backbone=TinyNet())
    np.testing.assert_array_equal(
        loaded.predict_proba(images[0]), classifier.predict_proba(images[0])
    )
    assert isinstance(loaded.backbone, TinyNet)
    with pytest.raises(ValueError, match="fit the net"):
        skglitch.load(path, backbone="test_efficientnet")


def test_transformer_of_a_module(images, tmp_path):
    transformer = TruncatedCNNTransformer(TinyNet()).fit(images[0])
    with pytest.warns(UserWarning, match=r"source \(TinyNet\)"):
        skglitch.save(transformer, tmp_path / "model")
    loaded = skglitch.load(tmp_path / "model", backbone=TinyNet)
    np.testing.assert_array_equal(loaded.transform(images[0]), transformer.transform(images[0]))


def test_backbone_that_the_file_names_is_not_asked_for(tmp_path):
    with pytest.raises(ValueError, match="backbone="):
        skglitch.load(OLD_FILE, backbone=TinyNet)


class NoisyCallback(Callback):
    """Writes something into the history that is no plain value."""

    def on_epoch_end(self, net, **kwargs):
        net.history.record("grid", nn.Identity())
        net.history.record("double", 2 * net.history[-1, "train_loss"])


class OwnAugment(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("gain", torch.tensor(1.1))

    def forward(self, images):
        return images * self.gain


def test_what_predictions_do_not_need_is_dropped_with_a_warning(make, images, tmp_path):
    classifier = make(
        callbacks=[NoisyCallback()], random_state=np.random.RandomState(0), augment=OwnAugment()
    )
    with pytest.warns(UserWarning, match="Not saved") as caught:
        skglitch.save(classifier, tmp_path / "model")
    assert len(caught) == 1
    for name in ("callbacks=", "random_state=", "augment=", "'grid' of history_"):
        assert name in str(caught[0].message)
    assert caught[0].filename == __file__
    loaded = skglitch.load(tmp_path / "model")
    assert (loaded.callbacks, loaded.random_state, loaded.augment) == (None, None, True)
    assert loaded.history_[:, "double"] == classifier.history_[:, "double"]
    np.testing.assert_array_equal(
        loaded.predict_proba(images[0]), classifier.predict_proba(images[0])
    )


def state_of(schema):
    """State of the estimator in a schema."""
    _name, _path, state = schema["estimator"]["$object"]
    return state


def edited(path, target, edit):
    """Copy a file with its schema changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        schema = json.loads(old.read("schema.json"))
        edit(schema)
        new.writestr("schema.json", json.dumps(schema))
        new.writestr("weights.safetensors", old.read("weights.safetensors"))
    return target


def test_device_is_chosen_anew(tmp_path):
    def to_gpu(schema):
        state_of(schema)["params"]["device"] = "cuda:97"

    path = edited(OLD_FILE, tmp_path / "gpu.skglitch", to_gpu)
    with pytest.warns(UserWarning, match="device='cuda:97'"):
        loaded = skglitch.load(path)
    assert loaded.device == "auto"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = skglitch.load(path, device="cpu")
    assert loaded.device == loaded.net_.device == "cpu"
    with pytest.raises(ValueError, match=r"^device='tpu'"):
        skglitch.load(path, device="tpu")


def test_normalization_of_the_file_is_the_one_that_counts(images, tmp_path):
    def darken(schema):
        state_of(schema)["module"]["mean"] = [0.9, 0.9, 0.9]

    expected = skglitch.load(OLD_FILE).predict_proba(images[0])
    darker = skglitch.load(edited(OLD_FILE, tmp_path / "model", darken))
    assert not np.allclose(darker.predict_proba(images[0]), expected)


@pytest.mark.parametrize("head_init", ["regression", "zeros"])
def test_batch_norm_stays_fixed_where_it_was(make, tmp_path, head_init):
    loaded = round_trip(make(head_init=head_init), tmp_path)
    norm = next(m for m in loaded.net_.module_.modules() if isinstance(m, nn.BatchNorm2d))
    loaded.net_.module_.train()
    assert norm.training == (head_init == "zeros")


def test_old_file_predicts_what_it_did(tmp_path):
    path = tmp_path / "copy.skglitch"
    shutil.copy(OLD_FILE, path)
    classifier = skglitch.load(path)
    X, _ = make_images()
    np.testing.assert_array_equal(classifier.classes_, ["Blip", "Koi_Fish", "Whistle"])
    np.testing.assert_allclose(
        classifier.predict_proba(X)[[0, 4, 8]],
        [[0.76354, 0.07969, 0.15676], [0.00708, 0.98469, 0.00823], [0.18213, 0.10442, 0.71345]],
        atol=1e-3,
    )
    assert classifier.durations_ == (1.0, 4.0)
    assert classifier.class_weight == {"Blip": 1.0, "Koi_Fish": 2.0, "Whistle": 1.0}
    assert len(classifier.history_) == 12
    assert classifier.history_[-1, "train_loss"] == pytest.approx(0.15510, abs=1e-5)


@pytest.fixture(scope="module")
def embeddings():
    """Two labeled classes, and a group that has no label."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 16)).astype(np.float32)
    X[:40] += 3
    X[40:80, 3:] -= 3
    return X, np.array(["Blip"] * 40 + ["Tomte"] * 40 + [None] * 40, dtype=object)


@pytest.mark.parametrize("method", ["combined", "knn", "mahalanobis", "energy"])
def test_novelty_detector_is_the_same_after_a_round_trip(embeddings, tmp_path, method):
    X, y = embeddings
    detector = NoveltyDetector(method, random_state=0).fit(X[:80], y[:80])
    loaded = round_trip(detector, tmp_path)
    np.testing.assert_array_equal(loaded.score_samples(X), detector.score_samples(X))
    np.testing.assert_array_equal(loaded.p_values(X), detector.p_values(X))
    assert loaded.offset_ == detector.offset_
    assert loaded.get_params() == detector.get_params()


class OwnHead(LogisticRegression):
    pass


def test_head_of_a_novelty_detector(embeddings, tmp_path):
    X, y = embeddings
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
    detector = NoveltyDetector("energy", head=head, random_state=0).fit(X[:80], y[:80])
    loaded = round_trip(detector, tmp_path)
    np.testing.assert_array_equal(loaded.score_samples(X), detector.score_samples(X))
    assert loaded.head[-1].C == 0.5
    head = OwnHead()
    detector = NoveltyDetector("energy", head=head, random_state=0).fit(X[:80], y[:80])
    with pytest.raises(TypeError, match="OwnHead"):
        skglitch.save(detector, tmp_path / "model")


def test_new_class_finder_is_the_same_after_a_round_trip(embeddings, tmp_path):
    X, y = embeddings
    finder = NewClassFinder(random_state=0).fit(X, y)
    loaded = round_trip(finder, tmp_path)
    for name in ("labels_", "embedding_", "probabilities_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(finder, name))
    pd.testing.assert_frame_equal(loaded.clusters_, finder.clusters_)
    np.testing.assert_array_equal(loaded.predict(X), finder.predict(X))
    np.testing.assert_array_equal(
        loaded.detector_.score_samples(X), finder.detector_.score_samples(X)
    )


def test_similarity_index_is_the_same_after_a_round_trip(embeddings, tmp_path):
    X, _ = embeddings
    ids = [f"glitch-{number}" for number in range(len(X))]
    index = SimilarityIndex().fit(X, ids=ids)
    loaded = round_trip(index, tmp_path)
    for found, expected in zip(loaded.kneighbors(X), index.kneighbors(X), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(loaded.ids_, index.ids_)
