"""Labels and sample weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    column_or_1d,
)


def encode_labels(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted classes, and for each sample its position among them.

    Raises
    ------
    ValueError
        If ``y`` has another length than X, lacks labels, is continuous, or has fewer than two
        classes.
    """
    check_consistent_length(X, y)
    # NaN was refused before; None sorts with nothing.
    missing = [row for row, label in enumerate(y.tolist()) if label is None]
    if missing:
        raise ValueError(
            f"y has no label for {len(missing)} of {len(y)} samples, the first in row "
            f"{missing[0]}: leave them out, or see SelfTrainingClassifier of scikit-learn."
        )
    check_classification_targets(y)
    classes, targets = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y has one class only, {classes.tolist()[0]!r}: a classifier needs two at least."
        )
    return classes, targets.astype(np.int64)


def check_new_labels(X: np.ndarray, y: Any, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels as an array, and those that are not in ``classes``, sorted.

    Raises
    ------
    ValueError
        If ``y`` has another length than X, is continuous, or mixes strings and numbers with
        ``classes``.
    """
    y = column_or_1d(y, warn=True)
    check_consistent_length(X, y)
    check_classification_targets(y)
    unique_labels(classes, y)  # fails where numpy would turn numbers into strings
    return y, np.setdiff1d(y, classes)


def combine_weights(
    images: np.ndarray, y: np.ndarray, classes: np.ndarray, class_weight: Any, sample_weight: Any
) -> np.ndarray | None:
    """Weights with a mean of 1 from ``class_weight`` and ``sample_weight``; None if all equal.

    ``class_weight="balanced"`` balances the classes that are in ``y``.
    """
    if class_weight is None and sample_weight is None:
        return None
    weights = _check_sample_weight(
        sample_weight, images, dtype=np.float64, ensure_non_negative=True
    )
    if class_weight is not None:
        known = np.unique(y) if class_weight == "balanced" else classes
        by_class = compute_class_weight(class_weight, classes=known, y=y)
        weights = weights * by_class[np.searchsorted(known, y)]
    return (weights / weights.mean()).astype(np.float32)
