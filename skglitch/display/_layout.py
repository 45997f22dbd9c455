"""Where glitches lie on a map of embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

METHOD_NAMES = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}


def lay_out(embeddings: ArrayLike, method: str, n_components: int, random_state: Any) -> np.ndarray:
    """Lay embeddings out in two or three dimensions.

    Parameters
    ----------
    embeddings : array-like of shape (n_samples, n_features)
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
        If `method` or `n_components` is none of these.
    """
    embeddings = np.asarray(embeddings)
    if method not in METHOD_NAMES:
        raise ValueError(f"method={method!r} is none of {tuple(METHOD_NAMES)}.")
    if n_components not in (2, 3):
        raise ValueError(f"n_components={n_components!r} is neither 2 nor 3.")
    if method == "pca":
        from sklearn.decomposition import PCA

        return PCA(n_components, random_state=random_state).fit_transform(embeddings)
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(embeddings) - 1) / 3)
        reducer = TSNE(n_components, perplexity=perplexity, random_state=random_state)
        return reducer.fit_transform(embeddings)
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError('method="umap" needs umap-learn: pip install "skglitch[umap]"') from error
    neighbors = min(15, len(embeddings) - 1)
    # With a seed UMAP runs on one thread, and warns if it is not told to.
    jobs = {} if random_state is None else {"n_jobs": 1}
    reducer = UMAP(neighbors, n_components, random_state=random_state, **jobs)
    return reducer.fit_transform(embeddings)
