"""Spaces in which glitches are compared: principal axes, whitened by the spread within classes.

A net that was trained on n classes separates them along n - 1 axes. Most of what its embedding
holds besides is noise within the classes, so distances and classifiers work along the first
principal axes of embeddings that are scaled to length 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer

# Number of axes: one for every 8 samples, within these bounds.
FEWEST_AXES, MOST_AXES, SAMPLES_PER_AXIS = 30, 200, 8


def count_axes(shape: tuple[int, ...], most: int) -> int:
    """Choose the number of axes for samples of this shape."""
    n_samples, n_features = shape
    return min(max(n_samples // SAMPLES_PER_AXIS, FEWEST_AXES), most, n_features)


def fit_axes(X: NDArray[Any], n_axes: int) -> tuple[Pipeline, NDArray[Any]]:
    """Fit at most `n_axes` principal axes, and project X on them."""
    n_axes = max(min(n_axes, len(X) - 1, X.shape[1]), 1)
    # random_state: PCA takes a randomized solver where there are many features.
    axes = make_pipeline(Normalizer(), PCA(n_axes, random_state=0))
    axes.set_output(transform="default")
    with np.errstate(invalid="ignore"):  # the variance of a single sample
        return axes, axes.fit_transform(X)


class WhitenedAxes:
    """At most so many principal axes, whitened by the spread within the labeled classes."""

    def __init__(self, most: int) -> None:
        self.most = most

    def fit(self, X: NDArray[Any], codes: NDArray[np.intp]) -> WhitenedAxes:
        """Fit to samples, and to the classes of those with a code from 0 on."""
        self.axes, projected = fit_axes(X, count_axes(X.shape, self.most))
        labeled = codes >= 0
        self.whiten = whitening_matrix(subtract_class_means(projected[labeled], codes[labeled]))
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Project samples."""
        return self.axes.transform(X) @ self.whiten


def class_means(X: NDArray[Any], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Average the samples of each class."""
    return np.stack(
        [X[codes == code].mean(axis=0, dtype=np.float64) for code in range(codes.max() + 1)]
    )


def subtract_class_means(X: NDArray[Any], codes: NDArray[np.intp]) -> NDArray[Any]:
    """Difference of each sample from the mean of its class; of all, if no class has two."""
    if codes.max() + 1 == len(X):
        codes = np.zeros_like(codes)
    return X - class_means(X, codes).astype(X.dtype)[codes]


def whitening_matrix(residuals: NDArray[Any]) -> NDArray[np.float64]:
    """Matrix that makes the covariance of residuals, shrunk by Ledoit and Wolf, the unit matrix."""
    covariance = LedoitWolf(assume_centered=True, store_precision=False)
    values, vectors = np.linalg.eigh(covariance.fit(residuals).covariance_.astype(np.float64))
    if values[-1] <= 0:
        # A single sample has no spread.
        return vectors
    # Constant features have no spread: the floor keeps what differs along them far away, but not
    # infinitely far.
    floor = max(values[-1] * np.finfo(residuals.dtype).eps, np.finfo(np.float64).tiny)
    return vectors / np.sqrt(np.maximum(values, floor))
