"""Confidence intervals of proportions."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest
from sklearn.utils._param_validation import Interval

PROBABILITY = Interval(Real, 0, 1, closed="neither")


def wilson_interval(
    n_correct: ArrayLike, n_samples: ArrayLike, confidence_level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute Wilson score intervals, from 0 to 1 without samples."""
    counts = np.broadcast_arrays(np.asarray(n_correct), np.asarray(n_samples))
    limits = [
        binomtest(int(k), int(n)).proportion_ci(confidence_level, method="wilson")
        if n
        else (0.0, 1.0)
        for k, n in zip(*counts, strict=True)
    ]
    low, high = np.array(limits, dtype=np.float64).T
    return low, high
