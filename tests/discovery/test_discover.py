"""discover: that each table is what its part finds by itself."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from skglitch.discovery import (
    NewClassFinder,
    NoveltyDetector,
    describe_clusters,
    discover,
    find_label_issues,
    find_onsets,
)

START, N = 1_126_100_000, 30


@pytest.fixture
def data():
    """Two known classes, a new one that starts late, and a Chirp that is labeled Blip."""
    rng = np.random.default_rng(0)
    X = np.repeat(np.eye(4)[:3], N, axis=0) + 0.05 * rng.normal(size=(3 * N, 4))
    y = np.repeat(["Blip", "Chirp", ""], N)
    y[N] = "Blip"
    gps = START + rng.uniform(0, 1e5, 3 * N)
    gps[2 * N :] = START + rng.uniform(8e4, 1e5, N)
    return X, y, gps


def test_parts_agree_with_discover(data):
    """The detector, the finder and discover say the same about the same glitch."""
    X, y, gps = data
    found = discover(X, y, gps=gps, ifo="H1", label_issues=True, random_state=0)
    labeled = y != ""
    detector = NoveltyDetector(random_state=0).fit(X[labeled], y[labeled])
    glitches = found.glitches
    assert_array_equal(glitches["novelty_p_value"][~labeled], detector.p_values(X[~labeled]))
    assert_array_equal(glitches["is_novel"][~labeled], detector.predict(X[~labeled]) == -1)
    assert_array_equal(glitches["novelty_p_value"][labeled], detector.held_out_p_values_)
    finder = NewClassFinder(random_state=0).fit(X, y)
    assert_array_equal(glitches["novelty_p_value"], finder.novelty_p_values_)
    assert_array_equal(glitches["cluster"], finder.labels_)
    assert_array_equal(glitches["probability"], finder.probabilities_)
    added = ["novel", "first_gps", "last_gps"]
    assert found.clusters.drop(columns=added).equals(finder.clusters_)
    assert found.clusters["novel"].tolist()[-1] == 1
    assert_array_equal(glitches["is_new"], ~labeled)
    expected = find_onsets(gps, finder.labels_, ifo="H1", random_state=0)
    assert found.onsets.equals(expected)


def test_columns(data):
    X, y, gps = data
    found = discover(X, y, gps=gps, ifo=np.repeat(["H1", ""], [80, 10]), n_resamples=0)
    assert found.glitches.columns.tolist() == [
        *("ifo", "gps", "label", "is_labeled", "cluster", "probability", "is_new"),
        *("novelty_p_value", "is_novel"),
    ]
    assert found.label_issues is None
    bare = discover(X, n_resamples=0)
    names = ["is_labeled", "cluster", "probability", "is_new"]
    assert bare.glitches.columns.tolist() == names
    assert bare.onsets is None
    codes = [None, *np.repeat([0, 1, -1], N)[1:].tolist()]
    assert discover(X, codes, n_resamples=0).glitches["label"].tolist() == codes
    assert "novel" not in bare.clusters


def test_label_issues_stay_with_their_glitches(data):
    X, y, _ = data
    order = np.random.default_rng(0).permutation(3 * N)
    found = discover(X[order], y[order], label_issues=True, n_resamples=0, random_state=0)
    issues = found.label_issues
    assert order[issues.index[issues["flagged"]]].tolist() == [N]
    assert sorted(order[issues.index]) == list(range(2 * N))
    assert_array_equal(issues["given"], y[order][issues.index])
    assert issues["suggested"].tolist()[0] == "Chirp"
    alone = find_label_issues(X[order][y[order] != ""], y[order][y[order] != ""], random_state=0)
    assert_allclose(issues["score"], alone["score"])
    with pytest.raises(ValueError, match="label_issues=True"):
        discover(X, label_issues=True)


def test_a_class_that_counts_as_unlabeled(data):
    X, y, _ = data
    found = discover(X, y, unlabeled="Chirp", n_resamples=0, random_state=0)
    assert found.glitches["is_labeled"].sum() == N + 1
    assert found.glitches["label"].tolist() == y.tolist()
    with pytest.raises(ValueError, match="unlabeled='Tomte'"):
        discover(X, y, unlabeled="Tomte")


@pytest.mark.parametrize("y", [None, "few"])
def test_without_labels_enough(data, y):
    X, labels, _ = data
    codes = np.repeat([0, 1, 2], N)
    if y == "few":
        y = np.where(np.arange(3 * N) % 10 == 0, labels, "")
    found = discover(X, y, random_state=0)
    assert adjusted_rand_score(codes, found.glitches["cluster"]) > 0.95
    assert found.clusters["stability"].min() > 0.8
    assert (found.clusters["kind"] == "new").sum() == (3 if y is None else 1)
    assert ("is_novel" in found.glitches) == (y is not None)


def test_another_clusterer(data):
    X, y, _ = data
    clusterer = KMeans(5, random_state=0)
    found = discover(X, y, clusterer=clusterer, random_state=0)
    assert_array_equal(found.glitches["cluster"], clusterer.fit_predict(X))
    assert found.glitches["probability"].isna().all()
    labels = found.glitches["cluster"]
    expected = describe_clusters(X, labels, y, clusterer=clusterer, random_state=0)
    assert found.clusters.drop(columns="novel").equals(expected)
    assert not hasattr(clusterer, "labels_") or found is not None
    for options in (
        {"clusterer": NewClassFinder()},
        {"clusterer": clusterer, "min_cluster_size": 9},
    ):
        with pytest.raises(ValueError, match="clusterer"):
            discover(X, y, **options)


def test_the_detector_is_not_fitted_itself(data):
    X, y, _ = data
    detector = NoveltyDetector("knn", false_alarm_probability=0.2)
    found = discover(X, y, detector=detector, n_resamples=0)
    assert not hasattr(detector, "offset_")
    detector.fit(X[y != ""], y[y != ""])
    rows = found.glitches["is_labeled"]
    assert_array_equal(found.glitches["is_novel"][~rows], detector.predict(X[y == ""]) == -1)
    # floor(0.2 * 61) - 1 of the labeled ones.
    assert found.glitches["is_novel"][rows].sum() == 11


class TestOnsets:
    def test_reference_glitches_are_left_out(self, data):
        X, y, gps = data
        is_reference = np.arange(3 * N) % 2 == 0
        found = discover(X, y, gps=gps, is_reference=is_reference, n_resamples=0)
        assert found.onsets["n_events"].sum() == 45

    def test_glitches_outside_of_segments_are_left_out_with_a_warning(self, data):
        X, y, gps = data
        late = int((gps > START + 9e4).sum())
        segments = [(START, START + 9e4)]
        with pytest.warns(UserWarning, match=f"gps: {late} of 90"):
            found = discover(X, y, gps=gps, segments=segments, n_resamples=0)
        assert found.onsets["n_events"].sum() == 90 - late
        gps[:3] = np.nan
        with pytest.warns(UserWarning, match="of 87 glitches"):
            discover(X, y, gps=gps, segments=segments, n_resamples=0)

    def test_unknown_interferometers_are_mentioned(self, data):
        X, y, gps = data
        with pytest.warns(UserWarning, match="ifo: 10 "):
            discover(X, y, gps=gps, ifo=np.repeat(["H1", ""], [80, 10]), n_resamples=0)

    def test_errors_come_before_clusters(self, data, monkeypatch):
        X, y, gps = data
        monkeypatch.setattr(NewClassFinder, "fit", lambda *_: pytest.fail("took long"))
        with pytest.raises(ValueError, match=r"^gps: "):
            discover(X, y, gps=gps, segments=[(1, 2)])
        with pytest.raises(ValueError, match="overlap"):
            discover(X, y, runs={"a": (1, 9), "b": (3, 14)})

    def test_no_times(self, data):
        X, y, gps = data
        for missing in (None, np.full_like(gps, np.nan)):
            with pytest.warns(UserWarning, match="GPS"):
                found = discover(X, y, gps=missing, runs="LIGO", n_resamples=0)
            assert found.onsets is None
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert discover(X, y, gps=np.full_like(gps, np.nan), n_resamples=0).onsets is None


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_glitches(n):
    found = discover(np.eye(6)[:n], random_state=0)
    assert len(found.glitches) == n
    assert discover(np.eye(6)[:n], min_cluster_size=2).glitches["cluster"].max() < n


def test_values_that_cannot_be(data):
    X, y, gps = data
    for options, name in (
        ({"y": y[:-1]}, "inconsistent"),
        ({"gps": gps[:-1]}, "inconsistent"),
        ({"ifo": ["H1"]}, "ifo"),
        ({"min_cluster_size": 1}, "min_cluster_size"),
    ):
        with pytest.raises(ValueError, match=name):
            discover(X, **options)
    X[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        discover(X, y)
