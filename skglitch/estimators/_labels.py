"""Labels and sample weights of a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from .._labels import refuse_unlabeled
from .._validation import unmask


def read_labels(estimator: Any, y: Any, classes: np.ndarray | None = None) -> np.ndarray:
    """Check y, given the ``classes`` that are known already, and return it as an array.

    A ValueError is raised if rows have no label, if y is continuous, or if it mixes strings and
    numbers with the known classes.
    """
    if y is not None:  # else scikit-learn has an error for it
        known = None if classes is None else classes.tolist()
        refuse_unlabeled(y, classes=known, hint=", or see SelfTrainingClassifier of scikit-learn")
    # validate_data would forget the names of the columns of X, which fit reads afterwards.
    y = validate_data(estimator, y=y) if classes is None else column_or_1d(y, warn=True)
    check_classification_targets(y)
    if classes is not None:
        unique_labels(classes, y)  # fails where numpy would turn numbers into strings
    return y


def find_classes(images: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted classes, and for each sample its position among them."""
    check_consistent_length(images, y)
    classes, targets = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y has one class only, {classes.tolist()[0]!r}: a classifier needs at least two."
        )
    return classes, targets.astype(np.int64)


def combine_weights(
    images: np.ndarray, y: np.ndarray, classes: np.ndarray, class_weight: Any, sample_weight: Any
) -> np.ndarray | None:
    """Weights with a mean of 1 from ``class_weight`` and ``sample_weight``; None if all equal.

    ``class_weight="balanced"`` balances the classes that are in ``y``.
    """
    if class_weight is None and sample_weight is None:
        return None
    weights = _check_sample_weight(
        unmask(sample_weight), images, dtype=np.float64, ensure_non_negative=True
    )
    if class_weight is not None:
        known = np.unique(y) if class_weight == "balanced" else classes
        by_class = compute_class_weight(class_weight, classes=known, y=y)
        weights = weights * by_class[np.searchsorted(known, y)]
    return (weights / weights.mean()).astype(np.float32)
