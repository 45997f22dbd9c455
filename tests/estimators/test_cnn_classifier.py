"""CNNClassifier: labels, shapes, views, weights, freezing, interruption, bad input."""

from __future__ import annotations

import io
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback
from torch import nn

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch._training import read_images
from skglitch.estimators import Encoder

from .conftest import TinyNet, make_stripes


def test_learns_and_answers_in_the_labels_it_was_given(tiny, stripes):
    X, y = stripes
    classifier = tiny().fit(X, y)
    new_X, new_y = make_stripes(seed=1)
    assert classifier.score(new_X, new_y) == 1.0
    assert classifier.predict(X).dtype == y.dtype
    np.testing.assert_array_equal(classifier.classes_, ["Blip", "Koi_Fish", "Whistle"])


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["Blip", "Koi_Fish", "Whistle"], dtype=object),
        np.array([7, -3, 100]),
        np.array([2.0, 0.0, 5.0]),
        np.array(["c", "a", "b"]),
    ],
)
def test_labels_of_any_kind_come_back(tiny, stripes, labels):
    X, y = stripes
    codes = np.unique(y, return_inverse=True)[1]
    classifier = tiny().fit(X, labels[codes])
    np.testing.assert_array_equal(classifier.classes_, np.sort(labels))
    np.testing.assert_array_equal(classifier.predict(X), labels[codes])


def test_booleans_are_labels(tiny, stripes):
    X, y = stripes
    predicted = tiny().fit(X, y == "Blip").predict(X)
    assert predicted.dtype == bool
    np.testing.assert_array_equal(predicted, y == "Blip")


def test_probabilities_sum_to_one_and_follow_classes(tiny, stripes):
    X, y = stripes
    classifier = tiny().fit(X, y)
    probabilities = classifier.predict_proba(X)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (len(X), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(classifier.classes_[probabilities.argmax(1)], y)


def test_same_seed_same_net_and_the_global_generator_is_left_alone(tiny, stripes):
    X, y = stripes
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = tiny(augment=True).fit(X, y).predict_proba(X)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(99)
    second = tiny(augment=True).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(first, second)
    other = tiny(augment=True, random_state=1).fit(X, y).predict_proba(X)
    assert np.abs(first - other).max() > 1e-4


@pytest.mark.parametrize(
    ("views", "n_views", "width_factor"),
    [
        ("mosaic", 4, 1),
        ("channels", 4, 1),
        ("separate", 4, 4),
        (1.0, 4, 1),
        ((0.5, 2.0, 4.0), 4, 1),
        ((0.5, 4.0), 4, 1),
        ("mosaic", 1, 1),
        ("channels", 1, 1),
        ("separate", 1, 1),
        (4.0, 1, 1),
        ("channels", 2, 1),
        ("mosaic", 3, 1),
    ],
)
def test_every_view_layout_learns(tiny, views, n_views, width_factor):
    X, y = make_stripes(n_views=n_views)
    classifier = tiny(views=views, max_epochs=20).fit(X, y)
    assert classifier.net_.module_.head.in_features == 256 * width_factor
    assert classifier.score(X, y) == 1.0


def test_one_duration_sees_only_that_view(tiny):
    X, y = make_stripes()
    classifier = tiny(views=2.0).fit(X, y)
    changed = X.copy()
    changed[:, [0, 1, 3]] = 0
    np.testing.assert_array_equal(classifier.predict_proba(X), classifier.predict_proba(changed))
    changed = X.copy()
    changed[:, 2] = 0
    assert np.abs(classifier.predict_proba(X) - classifier.predict_proba(changed)).max() > 0.1


@pytest.mark.parametrize(
    ("params", "n_views", "message"),
    [
        ({"views": 3.0}, 4, r"views=3.0 asks for a duration of 3.0 s"),
        ({"views": 1.0}, 2, r"views=1.0 .*durations"),
        ({"views": "both"}, 4, r"views='both' is not one of 'mosaic'"),
        ({"views": (0.5, 1.0, 2.0, 4.0)}, 4, r"tuple of up to three durations"),
        ({"fine_tune": "layer9"}, 4, r"fine_tune='layer9' is not a layer"),
        ({"backbone": "resnet5O"}, 4, r"Did you mean 'resnet50'"),
        ({"backbone": "resnet18", "weights": "imagenett"}, 4, r"weights='imagenett' must be"),
        ({"backbone": "resnet18", "weights": "no/such.pth"}, 4, r"no file 'no/such.pth'"),
        ({"device": "cuda:7"}, 4, r"device='cuda:7' is not there"),
        ({"device": "gpu"}, 4, r"device='gpu' is not a device"),
        ({"image_shape": (5, 5)}, 4, r"image_shape=\(5, 5\).*does not fit X"),
        ({"image_shape": (0, 5)}, 4, r"image_shape=\(0, 5\) is not \(height, width\)"),
        ({"max_epochs": 0}, 4, r"'max_epochs' parameter"),
        ({"learning_rate": -1.0}, 4, r"'learning_rate' parameter"),
        ({"precision": "float8"}, 4, r"'precision' parameter"),
        ({"class_weight": {"Chirp": 2.0}}, 4, r"class_weight"),
        ({"head_init": "random"}, 4, r"'head_init' parameter .*'auto'.*Got 'random'"),
        ({"encoder": "auto"}, 4, r"'encoder' parameter of CNNClassifier"),
        ({"encoder": Encoder(pooling="median")}, 4, r"'pooling' parameter of Encoder .*'std'"),
        ({"encoder": Encoder(n_bands=0)}, 4, r"'n_bands' parameter"),
        ({"encoder": Encoder(colormap="jet")}, 4, r"'colormap' parameter .*'viridis'"),
        ({"encoder": Encoder(input_size="large")}, 4, r"'input_size' parameter .*'native'"),
        ({"encoder": Encoder(layer=3)}, 4, r"'layer' parameter"),
        ({"encoder": Encoder(durations=4.0)}, 4, r"'durations' parameter"),
        ({"fine_tune": "gradual"}, 4, r"fine_tune='gradual' is not a layer"),
    ],
)
def test_bad_parameter_is_named(tiny, params, n_views, message):
    X, y = make_stripes(n_views=n_views)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        tiny(**params).fit(X, y)


def test_bad_labels_are_named(tiny, stripes):
    X, y = stripes
    with pytest.raises(ValueError, match=r"one class .*'Blip'"):
        tiny().fit(X, np.full(len(X), "Blip"))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        tiny().fit(X, y[:-1])
    with pytest.raises(ValueError, match="Unknown label type"):
        tiny().fit(X, np.linspace(0, 1, len(X)))


@pytest.mark.parametrize("missing", [None, np.nan, ""])
def test_missing_labels_are_named_by_row(tiny, stripes, missing):
    X, y = stripes
    classifier = tiny(max_epochs=1).fit(X, y)
    y = y.astype(object)
    y[[4, 7]] = missing
    for learn in (tiny().fit, classifier.partial_fit, classifier.add_classes):
        with pytest.raises(ValueError, match=rf"label .* 2 of {len(y)} .*row 4"):
            learn(X, y)


def test_minus_one_is_no_label_but_beside_one(tiny, stripes):
    X, y = stripes
    codes = np.unique(y, return_inverse=True)[1] - 1  # -1, 0 and 1
    with pytest.raises(ValueError, match=r"6 of 18 .*row 0"):
        tiny().fit(X, codes)
    # scikit-learn requires a classifier to learn these two classes.
    classifier = tiny(max_epochs=1).fit(X[codes != 0], codes[codes != 0])
    np.testing.assert_array_equal(classifier.classes_, [-1, 1])
    classifier.partial_fit(X[codes == -1], codes[codes == -1])


def test_one_sample_a_class_is_enough(tiny, stripes):
    X, y = stripes
    rows = [0, 6, 12]
    classifier = tiny(max_epochs=20).fit(X[rows], y[rows])
    np.testing.assert_array_equal(classifier.predict(X[rows]), y[rows])
    with pytest.raises(ValueError, match="early_stopping=True"):
        tiny(early_stopping=True).fit(X[rows], y[rows])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gaps_are_named_by_row(tiny, stripes, bad):
    X, y = stripes
    broken = X.astype(np.float32)
    broken[[3, 8], 0, 2, 2] = bad
    with pytest.raises(ValueError, match=r"NaN .* 2 of 18 rows \(3, 8\)"):
        tiny().fit(broken, y)
    classifier = tiny().fit(X, y)
    with pytest.raises(ValueError, match=r"NaN .* 2 of 18"):
        classifier.predict(broken)


def test_values_that_cannot_be_uint8_are_refused(tiny, stripes):
    X, y = stripes
    classifier = tiny().fit(X, y)
    wrong = X.astype(np.float32)
    wrong[4, 0, 0, 0] = -1
    with pytest.raises(ValueError, match=r" -1 .*row 4"):
        classifier.predict(wrong)
    with pytest.warns(UserWarning, match="multiply by 10"):
        classifier.predict(X / 10)
    same = classifier.predict_proba(X.astype(np.float64))
    np.testing.assert_allclose(same, classifier.predict_proba(X), atol=1e-6)


def test_floats_are_scaled_by_the_range_seen_in_fit(tiny, stripes):
    X, y = stripes
    decibel = -80 + X / 4.0
    classifier = tiny().fit(decibel, y)
    assert classifier.scale_.low == decibel.min()
    assert classifier.scale_.high == decibel.max()
    assert classifier.score(decibel, y) == 1.0
    with pytest.warns(UserWarning, match="far outside"):
        classifier.predict(decibel * 10)


@pytest.mark.parametrize(
    "convert",
    [
        lambda X: pd.DataFrame(X).astype("UInt8"),
        lambda X: pd.DataFrame(X).astype("uint8[pyarrow]"),
        lambda X: pd.DataFrame(X).astype({0: "UInt8", 1: "Int64"}),
        lambda X: pd.DataFrame(X).astype("Int16"),
        lambda X: pd.DataFrame(X).astype({0: object}),
        lambda X: pd.read_csv(io.StringIO(pd.DataFrame(X).to_csv(index=False))),
        lambda X: X.astype(object),
        lambda X: X.astype(">i4"),
        lambda X: X.tolist(),
        memoryview,
    ],
    ids=["UInt8", "pyarrow", "mixed", "Int16", "column", "CSV", "object", ">i4", "list", "memory"],
)
def test_bytes_of_any_type_have_the_range_of_uint8(convert):
    X = np.random.default_rng(0).integers(5, 99, (4, 16), dtype=np.uint8)
    images = read_images(CNNClassifier(), convert(X), reset=True)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images.reshape(4, 16), X)


@pytest.mark.parametrize("dtype", ["UInt8", "uint8[pyarrow]"])
def test_dark_bytes_of_pandas_are_no_energies(tiny, stripes, dtype):
    X, y = stripes[0][:, :1, ::4, ::4].reshape(18, -1), stripes[1]
    classifier = tiny(image_shape=(8, 10), max_epochs=1).fit(pd.DataFrame(X).astype(dtype), y)
    dark = pd.DataFrame(X // 10)
    # Warnings are errors.
    prob = classifier.predict_proba(dark.astype(dtype))
    np.testing.assert_array_equal(prob, classifier.predict_proba(dark))


@pytest.mark.parametrize("top", [1, 25, 256, 4000])
def test_integers_that_are_no_bytes_are_scaled_by_their_range(top):
    X = np.array([[0, top], [top, 0]])
    classifier = CNNClassifier()
    read_images(classifier, X, reset=True)
    assert (classifier.scale_.low, classifier.scale_.high) == (0, top)


def test_shapes_that_mean_the_same(tiny):
    X, y = make_stripes(n_views=1)
    reference = tiny().fit(X, y).predict_proba(X)
    flat = X.reshape(len(X), -1)
    for same, params in [
        (X[:, 0], {}),
        (flat, {"image_shape": (32, 40)}),
        (flat, {"image_shape": (1, 32, 40)}),
        (list(X), {}),
    ]:
        classifier = tiny(**params).fit(same, y)
        np.testing.assert_array_equal(classifier.predict_proba(same), reference)
        np.testing.assert_array_equal(classifier.predict_proba(flat), reference)


def test_a_flat_sample_is_a_square_or_a_row(tiny):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 10)
    assert tiny(max_epochs=1).fit(rng.random((20, 64)), y).image_shape_ == (1, 8, 8)
    assert tiny(max_epochs=1).fit(rng.random((20, 7)), y).image_shape_ == (1, 1, 7)


def test_another_shape_in_predict_is_refused(tiny, stripes):
    X, y = stripes
    classifier = tiny().fit(X, y)
    with pytest.raises(ValueError, match=r"\(3, 32, 40\).*\(4,"):
        classifier.predict(X[:, :3])
    with pytest.raises(ValueError, match="5 dimensions"):
        classifier.predict(X[None])


def test_images_are_not_changed_and_memory_maps_are_read_in_place(tiny, stripes, tmp_path):
    X, y = stripes
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_disk = tiny(augment=True).fit(mapped, y).predict_proba(mapped)
    np.testing.assert_array_equal(from_disk, tiny(augment=True).fit(X, y).predict_proba(X))
    np.testing.assert_array_equal(X, make_stripes()[0])


def test_sample_weights_silence_wrong_labels(tiny, stripes):
    X, y = stripes
    wrong = y.copy()
    flipped = np.arange(len(y)) % 3 == 0
    wrong[flipped] = np.roll(np.unique(y), 1)[np.unique(y, return_inverse=True)[1][flipped]]
    classifier = tiny(max_epochs=25).fit(X, wrong, sample_weight=(~flipped).astype(float))
    np.testing.assert_array_equal(classifier.predict(X), y)
    with pytest.raises(ValueError, match="at least one non-zero"):
        tiny().fit(X, y, sample_weight=np.zeros(len(y)))


def test_class_weight_is_the_same_as_its_sample_weights(tiny, stripes):
    X, y = stripes
    X, y = X[:15], y[:15]
    weights = {"Blip": 1.0, "Koi_Fish": 3.0, "Whistle": 0.5}
    by_class = tiny(class_weight=weights).fit(X, y).predict_proba(X)
    by_sample = tiny().fit(X, y, sample_weight=[weights[label] for label in y]).predict_proba(X)
    np.testing.assert_array_equal(by_class, by_sample)
    assert np.abs(by_class - tiny().fit(X, y).predict_proba(X)).max() > 1e-5
    balanced = tiny(class_weight="balanced").fit(X, y).predict_proba(X)
    counts = {label: np.sum(y == label) for label in np.unique(y)}
    by_hand = tiny().fit(X, y, sample_weight=[5 / counts[label] for label in y]).predict_proba(X)
    np.testing.assert_allclose(balanced, by_hand, atol=1e-5)


class Spy(Callback):
    """Keeps the net's state before training."""

    def on_train_begin(self, net, **kwargs):
        self.before_ = {k: v.clone() for k, v in net.module_.state_dict().items()}


def _changed(classifier, spy):
    after = classifier.net_.module_.state_dict()
    return {name for name, value in spy.before_.items() if not torch.equal(value, after[name])}


@pytest.mark.parametrize(
    ("fine_tune", "frozen"),
    [("all", set()), ("head", set("01234567")), ("3", set("012")), ("4", set("0123"))],
)
def test_fine_tune_changes_what_it_says_and_nothing_else(tiny, stripes, fine_tune, frozen):
    X, y = stripes
    spy = Spy()
    classifier = tiny(fine_tune=fine_tune, callbacks=[("spy", spy)], augment=True).fit(X, y)
    spy = dict(classifier.net_.callbacks_)["spy"]
    names = set(spy.before_)
    prefixes = tuple(f"encoder.backbone.net.{layer}." for layer in frozen)
    still = {name for name in names if name.startswith(prefixes)}
    assert _changed(classifier, spy) == names - still


def test_callbacks_are_passed_on_and_history_is_kept(tiny, stripes):
    X, y = stripes
    classifier = tiny(max_epochs=3, callbacks=[("spy", Spy())]).fit(X, y)
    assert len(classifier.history_) == 3
    losses = classifier.history_[:, "train_loss"]
    assert losses[-1] < losses[0]
    assert dict(classifier.net_.callbacks_)["spy"].before_


def test_early_stopping_keeps_the_best_epoch(tiny, stripes):
    X, y = stripes
    classifier = tiny(
        early_stopping=True, n_iter_no_change=2, max_epochs=60, learning_rate=3e-2
    ).fit(X, y)
    losses = classifier.history_[:, "valid_loss"]
    assert len(losses) < 60
    assert len(losses) == np.argmin(losses) + 1 + 2
    assert "valid_acc" in classifier.history_[-1]
    assert classifier.net_.train_split is None


class PressCtrlC(Callback):
    """Interrupts in the middle of an epoch, as the user would."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, training, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


def test_ctrl_c_keeps_the_net_so_far(tiny, stripes):
    X, y = stripes
    with pytest.warns(UserWarning, match="epoch 9 of 50"):
        classifier = tiny(max_epochs=50, callbacks=[PressCtrlC(9)]).fit(X, y)
    assert classifier.score(X, y) > 0.5
    assert not classifier.net_.module_.training


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_divergence_is_an_error_that_says_what_to_do(tiny, stripes):
    X, y = stripes
    with pytest.raises(ValueError, match=r"nan in epoch \d+.*learning_rate"):
        tiny(learning_rate=1e30, net_params={"optimizer__weight_decay": 0.0}).fit(X, y)


def test_pickle_and_clone(tiny, stripes):
    X, y = stripes
    classifier = tiny().fit(X, y)
    copy = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(copy.predict_proba(X), classifier.predict_proba(X))
    again = clone(classifier)
    assert not hasattr(again, "net_")
    assert again.get_params()["backbone"] is TinyNet
    with pytest.raises(NotFittedError):
        again.predict(X)


def test_pickle_holds_neither_images_nor_optimizer_state(tiny):
    X, y = make_stripes(n_each=200)
    classifier = tiny(max_epochs=1, early_stopping=True).fit(X, y)
    weights = sum(p.numel() * 4 for p in classifier.net_.module_.parameters())
    expected = weights + classifier.exemplars_.nbytes + 60_000
    assert len(pickle.dumps(classifier)) < expected < X.nbytes


def test_module_given_by_the_user_stays_as_it_was(stripes):
    X, y = stripes
    net = TinyNet()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    classifier = CNNClassifier(net, max_epochs=1, batch_size=8, random_state=0).fit(X, y)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert classifier.net_.module_.head.out_features == 3


def test_module_that_cannot_work_is_named(tiny, stripes):
    X, y = stripes
    with pytest.raises(ValueError, match="Conv2d"):
        tiny(backbone=nn.ReLU()).fit(X, y)
    with pytest.raises(ValueError, match="fails on a batch of shape"):
        tiny(backbone=nn.Sequential(nn.Flatten(), nn.Linear(3, 4), nn.Linear(4, 2))).fit(X, y)
    with pytest.raises(ValueError, match="nor a callable that returns one"):
        tiny(backbone=dict).fit(X, y)


def test_auto_epochs_give_few_images_enough_steps(tiny, stripes):
    X, y = stripes
    few = tiny(max_epochs="auto", batch_size=32).fit(X, y)
    many = tiny(max_epochs="auto", batch_size=1).fit(X, y)
    assert len(few.history_) > len(many.history_)


def test_a_net_that_starts_at_random_gets_more_steps(tiny, stripes):
    X, y = stripes
    random, regressed = (
        tiny(max_epochs="auto", head_init=start).fit(X, y) for start in ("auto", "regression")
    )
    n_batches = len(regressed.history_[0, "batches"])
    assert len(regressed.history_) * n_batches >= 40
    assert len(random.history_) * n_batches >= 200


def test_progress_is_shown_only_when_asked_for(tiny, stripes, capfd):
    X, y = stripes
    tiny(max_epochs=2).fit(X, y).predict(X)
    assert capfd.readouterr() == ("", "")
    tiny(max_epochs=2, verbose=1).fit(X, y).predict(X)
    shown = capfd.readouterr()
    assert "2/2" in shown.err
    assert "train_loss" in shown.err


def test_statistics_of_the_default_backbone_are_kept(stripes):
    X, y = stripes
    classifier = CNNClassifier(max_epochs=1, views=4.0, random_state=0).fit(X, y)
    module = classifier.net_.module_
    assert module.batch_norm_is_fixed
    fresh = classifier._build_module().state_dict()
    statistics = [name for name in fresh if name.endswith(("running_mean", "running_var"))]
    assert len(statistics) > 50
    assert all(torch.equal(fresh[name], module.state_dict()[name]) for name in statistics)


def test_few_steps_predict_as_they_were_trained(stripes):
    """Averaged over a few steps, batch-norm statistics would still be those of no images."""
    X, y = stripes
    classifier = CNNClassifier(
        TinyNet, max_epochs=4, learning_rate=1e-2, augment=False, random_state=0
    ).fit(X, y)
    norm = classifier.net_.module_.encoder.backbone.net[1]
    assert classifier.score(X, y) == 1.0
    assert norm.num_batches_tracked == 1


@pytest.mark.parametrize(
    ("n_views", "params", "expected"),
    [
        (4, {}, (0.5, 1.0, 2.0, 4.0)),
        (1, {}, None),
        (1, {"views": 4.0}, (4.0,)),
        (2, {"encoder": Encoder(durations=(1, 4))}, (1.0, 4.0)),
    ],
)
def test_durations_that_do_not_fit_the_views_are_not_assumed(n_views, params, expected):
    X, y = make_stripes(n_each=2, n_views=n_views, size=(32, 40))
    classifier = CNNClassifier("test_efficientnet", weights=None, max_epochs=1, **params)
    assert classifier.fit(X, y).durations_ == expected
    assert TruncatedCNNTransformer(classifier).fit(X).durations_ == expected
