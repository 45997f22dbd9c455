"""Clusters against classes: by hand, against scikit-learn, and what noise does."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from skglitch.metrics import clustering_table

# Blip in two parts, Chirp in one that holds a Tomte too, most of Tomte as noise.
Y = ["Blip"] * 5 + ["Chirp"] * 3 + ["Tomte"] * 3
CLUSTERS = [0, 0, 0, 1, 1, 2, 2, -1, 2, -1, -1]

SAMPLES = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 4)), min_size=1, max_size=40)


def test_many_to_one_by_hand():
    table = clustering_table(Y, CLUSTERS)
    assert table.index.tolist() == ["Blip", "Chirp", "Tomte"]
    assert table.clusters.tolist() == [[0, 1], [2], []]
    np.testing.assert_allclose(table.recall, [1, 2 / 3, 0])
    np.testing.assert_allclose(table.purity, [1, 2 / 3, 0])
    np.testing.assert_allclose(table.f1, [1, 2 / 3, 0])
    assert table.support.tolist() == [5, 3, 3]
    assert table.attrs["accuracy"] == 7 / 11
    assert (table.attrs["n_clusters"], table.attrs["n_noise"]) == (3, 3)


def test_one_to_one_by_hand():
    # Blip keeps its larger part, and its smaller one is nobody's.
    table = clustering_table(Y, CLUSTERS, matching="one_to_one")
    assert table.clusters.tolist() == [[0], [2], []]
    np.testing.assert_allclose(table.recall, [3 / 5, 2 / 3, 0])
    np.testing.assert_allclose(table.purity, [1, 2 / 3, 0])
    assert table.attrs["accuracy"] == 5 / 11


def test_one_to_one_is_the_best_of_all():
    # Greedy would give cluster 0 to "a" (4) and leave 1 for "b": 4 + 0; the best is 3 + 3.
    y = ["a"] * 7 + ["b"] * 3
    clusters = [0] * 4 + [1] * 3 + [0] * 3
    table = clustering_table(y, clusters, matching="one_to_one")
    assert table.clusters.tolist() == [[1], [0]]
    assert table.attrs["accuracy"] == 6 / 10


def test_noise_left_out():
    table = clustering_table(Y, CLUSTERS, noise="leave_out")
    assert table.attrs["accuracy"] == 7 / 8
    assert table.support.tolist() == [5, 2, 1]
    assert table.attrs["n_noise"] == 3
    kept = np.array(CLUSTERS) >= 0
    true, clusters = np.array(Y)[kept], np.array(CLUSTERS)[kept]
    assert table.attrs["adjusted_rand"] == adjusted_rand_score(true, clusters)
    assert table.attrs["normalized_mutual_info"] == normalized_mutual_info_score(true, clusters)


def test_noise_as_scikit_learn_takes_it():
    table = clustering_table(Y, CLUSTERS)
    assert table.attrs["adjusted_rand"] == adjusted_rand_score(Y, CLUSTERS)
    assert table.attrs["normalized_mutual_info"] == pytest.approx(
        normalized_mutual_info_score(Y, CLUSTERS)
    )


def test_noise_only():
    for matching in ("many_to_one", "one_to_one"):
        table = clustering_table(["a", "b"], [-1, -1], matching=matching)
        assert (table.attrs["accuracy"], table.attrs["n_clusters"]) == (0, 0)
        assert table.clusters.tolist() == [[], []]
    with pytest.raises(ValueError, match="noise='leave_out'"):
        clustering_table(["a", "b"], [-1, -1], noise="leave_out")


def test_names_of_clusters_do_not_matter():
    table = clustering_table(["a", "a", "b"], ["x", "x", "y"])
    assert (table.attrs["accuracy"], table.attrs["n_noise"]) == (1, 0)
    assert table.clusters.tolist() == [["x"], ["y"]]


@settings(max_examples=40)
@given(SAMPLES)
def test_against_purity_and_all_assignments(samples):
    y, clusters = (np.array(column) for column in zip(*samples, strict=True))
    real = [cluster for cluster in np.unique(clusters) if cluster != -1]
    purity = sum(np.bincount(y[clusters == cluster]).max() for cluster in real) / len(y)
    assert clustering_table(y, clusters).attrs["accuracy"] == pytest.approx(purity)
    slots = [*real, *[None] * 4]
    best = max(
        sum(np.sum((y == code) & (clusters == c)) for code, c in enumerate(chosen) if c is not None)
        for chosen in set(permutations(slots, 4))
    )
    one_to_one = clustering_table(y, clusters, matching="one_to_one")
    assert one_to_one.attrs["accuracy"] == pytest.approx(best / len(y))


@settings(max_examples=40)
@given(SAMPLES, st.sampled_from(["many_to_one", "one_to_one"]))
def test_scores_of_classes_add_up(samples, matching):
    y, clusters = (np.array(column) for column in zip(*samples, strict=True))
    table = clustering_table(y, clusters, matching=matching)
    assert np.sum(table.recall * table.support) == pytest.approx(table.attrs["accuracy"] * len(y))
    named = [cluster for clusters in table.clusters for cluster in clusters]
    assert len(named) == len(set(named))
    assert -1 not in named


def test_columns():
    table = clustering_table(Y, CLUSTERS)
    assert table.index.name == "label"
    assert list(table) == ["recall", "purity", "f1", "support", "clusters"]


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ((["a"], [0, 1]), {}, "clusters .* 2 .*y_true .* 1"),
        ((["a", None], [0, 1]), {}, r"y_true has no label .* row 1"),
        ((["a"], [np.nan]), {}, "clusters has no label"),
        ((["a"], [0]), {"noise": "drop"}, "'noise' .* Got 'drop'"),
        ((["a"], [0]), {"matching": "best"}, "'matching' .* Got 'best'"),
    ],
)
def test_errors(args, options, message):
    with pytest.raises(ValueError, match=message):
        clustering_table(*args, **options)
