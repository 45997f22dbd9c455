"""Where glitches lie on a map of embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

METHOD_NAMES = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}
# Features that differ by no more than so many steps of their number format are the same: a net
# gives such for the same glitch in another batch.
_STEPS_OF_ROUNDING = 8


def check_layout(embeddings: ArrayLike, method: str, n_components: int) -> np.ndarray:
    """Check what :func:`lay_out` takes, which takes no time.

    Parameters
    ----------
    embeddings : array-like of shape (n_samples, n_features)
    method : {"tsne", "pca", "umap"}
    n_components : {2, 3}

    Returns
    -------
    embeddings : ndarray of shape (n_samples, n_features)
        In single or double precision.

    Raises
    ------
    ValueError
        If `method` or `n_components` is none of these, or `embeddings` are no finite numbers, or
        none at all.
    """
    check_method(method, n_components)
    array = np.asarray(embeddings)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"embeddings has shape {array.shape}, but a map needs a row for each glitch and a "
            "column for each feature, and one of each at least."
        )
    return check_array(array, dtype=[np.float64, np.float32], input_name="embeddings")


def check_method(method: str, n_components: int) -> None:
    """Refuse ways and dimensions of a map that there are not."""
    if method not in tuple(METHOD_NAMES):
        raise ValueError(f"method={method!r} is none of {tuple(METHOD_NAMES)}.")
    if n_components not in (2, 3):
        raise ValueError(f"n_components={n_components!r} is neither 2 nor 3.")


def check_places(places: ArrayLike, dtype: Any = np.float64) -> np.ndarray:
    """Check places on a map.

    Parameters
    ----------
    places : array-like of shape (n_samples, 2) or (n_samples, 3)
    dtype : dtype, default=numpy.float64
        Number format to give them in.

    Returns
    -------
    places : ndarray of shape (n_samples, 2) or (n_samples, 3)

    Raises
    ------
    ValueError
        If they are not of this shape, none at all, or no finite numbers.
    """
    array = np.asarray(places)
    if array.ndim != 2 or array.shape[1] not in (2, 3) or not len(array):
        raise ValueError(
            f"places has shape {array.shape}, but a map has a row for each glitch and 2 or 3 "
            "columns: from_embeddings makes one of embeddings."
        )
    return check_array(array, dtype=dtype, input_name="places")


def lay_out(embeddings: ArrayLike, method: str, n_components: int, random_state: Any) -> np.ndarray:
    """Lay embeddings out in two or three dimensions.

    Parameters
    ----------
    embeddings : array-like of shape (n_samples, n_features)
        Those that are all the same, to within rounding, come to lie at one place.
    method : {"tsne", "pca", "umap"}
    n_components : {2, 3}
    random_state : int, RandomState instance or None

    Returns
    -------
    places : ndarray of shape (n_samples, n_components)

    Raises
    ------
    ImportError
        If ``method="umap"`` and umap-learn is not installed.
    ValueError
        If `method` or `n_components` is none of these, `embeddings` are no finite numbers, or
        UMAP is to lay out two.
    """
    embeddings = check_layout(embeddings, method, n_components)
    features, power = _varying(embeddings)
    n_samples, n_features = features.shape
    if n_features == 0:
        return np.zeros((n_samples, n_components), embeddings.dtype)
    if method == "pca":
        from sklearn.decomposition import PCA

        n_found = min(n_components, n_samples, n_features)
        found = PCA(n_found, random_state=random_state).fit_transform(features)
        # There are no more directions than glitches or features.
        return np.ldexp(np.pad(found, ((0, 0), (0, n_components - n_found))), power)
    if method == "tsne":
        from sklearn.manifold import TSNE

        reducer = TSNE(
            n_components,
            perplexity=min(30.0, (n_samples - 1) / 3),
            # That of van der Maaten and Hinton (2008). With scikit-learn's 12, steps are too long
            # where glitches are few, and some fly far out, which leaves no room for the others.
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
        raise ValueError('method="umap" needs 3 glitches at least, got 2: use method="pca".')
    reducer = UMAP(
        min(15, n_samples - 1),
        n_components,
        # Fewer glitches have not as many eigenvectors as a start from these needs.
        init="spectral" if n_samples > n_components + 1 else "random",
        random_state=random_state,
        # With a seed UMAP runs on one thread, and warns if it is not told to.
        **({} if random_state is None else {"n_jobs": 1}),
    )
    return reducer.fit_transform(features)


def _varying(embeddings: np.ndarray) -> tuple[np.ndarray, int]:
    """Give the features in which glitches differ, over a power of two, and that power.

    t-SNE divides by how far glitches are apart, and crashes the interpreter where that is zero,
    as squares of tiny numbers are; those of large ones overflow.
    """
    eps = np.finfo(embeddings.dtype).eps
    largest = np.abs(embeddings).max(axis=0)
    with np.errstate(over="ignore"):
        spread = np.ptp(embeddings, axis=0)
    features = embeddings[:, spread > _STEPS_OF_ROUNDING * eps * largest]
    _, power = np.frexp(np.abs(features).max(initial=0))
    return np.ldexp(features, -power), int(power)
