"""Computation of maps from embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

METHOD_NAMES = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}
# Features that differ by at most this many units in the last place are constant: networks return
# such differences for one glitch in different batches.
_MAX_ROUNDING_STEPS = 8


def check_layout(embeddings: ArrayLike, method: str, n_components: int) -> np.ndarray:
    """Check the arguments of `compute_map`, which takes no time, and return embeddings."""
    check_method(method, n_components)
    array = np.asarray(embeddings)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"embeddings has shape {array.shape}, but a map needs at least one row (glitch) and "
            "one column (feature)."
        )
    return check_array(array, dtype=[np.float64, np.float32], input_name="embeddings")


def check_method(method: str, n_components: int) -> None:
    """Check the method and the dimensions of a map."""
    if method not in tuple(METHOD_NAMES):
        raise ValueError(f"method={method!r} is none of {tuple(METHOD_NAMES)}.")
    if n_components not in (2, 3):
        raise ValueError(f"n_components={n_components!r} is neither 2 nor 3.")


def check_map(embedding: ArrayLike, dtype: Any = np.float64) -> np.ndarray:
    """Check the coordinates of glitches on a map, and return them."""
    array = np.asarray(embedding)
    if array.ndim != 2 or array.shape[1] not in (2, 3) or not len(array):
        raise ValueError(
            f"embedding has shape {array.shape}, but a map has a row per glitch and 2 or 3 "
            "columns: from_embeddings computes it from embeddings."
        )
    return check_array(array, dtype=dtype, input_name="embedding")


def compute_map(
    embeddings: ArrayLike, method: str, n_components: int, random_state: Any
) -> np.ndarray:
    """Reduce embeddings to two or three dimensions.

    Embeddings that are all the same, to within rounding, are mapped to the origin.

    Raises
    ------
    ImportError
        If ``method="umap"`` and umap-learn is not installed.
    ValueError
        If an argument is invalid, embeddings are not finite, or UMAP is given two.
    """
    embeddings = check_layout(embeddings, method, n_components)
    features, power = _select_varying(embeddings)
    n_samples, n_features = features.shape
    if n_features == 0:
        return np.zeros((n_samples, n_components), embeddings.dtype)
    if method == "pca":
        from sklearn.decomposition import PCA

        n_found = min(n_components, n_samples, n_features)
        found = PCA(n_found, random_state=random_state).fit_transform(features)
        # There are at most as many directions as glitches or features.
        return np.ldexp(np.pad(found, ((0, 0), (0, n_components - n_found))), power)
    if method == "tsne":
        from sklearn.manifold import TSNE

        reducer = TSNE(
            n_components,
            perplexity=min(30.0, (n_samples - 1) / 3),
            # The value of van der Maaten and Hinton (2008). With scikit-learn's 12, few glitches
            # make too long steps, and some end far from all others.
            early_exaggeration=4.0,
            init="pca" if n_components <= min(n_samples, n_features) else "random",
            random_state=random_state,
        )
        return reducer.fit_transform(features)
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError('method="umap" needs umap-learn: pip install "skglitch[umap]"') from error
    if n_samples == 2:
        raise ValueError('method="umap" needs at least 3 glitches, got 2: use method="pca".')
    reducer = UMAP(
        min(15, n_samples - 1),
        n_components,
        # The spectral initialization needs more eigenvectors than few glitches have.
        init="spectral" if n_samples > n_components + 1 else "random",
        random_state=random_state,
        # With a seed UMAP runs on one thread, and warns unless n_jobs is 1.
        **({} if random_state is None else {"n_jobs": 1}),
    )
    return reducer.fit_transform(features)


def _select_varying(embeddings: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the features that vary, divided by a power of two, and this power.

    t-SNE divides by distances, and crashes the interpreter if all are zero. Squares of tiny
    numbers are zero, and squares of huge numbers overflow.
    """
    eps = np.finfo(embeddings.dtype).eps
    largest = np.abs(embeddings).max(axis=0)
    with np.errstate(over="ignore"):
        spread = np.ptp(embeddings, axis=0)
    features = embeddings[:, spread > _MAX_ROUNDING_STEPS * eps * largest]
    _, power = np.frexp(np.abs(features).max(initial=0))
    return np.ldexp(features, -power), int(power)
