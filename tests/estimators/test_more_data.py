"""partial_fit and add_classes: more data of known classes, and classes that come later."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

import skglitch
from skglitch import TruncatedCNNTransformer
from skglitch.estimators import SpectrogramAugment

from .conftest import TinyNet, make_stripes
from .test_cnn_classifier import PressCtrlC


@pytest.fixture
def known(tiny):
    """A classifier that knows all but the class in the middle of the alphabet."""
    X, y = make_stripes(n_each=8)
    old = y != "Koi_Fish"
    return tiny().fit(X[old], y[old])


def _of(label, n, seed=5):
    X, y = make_stripes(n_each=8, seed=seed)
    rows = np.flatnonzero(y == label)[:n]
    return X[rows], y[rows]


def _state(classifier):
    return {name: v.clone() for name, v in classifier.net_.module_.state_dict().items()}


def _same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


class TestPartialFit:
    def test_fits_what_is_not_fitted(self, tiny, stripes):
        X, y = stripes
        first = tiny().partial_fit(X, y, classes=np.unique(y))
        np.testing.assert_array_equal(first.predict_proba(X), tiny().fit(X, y).predict_proba(X))

    def test_trains_on(self, tiny, stripes):
        X, y = stripes
        classifier = tiny(max_epochs=2).fit(X, y)
        before, losses = _state(classifier), list(classifier.history_[:, "train_loss"])
        assert classifier.partial_fit(X, y) is classifier
        assert not _same(before, _state(classifier))
        assert classifier.history_[:2, "train_loss"] == losses
        assert classifier.history_[:, "epoch"] == [1, 2, 3, 4]
        assert classifier.net_.history is classifier.history_
        assert classifier.history_[-1, "train_loss"] < losses[0]
        assert classifier.score(X, y) >= 2 / 3

    def test_the_same_seed_trains_on_to_the_same_net(self, tiny, stripes):
        X, y = stripes
        first, second = (tiny(max_epochs=2).fit(X, y).partial_fit(X, y) for _ in range(2))
        assert _same(_state(first), _state(second))

    def test_one_known_class_alone(self, known):
        X, y = _of("Blip", 4)
        known.set_params(max_epochs=1, class_weight="balanced").partial_fit(X, y)
        np.testing.assert_array_equal(known.classes_, ["Blip", "Whistle"])
        assert known.score(X, y) == 1.0
        assert set(known.exemplar_classes_) == {"Blip"}

    def test_weights_of_absent_classes(self, known):
        X, y = _of("Blip", 4)
        weights = {"Blip": 2.0, "Whistle": 1.0}
        known.set_params(class_weight=weights, max_epochs=1).partial_fit(X, y)
        assert np.isfinite(known.history_[-1, "train_loss"])

    def test_parameters_that_were_set_meanwhile_count(self, known):
        before = _state(known)
        known.set_params(fine_tune="head", max_epochs=1).partial_fit(*_of("Blip", 4))
        after = _state(known)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved == {"head.weight", "head.bias"}
        assert known.net_.module_.augment is None
        known.set_params(augment=True).partial_fit(*_of("Blip", 4))
        assert isinstance(known.net_.module_.augment, SpectrogramAugment)

    @pytest.mark.parametrize(
        ("labels", "classes", "message"),
        [
            (
                ["Blip", "Chirp", "Tomte"],
                None,
                r"not know: Chirp, Tomte\. add_classes\(X, y\)",
            ),
            (["Blip", "Blip", "Blip"], ["Blip", "Tomte"], "are not those of the classifier"),
            ([1, 2, 2], None, "Mix of label input types"),
            ([0.5, 0.25, 0.1], None, "Unknown label type"),
            (["Blip"] * 2, None, "inconsistent numbers of samples"),
        ],
    )
    def test_bad_labels_are_named_and_change_nothing(self, known, labels, classes, message):
        before, history = _state(known), list(known.history_)
        X, _ = _of("Blip", 3)
        with pytest.raises(ValueError, match=message):
            known.partial_fit(X, labels, classes=classes)
        assert _same(before, _state(known))
        assert list(known.history_) == history

    @pytest.mark.parametrize(
        ("classes", "message"),
        [
            (["Blip", "Koi_Fish", "Tomte", "Whistle"], "no example of Tomte in classes"),
            (["Blip", "Whistle"], "y has Koi_Fish, which is not in classes"),
        ],
    )
    def test_classes_of_the_first_call(self, tiny, stripes, classes, message):
        X, y = stripes
        with pytest.raises(ValueError, match=message):
            tiny().partial_fit(X, y, classes=classes)

    def test_an_error_half_way_leaves_the_net_as_it_was(self, known):
        before, history = _state(known), list(known.history_)
        known.set_params(callbacks=[Fail()])
        with pytest.raises(RuntimeError, match="power cut"):
            known.partial_fit(*_of("Blip", 4))
        assert _same(before, _state(known))
        assert list(known.history_) == history

    def test_ctrl_c_is_a_warning_and_keeps_the_net_so_far(self, known):
        n_before = len(known.history_)
        known.set_params(callbacks=[PressCtrlC(2)], max_epochs=5)
        with pytest.warns(UserWarning, match="epoch 2 of 5"):
            known.partial_fit(*_of("Blip", 4))
        assert known.history_[:, "epoch"] == list(range(1, n_before + 3))
        assert not known.net_.module_.training

    def test_layers_that_were_frozen_learn_later(self, tiny, stripes):
        X, y = stripes
        classifier = tiny(fine_tune="head", max_epochs=1).fit(X, y)
        before = _state(classifier)
        classifier.set_params(fine_tune="all").partial_fit(X, y)
        name = "encoder.backbone.net.0.weight"
        assert not torch.equal(before[name], _state(classifier)[name])


class Fail(Callback):
    """Fails once the net has been changed."""

    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("power cut")


class TestAddClasses:
    @pytest.mark.parametrize("n", [1, 5])
    def test_learns_a_class_that_sorts_in_the_middle(self, known, n):
        X, y = make_stripes(n_each=6, seed=9)
        before, rows = _state(known), known.net_.module_.head.weight.detach().clone()
        old = known.predict_proba(X)
        assert known.add_classes(*_of("Koi_Fish", n)) is known
        np.testing.assert_array_equal(known.classes_, ["Blip", "Koi_Fish", "Whistle"])
        assert known.classes_.dtype == np.dtype("<U8")
        assert known.score(X, y) == 1.0
        head = known.net_.module_.head
        assert torch.equal(head.weight[[0, 2]], rows)
        after = _state(known)
        assert {n for n in before if n.startswith("encoder.")} == {
            n for n in after if n.startswith("encoder.") and torch.equal(before[n], after[n])
        }
        new = known.predict_proba(X)
        np.testing.assert_allclose(new.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(
            np.log(new[:, 0] / new[:, 2]), np.log(old[:, 0] / old[:, 1]), rtol=1e-4, atol=1e-4
        )

    def test_rows_are_where_the_convex_problem_has_its_minimum(self, known):
        X, y = _of("Koi_Fish", 3)
        features = np.concatenate([known.exemplars_, known._embed(X)]).astype(float)
        labels = np.concatenate([known.exemplar_classes_, y])
        known.add_classes(X, y)
        weight = known.net_.module_.head.weight.detach().numpy().astype(float)
        bias = known.net_.module_.head.bias.detach().numpy().astype(float)
        logits = features @ weight.T + bias
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = p[:, 1] / p.sum(axis=1)
        share = 1 / np.array([np.sum(labels == label) for label in labels])
        residual = share * (p - (labels == "Koi_Fish"))
        np.testing.assert_allclose(residual.sum(), 0, atol=1e-4)
        np.testing.assert_allclose(features.T @ residual + weight[1] / 10, 0, atol=1e-3)

    def test_several_at_once_longer_names_and_old_ones_beside_them(self, known):
        X, y = make_stripes(n_each=4, seed=2)
        y = np.where(y == "Koi_Fish", "A_very_long_name_of_a_new_class", y)
        dimmed, _ = _of("Blip", 4)
        X, y = np.concatenate([X, dimmed // 2]), np.concatenate([y, ["Zebra"] * 4])
        known.add_classes(X, y)
        expected = ["A_very_long_name_of_a_new_class", "Blip", "Whistle", "Zebra"]
        np.testing.assert_array_equal(known.classes_, expected)
        assert known.score(X, y) > 0.8

    def test_numbers_as_labels(self, tiny):
        X, y = make_stripes()
        codes = np.unique(y, return_inverse=True)[1] * 10
        old = codes != 10
        classifier = tiny().fit(X[old], codes[old]).add_classes(X[~old], codes[~old])
        np.testing.assert_array_equal(classifier.classes_, [0, 10, 20])
        assert classifier.score(X, codes) == 1.0
        with pytest.raises(ValueError, match="Mix of label input types"):
            classifier.add_classes(X[:2], ["Blip", "Blip"])

    def test_errors_change_nothing(self, known, tiny, stripes):
        before = _state(known)
        X, y = _of("Blip", 2)
        with pytest.raises(ValueError, match="partial_fit"):
            known.add_classes(X, y)
        with pytest.raises(ValueError, match="inconsistent numbers"):
            known.add_classes(X, ["Tomte"])
        with pytest.raises(ValueError, match=r"\(2, 32, 40\)"):
            known.add_classes(X[:, :2], ["Tomte"] * 2)
        assert _same(before, _state(known))
        with pytest.raises(NotFittedError, match="not fitted"):
            tiny().add_classes(*stripes)

    def test_a_class_of_which_nothing_is_kept_is_named(self, known):
        known.set_params(max_epochs=1).partial_fit(*_of("Blip", 4))
        X, y = _of("Koi_Fish", 4)
        with pytest.raises(ValueError, match="Whistle"):
            known.add_classes(X, y)
        more_X, more_y = _of("Whistle", 2)
        known.add_classes(np.concatenate([X, more_X]), np.concatenate([y, more_y]))
        assert known.score(X, y) == 1.0

    def test_a_glitch_of_weight_0_is_not_kept(self, tiny):
        X, y = make_stripes(n_each=4)
        weights = np.where(y == "Koi_Fish", 0.0, 1.0)
        weights[0] = 0
        classifier = tiny(max_epochs=1).fit(X, y, sample_weight=weights)
        kept = cdist(classifier._embed(X), classifier.exemplars_).min(axis=1) < 1e-4
        np.testing.assert_array_equal(kept, weights > 0)
        with pytest.raises(ValueError, match="no glitch of Koi_Fish is stored"):
            classifier.add_classes(X[:1], ["New"])
        classifier.set_params(class_weight={"Whistle": 0.0}).partial_fit(X, y)
        assert set(classifier.exemplar_classes_) == {"Blip", "Koi_Fish"}

    def test_missing_labels_are_named_by_their_row(self, known, tiny):
        X, y = make_stripes(n_each=2)
        for missing in (None, np.nan, pd.NA, np.ma.masked, "", " ", "nan"):
            labels, classes = [*y[:-1], missing], ["Blip", missing, "Whistle"]
            for method in (tiny().fit, tiny().partial_fit, known.partial_fit, known.add_classes):
                with pytest.raises(ValueError, match=r"y has no label .*row 5"):
                    method(X, labels)
            with pytest.raises(ValueError, match=r"y has no label .*row 5"):
                tiny().partial_fit(X, labels, classes=np.unique(y))
            for classifier in (tiny(), known):
                with pytest.raises(ValueError, match=r"classes has no label .*row 1"):
                    classifier.partial_fit(X, y, classes=classes)

    def test_masked_labels_pixels_and_weights_are_refused(self, tiny, stripes):
        X, y = stripes
        hidden = np.arange(len(y)) == 3
        with pytest.raises(ValueError, match=r"y has no label .*row 3"):
            tiny().fit(X, np.ma.array(y, mask=hidden))
        with pytest.raises(ValueError, match=r"X contains NaN .*\(3\)"):
            tiny().fit(
                np.ma.array(X, mask=np.broadcast_to(hidden[:, None, None, None], X.shape)), y
            )
        with pytest.raises(ValueError, match="sample_weight contains NaN"):
            tiny().fit(X, y, sample_weight=np.ma.array(np.ones(len(y)), mask=hidden))

    def test_kept_glitches_are_few_and_of_all_classes(self, tiny):
        X, y = make_stripes(n_each=30)
        old = y != "Koi_Fish"
        classifier = tiny(max_epochs=2).fit(X[old], y[old]).add_classes(X[~old], y[~old])
        kept, counts = np.unique(classifier.exemplar_classes_, return_counts=True)
        assert dict(zip(kept.tolist(), counts.tolist(), strict=True)) == {
            "Blip": 20,
            "Koi_Fish": 20,
            "Whistle": 20,
        }
        distances = cdist(classifier.exemplars_, classifier._embed(X))
        assert distances.min(axis=1).max() < 1e-4
        np.testing.assert_array_equal(y[distances.argmin(axis=1)], classifier.exemplar_classes_)

    @pytest.mark.filterwarnings("ignore:Only its weights are saved:UserWarning")
    def test_all_else_works_afterwards(self, known, tmp_path):
        X, y = make_stripes(n_each=6, seed=9)
        known.add_classes(*_of("Koi_Fish", 5))
        expected = known.predict_proba(X)
        again = pickle.loads(pickle.dumps(known))
        np.testing.assert_array_equal(again.predict_proba(X), expected)
        skglitch.save(known, tmp_path / "net.skglitch")
        loaded = skglitch.load(tmp_path / "net.skglitch", backbone=TinyNet)
        np.testing.assert_allclose(loaded.predict_proba(X), expected, atol=1e-6)
        np.testing.assert_array_equal(loaded.classes_, known.classes_)
        assert not hasattr(clone(known), "classes_")
        features = TruncatedCNNTransformer(known).fit_transform(X)
        np.testing.assert_allclose(features, known._embed(X), atol=1e-6)
        fourth, _ = _of("Koi_Fish", 4)
        for classifier in (known, again, loaded):
            classifier.add_classes(fourth[:, :, ::2].repeat(2, axis=2) // 3, ["Aardvark"] * 4)
            assert classifier.classes_[0] == "Aardvark"
            assert classifier.predict_proba(X).shape == (len(X), 4)
            classifier.set_params(max_epochs=2).partial_fit(X, y)
            assert classifier.score(X, y) == 1.0

    def test_the_optimizer_holds_the_new_last_layer(self, known):
        known.add_classes(*_of("Koi_Fish", 2))
        held = {id(p) for group in known.net_.optimizer_.param_groups for p in group["params"]}
        assert held == {id(p) for p in known.net_.module_.parameters()}
