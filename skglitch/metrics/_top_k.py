"""Top-k accuracy for classes that need not all be there."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval

from .._validation import check_known_labels, check_scores, validated


def rank_true_classes(
    y_true: ArrayLike, y_score: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.intp], int]:
    """Rank the true class of each sample among all classes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_score : array-like of shape (n_samples, n_labels)
        Scores, higher for likelier classes.
    labels : array-like of shape (n_labels,)
        The class of each column of `y_score`.

    Returns
    -------
    ranks : ndarray of shape (n_samples,), dtype=intp
        How many *other* classes have at least the score of the true one: 0 if that is
        the best by itself, and `n_labels` if it is not in `labels`.
    n_labels : int
        The number of classes.
    """
    codes, known = check_known_labels(y_true, labels)
    scores = check_scores(y_score, len(codes), len(known))
    # Code -1 picks the last column here, which the last line overrules.
    own = scores[np.arange(len(codes)), codes]
    ranks = (scores >= own[:, np.newaxis]).sum(axis=1) - 1
    return np.where(codes < 0, len(known), ranks), len(known)


@validated(
    {
        "y_true": ["array-like"],
        "y_score": ["array-like"],
        "k": [Interval(Integral, 1, None, closed="left")],
        "labels": ["array-like"],
        "sample_weight": ["array-like", None],
    }
)
def top_k_accuracy(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    k: int,
    labels: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Fraction of samples whose true class is among the k with the highest scores.

    Unlike :func:`sklearn.metrics.top_k_accuracy_score`, it takes `labels` in any order,
    true labels outside of them, and a `k` as large as you like, and it does not count a
    tie as a success.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers. They need not cover all `labels`.
    y_score : array-like of shape (n_samples, n_labels)
        Scores, higher for likelier classes: probabilities, log-probabilities or values
        of a decision function. Two columns for two classes.
    k : int
        How many guesses count, at least 1.
    labels : array-like of shape (n_labels,)
        The class of each column of `y_score`, usually ``classifier.classes_``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, none negative and not all zero. With None all samples count the same.

    Returns
    -------
    score : float
        From 0 to 1. It is 1 for ``k >= n_labels`` if `y_true` has known labels only.

    Raises
    ------
    ValueError
        If `y_score` has not one column a label or contains NaN, if labels are missing,
        repeated, or numbers here and strings there, if lengths differ, or if the weights
        are not as above.

    See Also
    --------
    top_k_scorer : The same as a scorer for cross-validation and grid search.
    top_k_table : Top-1 to top-k accuracy with confidence intervals.

    Notes
    -----
    *Ties.* A tie counts against the classifier: the true class is among the first k if
    fewer than k other classes score as much or more. The result so depends on neither
    the order of the classes nor the sorting, and a classifier that gives all classes
    the same score has 0, not 1. It can thus be below the accuracy of ``predict``, which
    takes the first of equals, where scores are coarse (few neighbors, single trees).

    *Unknown classes.* A sample whose class is not in `labels` is wrong at every k, also
    for ``k >= n_labels``: no number of guesses would name it.

    Examples
    --------
    >>> from skglitch.metrics import top_k_accuracy
    >>> labels = ["Blip", "Chirp", "Whistle"]
    >>> y_true = ["Blip", "Chirp", "Chirp"]  # no Whistle
    >>> y_score = [[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.5, 0.1, 0.4]]
    >>> [round(top_k_accuracy(y_true, y_score, k=k, labels=labels), 3) for k in (1, 2, 3)]
    [0.333, 0.667, 1.0]
    """
    ranks, n_labels = rank_true_classes(y_true, y_score, labels)
    # The cap keeps unknown classes, of rank n_labels, wrong at every k.
    correct = ranks < min(k, n_labels)
    if sample_weight is None:
        return float(correct.mean())
    return float(np.average(correct, weights=_check_weights(sample_weight, len(correct))))


def _check_weights(sample_weight: ArrayLike, n_samples: int) -> NDArray[np.float64]:
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have one weight for each of the {n_samples} samples, "
            f"got shape {weights.shape}."
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError("sample_weight must be finite, nowhere negative and not all zero.")
    return weights
