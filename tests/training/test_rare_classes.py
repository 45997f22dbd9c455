"""What helps rare classes and small sets: losses, balanced batches, mixing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skglitch._training import BalancedBatches, GlitchLoss, GlitchNetClassifier

from ..estimators.conftest import make_stripes
from ..estimators.conftest import tiny as tiny  # the fixture of the estimators

LOGITS = np.array([[2.0, 0.0, -1.0], [0.5, 1.0, 0.0], [0.0, 0.0, 3.0]])
TARGETS = np.array([0, 0, 2])


def _loss(loss, weights=None):
    weights = None if weights is None else torch.tensor(weights, dtype=torch.float32)
    logits = torch.tensor(LOGITS, dtype=torch.float32)
    return loss(logits, torch.tensor(TARGETS), weights).item()


def _softmax(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_by_hand(gamma):
    p = _softmax(LOGITS)[np.arange(3), TARGETS]
    losses = (1 - p) ** gamma * -np.log(p)
    assert _loss(GlitchLoss(focal_gamma=gamma)) == pytest.approx(losses.mean(), rel=1e-5)
    weights = [0.5, 2.0, 0.5]
    expected = np.mean(losses * weights)
    assert _loss(GlitchLoss(focal_gamma=gamma), weights) == pytest.approx(expected, rel=1e-5)


def test_logit_adjusted_loss_by_hand():
    prior = np.array([0.7, 0.2, 0.1])
    p = _softmax(LOGITS + np.log(prior))[np.arange(3), TARGETS]
    assert _loss(GlitchLoss(prior=prior)) == pytest.approx(-np.log(p).mean(), rel=1e-5)
    even = np.full(3, 1 / 3)
    assert _loss(GlitchLoss(prior=even)) == pytest.approx(_loss(GlitchLoss()), rel=1e-5)


def test_label_smoothing_by_hand():
    log_p = np.log(_softmax(LOGITS))
    labels = np.eye(3)[TARGETS] * 0.7 + 0.3 / 3
    expected = -(labels * log_p).sum(axis=1).mean()
    assert _loss(GlitchLoss(label_smoothing=0.3)) == pytest.approx(expected, rel=1e-5)


def test_adjusted_logits_make_a_rare_class_more_probable(tiny):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (40, 1, 32, 32), dtype=np.uint8)
    y = np.repeat([0, 1], [36, 4])
    # Noise tells nothing of the class: what is predicted for other noise is the prior.
    new = rng.integers(0, 255, (40, 1, 32, 32), dtype=np.uint8)
    params = {"fine_tune": "head", "batch_norm": "keep", "max_epochs": 30, "learning_rate": 1e-2}
    plain = tiny(**params).fit(X, y).predict_proba(new)[:, 1].mean()
    adjusted = tiny(**params, loss="logit_adjusted").fit(X, y).predict_proba(new)[:, 1].mean()
    assert plain < 0.25
    assert adjusted > 0.35


def test_two_ways_at_once_are_refused(tiny):
    with pytest.raises(ValueError, match="'logit_adjusted' and balanced_batches=True both"):
        tiny(loss="logit_adjusted", balanced_batches=True).fit(*make_stripes())


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    batch_size=st.integers(1, 40),
    seed=st.integers(0, 5),
)
def test_balanced_epochs(counts, batch_size, seed):
    targets = np.repeat(np.arange(len(counts)) * 2, counts)
    batches = BalancedBatches(targets, batch_size, seed)
    parts = list(batches)
    drawn = np.array(list(itertools.chain.from_iterable(parts)))
    assert len(parts) == len(batches) == -(-len(targets) // batch_size)
    assert max(map(len, parts)) <= batch_size
    assert len(drawn) == len(targets)
    of_class = np.bincount(targets[drawn], minlength=targets.max() + 1)[::2]
    assert of_class.max() - of_class.min() <= 1
    times = np.bincount(drawn, minlength=len(targets))
    for code in np.unique(targets):
        # No sample comes a second time before all of its class have come.
        assert np.ptp(times[targets == code]) <= 1


def test_balanced_batches_change_from_epoch_to_epoch_and_repeat_with_the_seed():
    targets = np.repeat([0, 1], [20, 5])
    first, again = BalancedBatches(targets, 8, seed=1), BalancedBatches(targets, 8, seed=1)
    epochs = [list(first), list(first)]
    assert epochs[0] != epochs[1]
    assert epochs == [list(again), list(again)]


def test_balanced_training_sees_all_classes_alike(tiny, monkeypatch):
    X, y = make_stripes()
    rows = np.r_[0:6, 6:12, 12:13]
    seen = []
    get_loss = GlitchNetClassifier.get_loss

    def counted(self, y_pred, y_true, **kwargs):
        seen.extend(y_true.tolist())
        return get_loss(self, y_pred, y_true, **kwargs)

    monkeypatch.setattr(GlitchNetClassifier, "get_loss", counted)
    tiny(balanced_batches=True, max_epochs=3).fit(X[rows], y[rows])
    counts = np.bincount(seen)
    assert counts.sum() == 3 * len(rows)
    assert counts.max() - counts.min() <= 3


class TestMixup:
    @pytest.fixture
    def net(self, tiny):
        X, y = make_stripes()
        return tiny(mixup=0.4, max_epochs=1, precision="float32").fit(X, y).net_

    def test_targets_are_mixed_with_the_share_of_the_images(self, net, monkeypatch):
        rng = np.random.default_rng(0)
        images = torch.from_numpy(rng.integers(0, 255, (3, 4, 32, 40), dtype=np.uint8))
        targets, weights = torch.tensor([0, 1, 2]), torch.tensor([0.5, 1.0, 1.5])
        partner = torch.tensor([2, 0, 1])
        monkeypatch.setattr(net, "_draw_mix", lambda n: (0.3, partner))
        net.module_.zero_grad()
        step = net.train_step_single(({"images": images, "sample_weight": weights}, targets))
        mixed = 0.3 * images / 255 + 0.7 * images[partner] / 255
        net.module_.train()
        log_p = net.module_(mixed).log_softmax(dim=1).detach().numpy()
        rows = np.arange(3)
        own = -log_p[rows, targets] * weights.numpy()
        other = -log_p[rows, targets[partner]] * weights[partner].numpy()
        assert step["loss"].item() == pytest.approx((0.3 * own + 0.7 * other).mean(), rel=1e-4)
        assert net.module_.head.weight.grad.abs().max() > 0

    def test_is_reproducible_and_does_something(self, tiny):
        X, y = make_stripes()
        params = {"max_epochs": 2}
        weights = np.linspace(0.5, 1.5, len(y))
        first, second = (
            tiny(mixup=0.4, **params).fit(X, y, sample_weight=weights).predict_proba(X)
            for _ in range(2)
        )
        np.testing.assert_array_equal(first, second)
        plain = tiny(**params).fit(X, y, sample_weight=weights).predict_proba(X)
        assert np.abs(first - plain).max() > 1e-4

    def test_learns_and_validates_on_what_is_not_mixed(self, tiny):
        X, y = make_stripes(n_each=12)
        classifier = tiny(mixup=0.2, early_stopping=True, augment=True, max_epochs=20).fit(X, y)
        assert classifier.score(*make_stripes(seed=3)) == 1.0
        losses = classifier.history_[-1]
        assert losses["valid_loss"] < losses["train_loss"]

    def test_shares_are_of_a_beta_distribution(self, net):
        torch.manual_seed(0)
        shares = np.array([net._draw_mix(4)[0] for _ in range(400)])
        # Mean 1/2 and variance 1 / (4 (2 a + 1)) for both parameters a.
        assert shares.mean() == pytest.approx(0.5, abs=0.06)
        assert shares.var() == pytest.approx(0.25 / 1.8, rel=0.15)
        assert sorted(net._draw_mix(4)[1].tolist()) == [0, 1, 2, 3]
