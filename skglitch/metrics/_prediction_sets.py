"""Conformal prediction sets, which contain the true class with a given probability."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval

from .._validation import (
    check_known_labels,
    check_length,
    check_probabilities,
    column_names,
    order_columns,
    validated,
)
from ._intervals import PROBABILITY, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

_ARRAY = ["array-like"]


@validated({"y_true": _ARRAY, "y_prob": _ARRAY, "labels": _ARRAY, "coverage": [PROBABILITY]})
def conformal_threshold(
    y_true: ArrayLike, y_prob: ArrayLike, *, labels: ArrayLike, coverage: float = 0.9
) -> float:
    """Compute the threshold of prediction sets by split conformal prediction.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of samples that the classifier was not trained on.
    y_prob : array-like of shape (n_samples, n_labels)
        Their probabilities. Named columns of a data frame are matched to `labels`.
    labels : array-like of shape (n_labels,)
        The class of each column of `y_prob`, usually ``classifier.classes_``.
    coverage : float, default=0.9
        The probability that a set contains the true class, between 0 and 1.

    Returns
    -------
    threshold : float
        The lowest probability of a class in a set: the r-th highest probability of the true class
        of the n samples [1]_, with ``r = ceil((n + 1) * coverage)``, or 0 if r > n. The standard
        deviation of the coverage is about ``sqrt(coverage * (1 - coverage) / n)``. It does not hold
        for single classes, or for other class proportions.

    Raises
    ------
    ValueError
        If a parameter is invalid, rows of `y_prob` are not probabilities, `y_true` has classes
        that `labels` lacks, or labels are missing, repeated or of mixed types.

    References
    ----------
    .. [1] M. Sadinle, J. Lei and L. Wasserman, "Least ambiguous set-valued classifiers with
       bounded error levels", J. Am. Stat. Assoc. 114, 223-234 (2019), arXiv:1609.00451.

    Examples
    --------
    >>> from skglitch.metrics import conformal_threshold
    >>> y_true = ["Blip", "Blip", "Tomte", "Tomte"]
    >>> y_prob = [[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.45, 0.55]]
    >>> conformal_threshold(y_true, y_prob, labels=["Blip", "Tomte"], coverage=0.8)
    0.55
    """
    codes, known = check_known_labels(y_true, labels)
    if (codes < 0).any():
        lacking = sorted(set(np.asarray(y_true, dtype=object).ravel()) - set(known))
        raise ValueError(f"labels lacks classes that y_true has: {lacking}.")
    prob = check_probabilities(y_prob, len(codes), known)
    of_true_class = np.sort(prob[np.arange(len(codes)), codes])[::-1]
    # Rounded, so that errors in the last bit do not raise the rank.
    rank = math.ceil(round((len(codes) + 1) * coverage, 9))
    return 0.0 if rank > len(codes) else float(of_true_class[rank - 1])


@validated({"y_prob": _ARRAY, "threshold": [Interval(Real, 0, 1, closed="both")]})
def prediction_sets(y_prob: ArrayLike, threshold: float) -> NDArray[np.bool_] | pd.DataFrame:
    """Find the classes that each sample may belong to.

    Parameters
    ----------
    y_prob : array-like of shape (n_samples, n_labels)
        Probabilities by the classifier that the threshold was computed for.
    threshold : float
        The threshold from :func:`conformal_threshold`.

    Returns
    -------
    sets : ndarray or pandas.DataFrame of shape (n_samples, n_labels), dtype=bool
        Whether each class is in the set of each sample; ``labels[sets[0]]`` are the classes
        in the first set. Sets may be empty. A data frame if the columns of `y_prob` have names.

    Raises
    ------
    ValueError
        If rows of `y_prob` are not probabilities.

    Examples
    --------
    >>> from skglitch.metrics import prediction_sets
    >>> prediction_sets([[0.95, 0.05], [0.5, 0.5]], 0.55)
    array([[ True, False],
           [False, False]])
    """
    table: Any = y_prob
    labels = column_names(table)
    if labels is None:
        n_samples, n_labels = np.shape(y_prob) if np.ndim(y_prob) == 2 else (0, 0)
        return check_probabilities(y_prob, n_samples, range(n_labels)) >= threshold
    import pandas as pd

    sets = check_probabilities(table, len(table), labels) >= threshold
    return pd.DataFrame(sets, index=getattr(table, "index", None), columns=labels)


@validated({"y_true": _ARRAY, "sets": _ARRAY, "labels": _ARRAY, "confidence_level": [PROBABILITY]})
def coverage_table(
    y_true: ArrayLike, sets: ArrayLike, *, labels: ArrayLike, confidence_level: float = 0.95
) -> pd.DataFrame:
    """Tabulate how often prediction sets contain the true class, and how large they are.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers. Those that are not in `labels` are in no set.
    sets : array-like of shape (n_samples, n_labels), dtype=bool
        Whether a class is in a set. Named columns of a data frame are matched to `labels`.
    labels : array-like of shape (n_labels,)
        The class of each column of `sets`.
    confidence_level : float, default=0.95
        The confidence level of the intervals, between 0 and 1.

    Returns
    -------
    table : pandas.DataFrame
        The index `label` has the classes and ``"all"``. The columns are `coverage` (NaN without
        samples), `low` and `high` (its Wilson score interval), `mean_size` (the mean size of the
        sets) and `support` (the number of samples). ``table.attrs`` has `confidence_level`.

    Raises
    ------
    ValueError
        If `sets` is not such an array, or labels are missing, repeated or of mixed types.

    Examples
    --------
    >>> from skglitch.metrics import coverage_table
    >>> sets = [[True, False], [True, True], [False, False], [False, True]]
    >>> table = coverage_table(["Blip", "Blip", "Blip", "Tomte"], sets, labels=["Blip", "Tomte"])
    >>> print(table.round(3))
           coverage    low   high  mean_size  support
    label
    Blip      0.667  0.208  0.939        1.0        3
    Tomte     1.000  0.207  1.000        1.0        1
    all       0.750  0.301  0.954        1.0        4
    """
    import pandas as pd

    codes, known = check_known_labels(y_true, labels)
    member = np.asarray(order_columns(sets, known, "sets"))
    if member.dtype != bool or member.ndim != 2 or member.shape[1] != len(known):
        raise ValueError(
            f"sets must be boolean with a column for each of the {len(known)} labels, "
            f"got {member.dtype} of shape {member.shape}."
        )
    check_length("sets", len(member), len(codes))
    covered = member[np.arange(len(codes)), codes] & (codes >= 0)
    sizes = member.sum(axis=1)

    def sum_by_class(values: NDArray[Any]) -> NDArray[np.int64]:
        by_class = np.bincount(codes[codes >= 0], values[codes >= 0], minlength=len(known))
        return np.append(by_class, values.sum()).astype(np.int64)

    n_samples = sum_by_class(np.ones(len(codes)))
    n_covered = sum_by_class(covered)
    low, high = wilson_interval(n_covered, n_samples, confidence_level)
    n_or_nan = np.where(n_samples > 0, n_samples, np.nan)
    table = pd.DataFrame(
        {
            "coverage": n_covered / n_or_nan,
            "low": low,
            "high": high,
            "mean_size": sum_by_class(sizes) / n_or_nan,
            "support": n_samples,
        },
        index=pd.Index([*known, "all"], name="label"),
    )
    table.attrs = {"confidence_level": float(confidence_level)}
    return table
