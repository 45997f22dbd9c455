"""The learning rate that "auto" stands for."""

from __future__ import annotations

import pytest
from skorch.callbacks import Callback

from skglitch import CNNClassifier

from .conftest import TinyNet, make_stripes


@pytest.mark.parametrize(
    ("head_init", "rate"), [("auto", 3e-4), ("regression", 3e-4), ("zeros", 1e-3)]
)
def test_auto_is_slower_where_the_net_starts_well(stripes, head_init, rate):
    X, y = stripes
    classifier = CNNClassifier(
        views=4.0, max_epochs=1, fine_tune="head", head_init=head_init, random_state=0
    ).fit(X, y)
    assert classifier.net_.lr == rate
    assert classifier.set_params(learning_rate=0.5).partial_fit(X, y).net_.lr == 0.5


class _Stop(Callback):
    """As if Ctrl-C had been pressed: what the net is to be trained with has been chosen by then."""

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
    assert _stopped("efficientnet_lite0", None, 600, head_init="regression").net_.lr == 3e-4


def test_auto_is_slow_for_a_net_that_is_trained_on():
    classifier = _stopped("efficientnet_lite0", "imagenet", 600)
    X, y = make_stripes(n_each=200, n_views=1, size=(32, 32))
    with pytest.warns(UserWarning, match="interrupted"):
        classifier.partial_fit(X, y)
    assert classifier.net_.lr == 3e-4
