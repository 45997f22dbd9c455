"""The test of learning rates."""

from __future__ import annotations

import numpy as np
import pytest
from skorch.callbacks import Callback

from skglitch import CNNClassifier
from skglitch.estimators import LearningRateRange, learning_rate_range
from skglitch.estimators._learning_rate import _smoothed, _suggested

from .conftest import TinyNet, make_stripes


@pytest.fixture(scope="module")
def hard():
    """Stripes of which every fifth has a wrong label: the loss cannot go to zero."""
    X, y = make_stripes(n_each=10)
    y[::5] = np.roll(np.unique(y), 1)[np.unique(y, return_inverse=True)[1][::5]]
    return X, y


def test_loss_falls_and_then_explodes(tiny, hard):
    result = learning_rate_range(tiny(), *hard, lowest=1e-5, highest=1e3, n_steps=80)
    assert isinstance(result, LearningRateRange)
    n = len(result.rates)
    assert len(result.losses) == len(result.smoothed) == n < 80
    np.testing.assert_allclose(result.rates, np.geomspace(1e-5, 1e3, 80)[:n])
    assert result.losses[0] == pytest.approx(np.log(3), abs=1e-4)
    lowest = result.smoothed.argmin()
    assert result.smoothed[lowest] < 0.8 * result.smoothed[0]
    assert result.smoothed[-1] > 4 * result.smoothed[8:].min()
    assert np.all(result.smoothed[8:-1] <= 4 * np.minimum.accumulate(result.smoothed[8:-1]))
    assert result.rates[0] < result.suggestion <= 0.1 * result.rates[lowest]


def test_classifier_is_left_as_it_is_and_the_seed_repeats(tiny, stripes):
    X, y = stripes
    classifier = tiny()
    before = dict(vars(classifier))
    first = learning_rate_range(classifier, X, y, n_steps=5)
    assert vars(classifier) == before
    second = learning_rate_range(classifier, X, y, n_steps=5)
    np.testing.assert_array_equal(first.losses, second.losses)
    classifier.fit(X, y)
    expected = classifier.predict_proba(X)
    third = learning_rate_range(classifier, X, y, n_steps=5)
    np.testing.assert_array_equal(first.losses, third.losses)
    np.testing.assert_array_equal(classifier.predict_proba(X), expected)


def test_first_steps_are_those_of_fit_at_that_rate(tiny, stripes):
    X, y = stripes
    classifier = tiny(batch_size=18, max_epochs=1, learning_rate=123.0)
    result = learning_rate_range(classifier, X, y, n_steps=2)
    assert result.losses[0] == pytest.approx(
        classifier.fit(X, y).history_[0, "train_loss"], rel=1e-5
    )


def test_trunk_factor_keeps_its_meaning(tiny, stripes):
    X, y = stripes
    params = {"lowest": 1e-3, "highest": 0.5, "n_steps": 6}
    still = learning_rate_range(tiny(trunk_factor=0.0, batch_norm="keep"), X, y, **params)
    head = learning_rate_range(tiny(fine_tune="head", batch_norm="keep"), X, y, **params)
    whole = learning_rate_range(tiny(batch_norm="keep"), X, y, **params)
    np.testing.assert_allclose(still.losses, head.losses, rtol=1e-5)
    assert np.abs(still.losses - whole.losses).max() > 1e-3


def test_sample_weights_count(tiny, stripes):
    X, y = stripes
    plain = learning_rate_range(tiny(), X, y, n_steps=4)
    weighted = learning_rate_range(tiny(), X, y, sample_weight=np.arange(1, 19), n_steps=4)
    assert np.abs(plain.losses - weighted.losses).max() > 1e-3


def test_smoothing_by_hand():
    losses = [2.0, 1.0, 4.0]
    weights = [1, 0.9, 0.81]
    expected = [
        2.0,
        (1.0 + 0.9 * 2.0) / (1 + 0.9),
        (4.0 + 0.9 * 1.0 + 0.81 * 2.0) / sum(weights),
    ]
    np.testing.assert_allclose(_smoothed(losses), expected)


def test_suggestion_by_hand():
    rates = np.geomspace(1e-5, 1.0, 20)
    smoothed = np.r_[0.5, 5.0, np.linspace(1.0, 0.0, 11), np.zeros(5), 0.1, 9.0]
    # Two steps to settle; then 1.0 falls to 0.0, of which nine tenths are done at the tenth step.
    assert _suggested(rates[:20], smoothed, 20) == pytest.approx(0.1 * rates[11])
    rising = np.linspace(1.0, 2.0, 20)
    assert _suggested(rates, rising, 20) == rates[0]
    assert _suggested(rates[:1], rising[:1], 20) == rates[0]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lowest": 0.1, "highest": 0.01}, r"lowest=0\.1 has to be below highest=0\.01"),
        ({"lowest": 0.0}, "'lowest' parameter"),
        ({"highest": -1.0}, "'highest' parameter"),
        ({"n_steps": 1}, "'n_steps' parameter"),
    ],
)
def test_bad_parameter_is_named(tiny, stripes, params, message):
    with pytest.raises(ValueError, match=message):
        learning_rate_range(tiny(), *stripes, **params)


def test_bad_classifier_is_named(tiny, stripes):
    with pytest.raises(ValueError, match="'classifier' parameter of learning_rate_range"):
        learning_rate_range("resnet18", *stripes)
    with pytest.raises(ValueError, match="'mixup' parameter of CNNClassifier"):
        learning_rate_range(tiny(mixup=-1.0), *stripes)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_loss_that_is_no_number_ends_it(tiny, stripes):
    params = {"weight_decay": 0.0}
    result = learning_rate_range(tiny(**params), *stripes, lowest=1e-3, highest=1e38, n_steps=20)
    assert len(result.losses) < 20
    assert np.isfinite(result.losses).all()


@pytest.mark.parametrize(("head_init", "rate"), [("auto", 3e-4), ("probe", 3e-4), ("zeros", 1e-3)])
def test_auto_is_slower_where_the_net_starts_well(stripes, head_init, rate):
    X, y = stripes
    classifier = CNNClassifier(
        views=4.0, max_epochs=1, fine_tune="head", head_init=head_init, random_state=0
    ).fit(X, y)
    assert classifier.net_.lr == rate
    assert classifier.set_params(learning_rate=0.5).partial_fit(X, y).net_.lr == 0.5


class _Stop(Callback):
    """As if Ctrl-C had been pressed: what the net is to be trained with is settled by then."""

    def on_batch_begin(self, net, **kwargs):
        raise KeyboardInterrupt


def _stopped(backbone, weights, n_images, **params):
    """A classifier that was stopped before its first step."""
    X, y = make_stripes(n_each=n_images // 3, n_views=1, size=(32, 32))
    params = {"callbacks": [_Stop()], "random_state": 0, **params}
    classifier = CNNClassifier(backbone, weights=weights, **params)
    with pytest.warns(UserWarning, match="interrupted"):
        return classifier.fit(X, y)


@pytest.mark.parametrize(("n_images", "rate"), [(3, 3e-4), (198, 3e-4), (600, 9e-4), (2100, 3e-3)])
def test_auto_rises_with_the_number_of_images(n_images, rate):
    classifier = _stopped("efficientnet_lite0", "imagenet", n_images)
    assert classifier.net_.lr == pytest.approx(rate)


def test_images_that_are_held_out_do_not_count():
    held_out = {"early_stopping": True, "validation_fraction": 0.5}
    classifier = _stopped("efficientnet_lite0", "imagenet", 600, **held_out)
    assert classifier.net_.lr == pytest.approx(300 * 1.5e-6)


def test_auto_rises_only_where_that_was_measured():
    assert _stopped(TinyNet, TinyNet().state_dict(), 600).net_.lr == 3e-4
    assert _stopped("efficientnet_lite0", "imagenet", 600, head_init="zeros").net_.lr == 1e-3
    assert _stopped("efficientnet_lite0", None, 600, head_init="probe").net_.lr == 3e-4


def test_auto_is_slow_for_a_net_that_is_trained_on():
    classifier = _stopped("efficientnet_lite0", "imagenet", 600)
    X, y = make_stripes(n_each=200, n_views=1, size=(32, 32))
    with pytest.warns(UserWarning, match="interrupted"):
        classifier.partial_fit(X, y)
    assert classifier.net_.lr == 3e-4
