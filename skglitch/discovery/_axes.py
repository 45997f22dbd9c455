"""Principal axes of embeddings, whitened by the spread within classes.

A net that was trained on n classes separates them along n - 1 axes. The rest of its embedding is
mostly noise, so distances and classifiers use the first axes of embeddings of length 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer

Array = NDArray[Any]
Codes = NDArray[np.intp]

# The bounds of the number of axes.
FEWEST_AXES, MOST_AXES = 30, 200


def count_axes(shape: tuple[int, ...], most: int) -> int:
    """Choose the number of axes for X of this shape: one per 8 samples, within bounds."""
    return min(max(shape[0] // 8, FEWEST_AXES), most, shape[1])


def fit_axes(X: Array, n_axes: int) -> tuple[Pipeline, Array]:
    """Fit at most `n_axes` principal axes, and project X on them."""
    n_axes = max(min(n_axes, len(X) - 1, X.shape[1]), 1)
    # random_state: PCA uses a randomized solver if there are many features.
    axes = make_pipeline(Normalizer(), PCA(n_axes, random_state=0))
    axes.set_output(transform="default")
    with np.errstate(invalid="ignore"):  # the variance of a single sample
        return axes, axes.fit_transform(X)


def class_means(X: Array, codes: Codes) -> NDArray[np.float64]:
    """Mean of each class."""
    classes = range(codes.max() + 1)
    return np.stack([X[codes == code].mean(axis=0, dtype=np.float64) for code in classes])


def subtract_class_means(X: Array, codes: Codes) -> Array:
    """Subtract class means from the samples, or the mean of all if no class has two samples."""
    if codes.max() + 1 == len(X):
        codes = np.zeros_like(codes)
    return X - class_means(X, codes).astype(X.dtype)[codes]


def whitening_matrix(residuals: Array) -> NDArray[np.float64]:
    """Matrix that whitens residuals by their Ledoit-Wolf covariance."""
    covariance = LedoitWolf(assume_centered=True, store_precision=False)
    values, vectors = np.linalg.eigh(covariance.fit(residuals).covariance_.astype(np.float64))
    if values[-1] <= 0:
        return vectors
    # Constant features have no spread: the floor keeps distances along them finite.
    floor = max(values[-1] * np.finfo(residuals.dtype).eps, np.finfo(np.float64).tiny)
    return vectors / np.sqrt(np.maximum(values, floor))
