"""Masked embeddings, labels and times in all searches."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from skglitch.discovery import (
    NewClassFinder,
    NoveltyDetector,
    SimilarityIndex,
    describe_clusters,
    discover,
    find_label_issues,
    find_onsets,
    rank_for_labeling,
)
from skglitch.display import ConfusionDisplay, EmbeddingDisplay, GalleryDisplay
from skglitch.metrics import paired_bootstrap

X = np.repeat(np.eye(3), 10, axis=0) + np.random.default_rng(0).normal(0, 0.05, (30, 3))
Y = np.repeat(["Blip", "Chirp", "Tomte"], 10)
HIDDEN = np.arange(30) == 4
CLUSTERS = np.repeat([0, 1, 2], 10)


@pytest.mark.parametrize(
    "search",
    [
        lambda X: NoveltyDetector().fit(X),
        lambda X: NewClassFinder().fit(X, Y),
        lambda X: SimilarityIndex().fit(X),
        lambda X: discover(X, Y),
        lambda X: describe_clusters(X, CLUSTERS),
        lambda X: find_label_issues(X, Y),
        lambda X: rank_for_labeling(X, method="core_set"),
        lambda X: rank_for_labeling(y_prob=X),
        lambda X: SimilarityIndex().fit(np.eye(3)).search(X[4]),
        lambda X: EmbeddingDisplay.from_embeddings(X, method="pca"),
    ],
    ids=[
        "novelty",
        "new",
        "index",
        "discover",
        "describe",
        "issues",
        "rank",
        "prob",
        "search",
        "display",
    ],
)
def test_masked_embeddings_are_not_numbers(search):
    with pytest.raises(ValueError, match="NaN"):
        search(np.ma.array(X, mask=np.outer(HIDDEN, [True, False, False])))


def test_masked_labels_are_no_class():
    masked = np.ma.array(Y, mask=HIDDEN)
    for search in (find_label_issues, NoveltyDetector().fit):
        with pytest.raises(ValueError, match=r"y has no label .*row 4"):
            search(X, masked)
    found = discover(X, masked, n_resamples=1, random_state=0)
    assert found.glitches["is_labeled"].tolist() == (~HIDDEN).tolist()


@pytest.mark.parametrize("missing", [None, np.nan, np.ma.masked, "False"])
def test_reference_samples_are_known_to_be_such(missing):
    with pytest.raises(ValueError, match="is_reference must hold True and False"):
        discover(X, Y, is_reference=[*np.ones(29, dtype=bool).tolist(), missing])


def test_masked_groups_are_no_group():
    with pytest.raises(ValueError, match=r"groups has no label .*row 4"):
        paired_bootstrap(Y, Y, Y, groups=np.ma.array(Y, mask=HIDDEN))


@pytest.mark.parametrize("missing", [None, "", "nan"])
def test_missing_labels_in_figures(missing):
    y = Y.astype(object)
    y[4] = missing
    for labels in (y, np.ma.array(Y, mask=HIDDEN)):
        with pytest.raises(ValueError, match=r"y_true has no label .*row 4"):
            ConfusionDisplay.from_predictions(labels, Y)
        X = np.zeros((30, 1, 8, 8), dtype=np.uint8)
        options = {"indices": [3, 4], "durations": (1.0,), "ax": Figure()}
        gallery = GalleryDisplay.from_data(X, labels, **options)
        assert gallery.titles == ["Blip [3]", "[4]"]


def test_masked_times_and_clusters():
    gps = np.linspace(1e9, 1e9 + 1000, 30)
    with pytest.raises(ValueError, match=r"gps is not finite for 1 of 30"):
        find_onsets(np.ma.array(gps, mask=HIDDEN), CLUSTERS)
    onsets = find_onsets(gps, np.ma.array(CLUSTERS, mask=HIDDEN), n_simulations=9)
    assert onsets["n_events"].tolist() == [9, 10, 10]
    index = SimilarityIndex().fit(X, gps=np.ma.array(gps, mask=HIDDEN))
    np.testing.assert_array_equal(np.isnan(index.gps_), HIDDEN)
