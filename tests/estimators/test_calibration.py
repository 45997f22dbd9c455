"""Scikit-learn's calibration around nets: every method, images and flat rows."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.utils.fixes import parse_version

from skglitch.metrics import conformal_threshold, coverage_table, prediction_sets, top_k_scorer

from .conftest import make_stripes

HAS_TEMPERATURE = parse_version(sklearn.__version__) >= parse_version("1.8")
METHODS = [
    "sigmoid",
    "isotonic",
    pytest.param(
        "temperature",
        marks=pytest.mark.skipif(not HAS_TEMPERATURE, reason="new in scikit-learn 1.8"),
    ),
]


@pytest.fixture(params=["images", "flat"])
def form(request):
    """X as it is, or a row a sample with ``image_shape``."""
    if request.param == "images":
        return lambda X: X, {}
    return lambda X: X.reshape(len(X), -1), {"image_shape": (4, 32, 40)}


@pytest.mark.parametrize("method", METHODS)
class TestMethods:
    def check(self, calibrated, X, y, n_nets):
        prob = calibrated.predict_proba(X)
        assert prob.shape == (len(X), 3)
        np.testing.assert_allclose(prob.sum(axis=1), 1, rtol=1e-6)
        assert calibrated.classes_.tolist() == ["Blip", "Koi_Fish", "Whistle"]
        assert len(calibrated.calibrated_classifiers_) == n_nets
        assert np.mean(calibrated.predict(X) == y) > 0.9
        assert top_k_scorer(2)(calibrated, X, y) > 0.9

    def test_fitted_net(self, tiny, stripes, form, method):
        shape, params = form
        X, y = stripes
        frozen = FrozenEstimator(tiny(**params).fit(shape(X), y))
        X_other, y_other = make_stripes(seed=1)
        calibrated = CalibratedClassifierCV(frozen, method=method).fit(shape(X_other), y_other)
        assert calibrated.calibrated_classifiers_[0].estimator.net_ is frozen.net_
        self.check(calibrated, shape(X), y, n_nets=1)

    @pytest.mark.parametrize(("ensemble", "n_nets"), [(True, 2), (False, 1)])
    def test_by_cross_validation(self, tiny, stripes, form, method, ensemble, n_nets):
        shape, params = form
        X, y = stripes
        calibrated = CalibratedClassifierCV(
            tiny(max_epochs=6, **params), method=method, cv=2, ensemble=ensemble
        )
        self.check(calibrated.fit(shape(X), y), shape(X), y, n_nets)


@pytest.mark.skipif(not HAS_TEMPERATURE, reason="new in scikit-learn 1.8")
class TestTemperature:
    # Probabilities of single precision in double precision are off by more than it expects.
    @pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")
    def test_is_one_number_that_lowers_the_loss_and_keeps_the_order(self, tiny, stripes):
        X, y = stripes
        # Half of the labels are wrong: a net that was sure of them is far too sure.
        X_other, y_other = make_stripes(12, seed=1)
        wrong = np.random.default_rng(0).permutation(y_other)
        y_other = np.where(np.arange(len(y_other)) % 2, y_other, wrong)
        classifier = tiny().fit(X, y)
        calibrated = CalibratedClassifierCV(FrozenEstimator(classifier), method="temperature")
        calibrated.fit(X_other, y_other)
        (calibrator,) = calibrated.calibrated_classifiers_[0].calibrators
        assert 0 < calibrator.beta_ < 1
        before, after = classifier.predict_proba(X_other), calibrated.predict_proba(X_other)
        np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
        assert log_loss(y_other, after) < log_loss(y_other, before)
        expected = before.astype(np.float64) ** calibrator.beta_
        expected /= expected.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(after, expected, atol=1e-3)


def test_prediction_sets_of_a_net(tiny, stripes):
    X, y = stripes
    classifier = tiny().fit(X, y)
    (X_held, y_held), (X_new, y_new) = make_stripes(12, seed=1), make_stripes(12, seed=2)
    labels = classifier.classes_
    threshold = conformal_threshold(y_held, classifier.predict_proba(X_held), labels=labels)
    sets = prediction_sets(classifier.predict_proba(X_new), threshold)
    assert sets.shape == (36, 3)
    assert coverage_table(y_new, sets, labels=labels).high["all"] >= 0.9
