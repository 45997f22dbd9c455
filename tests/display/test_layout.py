"""Layouts of maps: of few glitches, of glitches that are all alike, and of what is no embedding."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA

from skglitch.display import EmbeddingExplorer

METHODS = ["tsne", "pca", "umap"]


@pytest.fixture(autouse=True)
def _umap(request):
    if "umap" in request.node.name:
        pytest.importorskip("umap")


def compute_map(embeddings, method, n_components, random_state):
    return EmbeddingExplorer.from_embeddings(
        embeddings, method=method, n_components=n_components, random_state=random_state
    ).embedding


def random(n_samples, n_features, dtype=np.float64):
    return np.random.default_rng(0).normal(size=(n_samples, n_features)).astype(dtype)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_components", [2, 3])
@pytest.mark.parametrize(
    "embeddings",
    [
        np.ones((88, 5)),
        np.zeros((40, 3), dtype=np.float32),
        np.full((40, 5), 0.1) * np.arange(5),
        np.full((88, 5), 0.1) + np.spacing(0.1) * (random(88, 5) > 0),
        (1 + 1e-7 * (random(88, 5) > 0)).astype(np.float32),
        np.full((9, 2), 7),
        random(1, 5),
    ],
    ids=["ones", "zeros", "columns", "rounding", "rounding32", "integers", "one"],
)
def test_glitches_that_are_alike_lie_at_one_place(method, n_components, embeddings):
    # t-SNE ends the interpreter where all distances are zero.
    coordinates = compute_map(embeddings, method, n_components, 0)
    np.testing.assert_array_equal(coordinates, np.zeros((len(embeddings), n_components)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("scale", "dtype"),
    [(1e-30, np.float32), (1e-200, float), (5e-324, float), (1e30, np.float32), (1e200, float)],
)
def test_numbers_of_any_size(method, scale, dtype):
    # Their squares are zero or infinite, of which t-SNE and eigenvalues make no map.
    embeddings = (scale * np.rint(4 * random(40, 5))).astype(dtype)
    coordinates = compute_map(embeddings, method, 2, 0)
    assert np.isfinite(coordinates).all()
    assert len(np.unique(coordinates, axis=0)) > 20


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_components", [2, 3])
@pytest.mark.parametrize("n_samples", [3, 4, 5, 6])
def test_few_glitches(method, n_components, n_samples):
    coordinates = compute_map(random(n_samples, 7), method, n_components, 0)
    assert coordinates.shape == (n_samples, n_components)
    assert np.isfinite(coordinates).all()
    assert len(np.unique(coordinates, axis=0)) == n_samples


@pytest.mark.parametrize("method", ["tsne", "pca"])
@pytest.mark.parametrize("n_components", [2, 3])
def test_two_glitches(method, n_components):
    coordinates = compute_map(random(2, 7), method, n_components, 0)
    assert coordinates.shape == (2, n_components)
    assert not np.array_equal(*coordinates)


def test_two_glitches_by_umap():
    with pytest.raises(ValueError, match=r'got 2: .*method="pca"'):
        compute_map(random(2, 7), "umap", 2, 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n_features", "n_components"), [(1, 2), (1, 3), (2, 3)])
def test_few_features(method, n_features, n_components):
    embeddings = random(40, n_features)
    coordinates = compute_map(embeddings, method, n_components, 0)
    assert coordinates.shape == (40, n_components)
    assert len(np.unique(coordinates, axis=0)) == 40
    if method == "pca":
        np.testing.assert_array_equal(coordinates[:, n_features:], 0)
        np.testing.assert_allclose(
            np.linalg.norm(coordinates, axis=1),
            np.linalg.norm(embeddings - embeddings.mean(axis=0), axis=1),
        )


def test_scaling_leaves_principal_components_as_they_are():
    embeddings = 37 * random(60, 9)
    embeddings[:, 4] = 12.5
    expected = PCA(2, random_state=0).fit_transform(embeddings)
    np.testing.assert_allclose(compute_map(embeddings, "pca", 2, 0), expected, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (np.empty((0, 4)), r"embeddings has shape \(0, 4\)"),
        (np.empty((4, 0)), r"embeddings has shape \(4, 0\)"),
        (np.arange(4), r"embeddings has shape \(4,\)"),
        (np.ones((4, 2, 3)), r"embeddings has shape \(4, 2, 3\)"),
        (np.array([[1, np.nan], [2, 3]]), "embeddings contains NaN"),
        (np.array([[1, np.inf], [2, 3]]), "embeddings contains infinity"),
    ],
)
def test_what_is_no_embedding(method, embeddings, message):
    with pytest.raises(ValueError, match=message):
        compute_map(embeddings, method, 2, 0)


def test_errors(monkeypatch):
    for method in ("mds", ["tsne"], None):
        with pytest.raises(ValueError, match=r"is none of \('tsne', 'pca', 'umap'\)"):
            compute_map(np.eye(4), method, 2, 0)
    with pytest.raises(ValueError, match="n_components=4"):
        compute_map(np.eye(4), "pca", 4, 0)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"skglitch\[umap\]"):
        compute_map(np.eye(4), "umap", 2, 0)


def test_tsne_throws_no_glitch_far_out():
    for seed in range(6):
        X, _ = make_blobs(100, 50, centers=8, random_state=seed)
        coordinates = compute_map(X, "tsne", 3, random_state=0)
        radius = np.linalg.norm(coordinates - np.median(coordinates, axis=0), axis=1)
        assert radius.max() < 2 * np.median(radius)
