"""NoveltyDetector: its scores by hand, its threshold by Monte Carlo, scikit-learn's checks."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, TimeSeriesSplit
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import normalize
from sklearn.utils.estimator_checks import parametrize_with_checks

import skglitch
from skglitch.discovery import NoveltyDetector
from skglitch.discovery._axes import count_axes
from skglitch.discovery._guided import GuidedClustering
from skglitch.discovery._novelty import compare_all
from skglitch.discovery._novelty_scores import Combined

METHODS = ("combined", "knn", "mahalanobis", "energy")
NO_LABELS = "fits without labels, and this method learns from labels"
EXPECTED_FAILURES = {
    "combined": {},
    "knn": {},
    "mahalanobis": {},
    "energy": {"check_outliers_fit_predict": NO_LABELS, "check_outliers_train": NO_LABELS},
}


@parametrize_with_checks(
    [NoveltyDetector(method) for method in EXPECTED_FAILURES],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES[estimator.method],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def blobs(rng, n=120, n_features=6, n_classes=3, spread=0.5):
    """Classes about the first axes, and a class that is none of them about the last."""
    y = rng.integers(n_classes, size=n)
    known = 3 * np.eye(n_features)[y] + rng.normal(0, spread, (n, n_features))
    novel = 3 * np.eye(n_features)[-1] + rng.normal(0, spread, (n, n_features))
    return known, np.array(["Blip", "Koi_Fish", "Tomte", "Whistle"])[y], novel


class Whole:
    """Two folds that both train on everything: their mean is that of one fit."""

    def split(self, X, y=None, groups=None):
        halves = np.array_split(np.arange(len(X)), 2)
        return [(np.arange(len(X)), half) for half in halves]


class TestScores:
    def test_knn_is_the_distance_to_the_kth_neighbor_on_the_sphere(self, rng):
        known, _, novel = blobs(rng)
        scores = NoveltyDetector("knn", n_neighbors=3).fit(known).score_samples(novel)
        a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (known, novel))
        distances = np.sort(np.linalg.norm(b[:, None] - a, axis=2), axis=1)
        assert_allclose(scores, -distances[:, 2], rtol=1e-6)

    def test_knn_leaves_a_sample_out_of_its_own_score(self, rng):
        known, _, _ = blobs(rng, n=40)
        detector = NoveltyDetector("knn", n_neighbors=2).fit(known)
        alone = NoveltyDetector("knn", n_neighbors=2).fit(known[1:]).score_samples(known[:1])
        assert_allclose(detector.held_out_scores_[0], alone[0], rtol=1e-6)

    @pytest.mark.parametrize(("n", "widths"), [(90, [30]), (300, [30, 37])])
    def test_combined_is_the_mean_of_opinions(self, rng, n, widths):
        """By hand: among few axes and many, whitened, each by its spread among held-out samples."""
        y = np.arange(n) % 3
        kinds = rng.normal(size=(4, 40))
        known = kinds[y] + rng.normal(0, 0.7, (n, 40))
        novel = kinds[3] + rng.normal(0, 0.7, (20, 40))
        detector = NoveltyDetector(n_neighbors=7, cv=Whole()).fit(known, y)
        axes = PCA(widths[-1]).fit(normalize(known))
        a, b = axes.transform(normalize(known)), axes.transform(normalize(novel))
        factor = LocalOutlierFactor(7, novelty=True).fit(a)
        pairs = [[-np.log(-factor.score_samples(x)) for x in (a, b)]]
        for width in widths:
            means = np.stack([a[y == label, :width].mean(axis=0) for label in range(3)])
            residuals = a[:, :width] - means[y]
            covariance = LedoitWolf(assume_centered=True).fit(residuals).covariance_
            values, vectors = np.linalg.eigh(covariance)
            whiten = vectors / np.sqrt(values)
            head = LogisticRegression(C=0.1, max_iter=1000).fit(a[:, :width] @ whiten, y)
            squared = [
                [(((x[:, :width] - mean) @ whiten) ** 2).sum(axis=1) for mean in means]
                for x in (a, b)
            ]
            pairs.append([-np.log1p(np.min(each, axis=0) / width) for each in squared])
            pairs.append(
                [logsumexp(head.decision_function(x[:, :width] @ whiten), axis=1) for x in (a, b)]
            )
        expected = []
        for known_opinion, novel_opinion in pairs:
            middle = np.median(known_opinion)
            spread = middle - np.quantile(known_opinion, 0.2)
            expected.append((novel_opinion - middle) / spread)
        assert len(expected) == 1 + 2 * len(widths)
        assert_allclose(detector.score_samples(novel), np.mean(expected, axis=0), rtol=1e-3)

    @pytest.mark.parametrize(
        ("shape", "axes"),
        [((20, 80), 30), ((100, 80), 30), ((320, 80), 40), ((900, 80), 70), ((900, 50), 50)],
    )
    def test_more_samples_have_more_axes(self, shape, axes):
        assert count_axes(shape, most=70) == axes

    @pytest.mark.parametrize(("n", "axes"), [(20, 19), (100, 30), (320, 40), (900, 60)])
    def test_there_are_no_more_axes_than_samples_bear(self, rng, n, axes):
        X = rng.normal(size=(n, 80))
        clustering = GuidedClustering(X, np.arange(n) % 4, np.ones(n), 5, 0)
        assert clustering.embedding.shape == (n, axes)

    def test_classes_are_as_wide_along_each_axis(self, rng):
        """New samples too, and however wide they are; those without a label have no say."""
        codes = np.repeat([0, 1, -1], 2000)
        kinds = np.eye(6)[[0, 1, 2]] * 4
        X = kinds[codes] + rng.normal(size=(6000, 6)) * [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
        X[codes < 0, 3] *= 9
        fitted = GuidedClustering(X[::2], codes[::2], np.ones(3000), 5, 0)
        for rows in (slice(0, None, 2), slice(1, None, 2)):
            whitened = fitted.axes.transform(X[rows]) @ fitted.whiten
            spread = [np.cov(whitened[codes[rows] == code], rowvar=False) for code in (0, 1)]
            assert_allclose(np.mean(spread, axis=0), np.eye(6), atol=0.15)

    @pytest.mark.parametrize(
        ("n", "n_features", "n_classes", "widths"),
        [
            (200, 220, 4, [30]),
            (700, 220, 4, [30, 87]),
            (700, 220, 45, [45, 87]),
            (1800, 220, 4, [30, 200]),
            (1800, 220, 210, [210]),
            (700, 50, 4, [30, 50]),
            (700, 20, 4, [20]),
        ],
    )
    def test_axes_are_few_and_as_many_as_there_may_be(self, rng, n, n_features, n_classes, widths):
        X, y = rng.normal(size=(n, n_features)), np.arange(n) % n_classes
        scored = Combined()
        scored.fit(X, y, [(np.arange(n), np.arange(n))], None)
        (columns,) = scored.columns.models
        assert columns.density.n_features_in_ == max(widths)
        shapes = [distance.means.shape for distance in columns.distances]
        assert shapes == [(n_classes, width) for width in widths]

    def test_folds_have_the_same_opinions_where_one_more_axis_comes(self, rng):
        """A fold of 248 samples or more would bear 31 axes, one of fewer 30."""
        X, y = rng.normal(size=(330, 40)), np.arange(330) % 3
        detector = NoveltyDetector(random_state=0, cv=4).fit(X, y)
        assert np.isfinite(detector.held_out_scores_).all()

    def test_combined_finds_what_is_in_between_dense_and_wide_kinds(self, rng):
        """Each opinion alone fails on one of these: near a dense kind, and far from all."""
        dense = np.array([1.0, 0, 0, 0]) + rng.normal(0, 0.01, (60, 4))
        wide = np.array([0, 1.0, 0, 0]) + rng.normal(0, 0.2, (60, 4))
        y = np.repeat(["Chirp", "None_of_the_Above"], 60)
        detector = NoveltyDetector(random_state=0).fit(np.concatenate([dense, wide]), y)
        near = np.array([1.0, 0, 0.2, 0]) + rng.normal(0, 0.01, (20, 4))
        far = np.array([0, 0, 0, -1.0]) + rng.normal(0, 0.01, (20, 4))
        assert np.mean(detector.predict(near) == -1) > 0.9
        assert np.mean(detector.predict(far) == -1) > 0.9

    def test_mahalanobis_is_that_of_the_nearest_class(self, rng):
        known, y, novel = blobs(rng)
        scores = NoveltyDetector("mahalanobis", cv=Whole()).fit(known, y).score_samples(novel)
        means = {label: known[y == label].mean(axis=0) for label in np.unique(y)}
        residuals = known - np.stack([means[label] for label in y])
        precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(residuals).covariance_)
        distances = [
            np.einsum("ni,ij,nj->n", novel - m, precision, novel - m) for m in means.values()
        ]
        assert_allclose(scores, -np.min(distances, axis=0), rtol=1e-6)

    def test_mahalanobis_without_labels_takes_all_for_one_class(self, rng):
        known, y, novel = blobs(rng)
        one = NoveltyDetector("mahalanobis", cv=Whole()).fit(known, np.zeros(len(y), int))
        assert_allclose(
            NoveltyDetector("mahalanobis", cv=Whole()).fit(known).score_samples(novel),
            one.score_samples(novel),
        )

    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_energy(self, rng, n_classes):
        known, y, novel = blobs(rng, n_classes=n_classes)
        head = LogisticRegression().fit(known, y)
        logits = head.decision_function(novel)
        if n_classes == 2:
            logits = np.stack([-logits / 2, logits / 2], axis=1)
        expected = logsumexp(logits, axis=1)
        given_head = NoveltyDetector("energy", head=LogisticRegression(), cv=Whole()).fit(known, y)
        assert_allclose(given_head.score_samples(novel), expected, rtol=1e-6)
        frozen = NoveltyDetector("energy", head=FrozenEstimator(head)).fit(known)
        assert_allclose(frozen.score_samples(novel), expected, rtol=1e-6)

    @pytest.mark.parametrize("method", METHODS)
    def test_held_out_scores_are_of_the_rows_that_they_stand_at(self, rng, method):
        known, y, _ = blobs(rng)
        # Between all classes: odd to each method.
        known[17] = known.mean(axis=0)
        detector = NoveltyDetector(method, random_state=0).fit(known, y)
        assert detector.held_out_scores_.argmin() == 17

    @pytest.mark.parametrize("method", METHODS)
    def test_a_class_far_from_all_is_told_apart(self, rng, method):
        known, y, novel = blobs(rng, spread=0.3)
        detector = NoveltyDetector(method, random_state=0).fit(known, y)
        fresh, _, _ = blobs(rng, spread=0.3)
        truth = np.repeat([1, 0], [len(fresh), len(novel)])
        assert roc_auc_score(truth, detector.score_samples(np.vstack([fresh, novel]))) > 0.95


class TestThreshold:
    @pytest.mark.parametrize("method", METHODS)
    def test_the_stated_share_of_new_known_samples_is_novel(self, method):
        rng = np.random.default_rng(5)
        rates = []
        for _ in range(12):
            known, y, _ = blobs(rng, n=150)
            fresh, _, _ = blobs(rng, n=400)
            detector = NoveltyDetector(method, false_alarm_probability=0.1, random_state=0).fit(
                known, y
            )
            rates.append(np.mean(detector.predict(fresh) == -1))
        # A threshold from 150 samples scatters by sqrt(0.1 * 0.9 / 150) = 0.024 a time.
        assert np.mean(rates) == pytest.approx(0.1, abs=4 * 0.03 / np.sqrt(12))

    @settings(max_examples=30)
    @given(rate=st.floats(0.02, 0.9), n=st.integers(60, 200), seed=st.integers(0, 1000))
    def test_is_the_conformal_one_of_the_calibration_set(self, rate, n, seed):
        rng = np.random.default_rng(seed)
        detector = NoveltyDetector("knn", false_alarm_probability=rate).fit(
            rng.normal(size=(50, 4)) + 3
        )
        held_out = rng.normal(size=(n, 4)) + 3
        detector.calibrate(held_out)
        # Below the r-th lowest score are r - 1, ties aside: (r - 1) + 1 <= rate * (n + 1).
        n_novel = np.sum(detector.predict(held_out) == -1)
        assert n_novel == int(rate * (n + 1)) - 1
        assert_array_equal(detector.held_out_scores_, detector.score_samples(held_out))
        assert_array_equal(
            detector.predict(held_out) == -1,
            detector.p_values(held_out) < (n_novel + 1.5) / (n + 1),
        )

    def test_p_values_of_new_known_samples_are_uniform(self):
        rng = np.random.default_rng(1)
        known, y, novel = blobs(rng, n=500)
        fresh, _, _ = blobs(rng, n=500)
        detector = NoveltyDetector().fit(known, y)
        assert_allclose(
            np.quantile(detector.p_values(fresh), [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.09
        )
        assert detector.p_values(novel).max() < 0.05

    def test_too_few_samples_for_the_rate(self, rng):
        known, _, _ = blobs(rng, n=10)
        with pytest.warns(UserWarning, match=r"19 .*0\.05"):
            detector = NoveltyDetector().fit(known)
        assert detector.offset_ == detector.held_out_scores_.min()


class TestHeldOut:
    def test_p_values_are_with_regard_to_the_others(self, rng):
        known, y, _ = blobs(rng, n=40)
        detector = NoveltyDetector(false_alarm_probability=0.2, random_state=0).fit(known, y)
        held_out = detector.held_out_scores_
        for row in range(40):
            others = np.delete(held_out, row)
            expected = (1 + np.sum(others <= held_out[row])) / (1 + len(others))
            assert detector.held_out_p_values_[row] == pytest.approx(expected)

    def test_all_samples(self, rng):
        known, y, novel = blobs(rng, n=40)
        labeled = rng.permutation(np.arange(80) < 40)
        X = np.empty((80, 6))
        X[labeled], X[~labeled] = known, novel
        detector = NoveltyDetector(false_alarm_probability=0.2, random_state=0).fit(known, y)
        p_values, is_novel = compare_all(detector, X, labeled)
        assert_array_equal(p_values[labeled], detector.held_out_p_values_)
        assert_array_equal(p_values[~labeled], detector.p_values(novel))
        assert_array_equal(is_novel[~labeled], detector.predict(novel) == -1)
        assert is_novel[labeled].sum() == 7  # floor(0.2 * 41) - 1


class TestTogether:
    def test_scores_by_hand(self, rng):
        known, y, novel = blobs(rng)
        alone = NoveltyDetector(random_state=0).fit(known, y)
        detector = NoveltyDetector(n_together=4, random_state=0).fit(known, y)
        scores, directions = alone.score_samples(novel), normalize(novel)
        nearest = np.argsort(-directions @ directions.T, axis=1)[:, :4]
        together = detector.score_samples(novel)
        assert_allclose(together, scores[nearest].mean(axis=1))
        assert_array_equal(detector.decision_function(novel), together - detector.offset_)
        assert_array_equal(detector.predict(novel) == -1, together < detector.offset_)
        directions = normalize(known)
        nearest = np.argsort(-directions @ directions.T, axis=1)[:, :4]
        held_out = alone.held_out_scores_[nearest].mean(axis=1)
        assert_allclose(detector.held_out_scores_, held_out)
        assert detector.offset_ == np.sort(detector.held_out_scores_)[5]
        expected = [(1 + np.sum(detector.held_out_scores_ <= score)) / 121 for score in together]
        assert_allclose(detector.p_values(novel), expected)

    def test_finds_a_class_near_a_known_one(self):
        """One at a time they are like known ones, as a hair's breadth off as many of these."""
        rng = np.random.default_rng(3)
        found, alarms = {1: [], 6: []}, {1: [], 6: []}
        for _ in range(10):
            known, y, _ = blobs(rng, n=300, spread=0.4)
            fresh, _, _ = blobs(rng, n=150, spread=0.4)
            new = 3 * np.eye(6)[0] + [0, 0, 0, 1.0, 0, 0] + rng.normal(0, 0.4, (40, 6))
            for n_together in (1, 6):
                detector = NoveltyDetector(n_together=n_together, random_state=0).fit(known, y)
                is_novel = detector.predict(np.concatenate([fresh, new])) == -1
                found[n_together].append(is_novel[150:].mean())
                alarms[n_together].append(is_novel[:150].mean())
        assert np.mean(found[6]) > np.mean(found[1]) + 0.2
        assert np.mean(alarms[6]) < 0.12

    def test_the_rate_where_nothing_is_new(self):
        rng = np.random.default_rng(4)
        rates = []
        for _ in range(12):
            known, y, _ = blobs(rng, n=200)
            fresh, _, _ = blobs(rng, n=200)
            detector = NoveltyDetector(
                false_alarm_probability=0.1, n_together=6, random_state=0
            ).fit(known, y)
            rates.append(np.mean(detector.predict(fresh) == -1))
        assert np.mean(rates) == pytest.approx(0.1, abs=0.05)

    def test_calibrate_sets_it_anew(self, rng):
        known, y, _ = blobs(rng)
        wide, _, _ = blobs(rng, spread=0.8)
        detector = NoveltyDetector(n_together=6, random_state=0).fit(known, y)
        before = detector.offset_
        assert detector.calibrate(wide).offset_ < before
        assert_allclose(detector.held_out_scores_, detector.score_samples(wide))

    def test_fewer_samples_than_neighbors(self, rng):
        known, y, novel = blobs(rng)
        alone = NoveltyDetector(random_state=0).fit(known, y)
        detector = NoveltyDetector(n_together=9, random_state=0).fit(known, y)
        one = detector.score_samples(novel[:1])
        assert_allclose(one, alone.score_samples(novel[:1]))
        assert_allclose(detector.score_samples(novel[:3]), alone.score_samples(novel[:3]).mean())

    def test_more_samples_than_a_batch(self, rng, monkeypatch):
        """Each sample is averaged with the nearest of the batch, itself included."""
        monkeypatch.setattr("skglitch.discovery._novelty._MOST_IN_A_BATCH", 30)
        known, y, _ = blobs(rng)
        alone = NoveltyDetector("knn").fit(known, y)
        detector = NoveltyDetector("knn", n_together=2, random_state=0).fit(known, y)
        batch = np.random.RandomState(0).permutation(120)[:30]
        cosines = normalize(known) @ normalize(known).T
        np.fill_diagonal(cosines, -2)
        nearest = batch[cosines[:, batch].argmax(axis=1)]
        outside = np.setdiff1d(np.arange(120), batch)
        pairs = np.stack([np.arange(120), nearest], axis=1)
        expected = alone.held_out_scores_[pairs].mean(axis=1)
        assert_allclose(detector.held_out_scores_[outside], expected[outside])
        assert_allclose(detector.held_out_scores_[batch], expected[batch])


class TestData:
    @pytest.mark.parametrize("method", METHODS)
    def test_constant_embeddings(self, method):
        known, y = np.ones((40, 5)), np.repeat(["a", "b"], 20)
        detector = NoveltyDetector(method, random_state=0).fit(known, y)
        assert np.isfinite(detector.score_samples(known)).all()
        assert (detector.predict(known) == 1).all()

    @pytest.mark.parametrize("method", ["combined", "knn", "mahalanobis"])
    def test_more_features_than_samples(self, rng, method):
        X = rng.normal(size=(30, 200)).astype(np.float32)
        X[:, 0] += 30
        detector = NoveltyDetector(method).fit(X)
        assert np.isfinite(detector.held_out_scores_).all()
        assert detector.predict(-X).tolist() == [-1] * 30

    def test_nan_is_refused(self, rng):
        known, _, _ = blobs(rng)
        known[3, 1] = np.nan
        with pytest.raises(ValueError, match="contains NaN"):
            NoveltyDetector().fit(known)

    def test_lengths_must_match(self, rng):
        known, y, _ = blobs(rng)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            NoveltyDetector("mahalanobis").fit(known, y[:-1])

    def test_logits_need_two_classes(self, rng):
        known, _, _ = blobs(rng)
        with pytest.raises(ValueError, match="'Blip'"):
            NoveltyDetector("energy").fit(known, ["Blip"] * len(known))

    def test_more_neighbors_than_samples(self, rng):
        known, _, _ = blobs(rng, n=21)
        with pytest.warns(UserWarning, match="n_neighbors=50"):
            NoveltyDetector(n_neighbors=50).fit(known)

    @pytest.mark.parametrize("method", METHODS)
    def test_rare_classes(self, rng, method):
        known, y, _ = blobs(rng)
        y[0] = "Helix"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            detector = NoveltyDetector(method, random_state=0).fit(known, y)
        assert "Helix" in detector.classes_

    @pytest.mark.parametrize("method", ["combined", "knn", "mahalanobis"])
    def test_a_class_that_a_fold_leaves_alone(self, rng, method):
        known, _, novel = blobs(rng)
        y = ["Blip"] * (len(known) - 1) + ["Tomte"]
        detector = NoveltyDetector(method, cv=KFold(len(known) // 2)).fit(known, y)
        assert np.isfinite(detector.score_samples(novel)).all()

    @pytest.mark.filterwarnings("ignore:The number of unique classes")
    @pytest.mark.parametrize("method", ["combined", "knn", "mahalanobis"])
    def test_classes_of_one_sample_each(self, rng, method):
        known, _, novel = blobs(rng)
        detector = NoveltyDetector(method, random_state=0).fit(known, np.arange(len(known)))
        scores = detector.score_samples(np.vstack([known + 0.01, novel]))
        assert np.isfinite(scores).all()
        assert roc_auc_score(np.repeat([1, 0], len(known)), scores) > 0.9

    @pytest.mark.parametrize("method", METHODS)
    def test_copies_of_glitches_do_not_change_the_rate(self, method):
        rng = np.random.default_rng(2)
        known, y, _ = blobs(rng, n=200)
        fresh, _, _ = blobs(rng, n=500)
        known, y = np.repeat(known, 4, axis=0), np.repeat(y, 4)
        detector = NoveltyDetector(method, false_alarm_probability=0.1, random_state=0).fit(
            known, y
        )
        assert np.mean(detector.predict(fresh) == -1) == pytest.approx(0.1, abs=0.06)

    @pytest.mark.parametrize("method", ["combined", "mahalanobis"])
    def test_copies_are_held_out_together(self, method):
        """Of few samples with many features, a copy in training makes any sample familiar."""
        rng = np.random.default_rng(3)
        known, y, _ = blobs(rng, n=60, n_features=40)
        fresh, _, _ = blobs(rng, n=400, n_features=40)
        known, y = np.repeat(known, 6, axis=0), np.repeat(y, 6)
        detector = NoveltyDetector(method, false_alarm_probability=0.1, random_state=0).fit(
            known, y
        )
        assert np.mean(detector.predict(fresh) == -1) < 0.25

    @pytest.mark.parametrize("missing", [None, np.nan, "", -1])
    def test_glitches_without_a_label_are_to_be_left_out(self, rng, missing):
        known, y, _ = blobs(rng)
        y = y.astype(object)
        y[[3, 5]] = missing
        with pytest.raises(ValueError, match=r"y .* 2 of 120"):
            NoveltyDetector().fit(known, y)

    def test_folds_that_overlap_or_leave_out_samples(self, rng):
        known, y, _ = blobs(rng)
        for cv in (ShuffleSplit(2, test_size=0.2), TimeSeriesSplit(3)):
            with pytest.raises(ValueError, match=r"cv .*fails for \d+ samples"):
                NoveltyDetector(cv=cv).fit(known, y)

    def test_folds_by_class_need_no_labels(self, rng):
        known, _, _ = blobs(rng)
        NoveltyDetector("mahalanobis", cv=StratifiedKFold(4)).fit(known)

    def test_a_fit_without_labels_forgets_the_classes_of_the_last_one(self, rng):
        known, y, _ = blobs(rng)
        detector = NoveltyDetector().fit(known, y).fit(known)
        assert not hasattr(detector, "classes_")

    @pytest.mark.filterwarnings(
        "ignore:false_alarm_probability", "ignore:Only one sample available"
    )
    @pytest.mark.parametrize("method", ["combined", "knn", "mahalanobis"])
    @pytest.mark.parametrize("n", [2, 3, 4])
    def test_few_samples(self, rng, method, n):
        known, _, novel = blobs(rng, n=n)
        assert np.isfinite(
            NoveltyDetector(method, n_neighbors=1).fit(known).score_samples(novel)
        ).all()

    @pytest.mark.parametrize("method", METHODS)
    def test_threads_do_not_change_the_result(self, rng, method):
        known, y, _ = blobs(rng)
        one, two = (NoveltyDetector(method, n_jobs=n, random_state=0).fit(known, y) for n in (1, 2))
        assert_array_equal(one.held_out_scores_, two.held_out_scores_)


def test_a_head_that_asks_for_weights_can_be_saved(rng, tmp_path):
    known, y, novel = blobs(rng)
    with sklearn.config_context(enable_metadata_routing=True):
        head = LogisticRegression().set_fit_request(sample_weight=True)
    detector = NoveltyDetector("energy", head=head).fit(known, y)
    skglitch.save(detector, tmp_path / "detector.skglitch")
    loaded = skglitch.load(tmp_path / "detector.skglitch")
    assert_array_equal(loaded.score_samples(novel), detector.score_samples(novel))


@pytest.fixture
def rng():
    return np.random.default_rng(0)
