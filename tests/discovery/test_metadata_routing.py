"""Weights reach the head of a novelty detector, however deep it is wrapped."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skglitch
from skglitch.discovery import NewClassFinder, NoveltyDetector

X = np.random.default_rng(0).normal(size=(40, 3)) + np.repeat(10 * np.eye(3)[:2], 20, axis=0)
Y = np.repeat(["Blip", "Tomte"], 20)
WEIGHTS = X[:, 0].copy()  # so that a head can tell whether it got those of its rows


class Head(ClassifierMixin, BaseEstimator):
    """A head that insists on the weights of its rows."""

    def fit(self, X, y, sample_weight=None):
        if sample_weight is None or not np.array_equal(sample_weight, X[:, 0]):
            raise AssertionError("weights are lost")
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return X[:, 0]


def make_detector(**request):
    return NoveltyDetector("energy", head=Head().set_fit_request(**request))


def test_weights_reach_the_head_of_a_detector():
    with pytest.raises(AssertionError, match="lost"):
        NoveltyDetector("energy", head=Head()).fit(X, Y)
    NoveltyDetector("energy", head=Head()).fit(X, Y, sample_weight=WEIGHTS)
    y = np.where(np.arange(40) % 5 == 0, "", Y)
    finder = NewClassFinder(detector=NoveltyDetector("energy", head=Head()), n_resamples=0)
    finder.fit(X, y, sample_weight=WEIGHTS)


def test_routed_weights_reach_the_head_of_a_detector():
    with sklearn.config_context(enable_metadata_routing=True):
        detector = make_detector(sample_weight="snr")
        steps = make_pipeline(StandardScaler(with_mean=False, with_std=False), detector)
        steps.fit(X, Y, snr=WEIGHTS)
        assert set(steps.fit_predict(X, Y, snr=WEIGHTS)) <= {-1, 1}
        finder = NewClassFinder(detector=detector, n_resamples=0)
        make_pipeline(finder).fit(X, Y, snr=WEIGHTS)
        with pytest.raises(TypeError, match="sample_weight"):
            NoveltyDetector().fit(X, Y, sample_weight=WEIGHTS)


def test_a_head_that_asks_for_weights_can_be_saved(tmp_path):
    head = LogisticRegression()
    with sklearn.config_context(enable_metadata_routing=True):
        head.set_fit_request(sample_weight=True)
        detector = NoveltyDetector("energy", head=head).fit(X, Y, sample_weight=abs(WEIGHTS))
    skglitch.save(detector, tmp_path / "detector.skglitch")
    loaded = skglitch.load(tmp_path / "detector.skglitch")
    np.testing.assert_array_equal(loaded.score_samples(X), detector.score_samples(X))


def test_weights_that_nothing_takes_are_refused():
    for detector in (NoveltyDetector(head=Head()), NoveltyDetector("energy")):
        with pytest.raises(TypeError, match="sample_weight"):
            detector.fit(X, Y, sample_weight=WEIGHTS)
