"""Confidence intervals of proportions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri


def wilson_interval(
    n_correct: ArrayLike, n_samples: ArrayLike, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's interval of proportions; the formula is that of :func:`top_k_table`.

    Parameters
    ----------
    n_correct : array-like of int
        Numbers of successes.
    n_samples : array-like of int
        Numbers of trials, at least 1, of a shape that goes with `n_correct`.
    confidence : float
        Confidence level, between 0 and 1.

    Returns
    -------
    low, high : ndarray of float64
        The ends of the intervals.
    """
    n_correct, n_samples = np.asarray(n_correct), np.asarray(n_samples)
    z = ndtri((1 + confidence) / 2)
    p = n_correct / n_samples
    middle = p + z**2 / (2 * n_samples)
    half = z * np.sqrt(p * (1 - p) / n_samples + z**2 / (4 * n_samples**2))
    scale = 1 + z**2 / n_samples
    # At 0 and 100 % the interval ends there exactly, which rounding must not undo.
    low = np.where(n_correct == 0, 0.0, (middle - half) / scale)
    high = np.where(n_correct == n_samples, 1.0, (middle + half) / scale)
    return low, high
