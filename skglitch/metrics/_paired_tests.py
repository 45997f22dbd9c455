"""Comparison of two classifiers on the same samples."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, binomtest, bootstrap
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from .._labels import UNLABELED, refuse_unlabeled
from .._validation import check_labels, check_length, check_same_kind, validated
from ._intervals import PROBABILITY


class McNemarResult(NamedTuple):
    """Counts and p-values of McNemar's test."""

    n_both: int
    n_only_a: int
    n_only_b: int
    n_neither: int
    pvalue: float
    mid_pvalue: float


_NAMES = ("y_true", "y_pred_a", "y_pred_b")
_ARRAYS: dict[str, list[Any]] = {name: ["array-like"] for name in _NAMES}


@validated(_ARRAYS)
def mcnemar_test(y_true: ArrayLike, y_pred_a: ArrayLike, y_pred_b: ArrayLike) -> McNemarResult:
    """Test whether two classifiers have the same accuracy on the same samples.

    Samples are assumed to be independent. If glitches come in groups, use
    :func:`paired_bootstrap`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers.
    y_pred_a, y_pred_b : array-like of shape (n_samples,)
        The predictions of the two classifiers, of the same type.

    Returns
    -------
    result : named tuple
        `n_both`, `n_only_a`, `n_only_b` and `n_neither` are the numbers of samples that both
        classifiers, only the first, only the second or neither predict correctly. `pvalue` is
        the two-sided p-value of the exact test, which is conservative, and `mid_pvalue` the mid-p
        value, which is nearly exact and more powerful [1]_.

    Raises
    ------
    ValueError
        If lengths differ, or labels are missing or of mixed types.

    References
    ----------
    .. [1] M. W. Fagerland, S. Lydersen and P. Laake, "The McNemar test for binary
       matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC Med.
       Res. Methodol. 13, 91 (2013).

    Examples
    --------
    >>> from skglitch.metrics import mcnemar_test
    >>> y_true = ["Blip"] * 10
    >>> y_pred_a = ["Blip"] * 9 + ["Tomte"]
    >>> y_pred_b = ["Blip"] * 3 + ["Tomte"] * 6 + ["Blip"]
    >>> result = mcnemar_test(y_true, y_pred_a, y_pred_b)
    >>> result.n_only_a, result.n_only_b, round(result.pvalue, 3), round(result.mid_pvalue, 4)
    (6, 1, 0.125, 0.0703)
    """
    correct_a, correct_b = _find_correct(y_true, y_pred_a, y_pred_b)
    only_a, only_b = int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())
    pvalue = mid_pvalue = 1.0
    if only_a + only_b:
        pvalue = float(binomtest(only_a, only_a + only_b).pvalue)
        mass = float(binom.pmf(min(only_a, only_b), only_a + only_b, 0.5))
        mid_pvalue = pvalue - (mass / 2 if only_a == only_b else mass)
    return McNemarResult(
        n_both=int((correct_a & correct_b).sum()),
        n_only_a=only_a,
        n_only_b=only_b,
        n_neither=int((~correct_a & ~correct_b).sum()),
        pvalue=pvalue,
        mid_pvalue=mid_pvalue,
    )


class PairedBootstrapResult(NamedTuple):
    """The difference of two scores and its confidence interval."""

    score_a: float
    score_b: float
    difference: float
    low: float
    high: float
    standard_error: float


@validated(
    {
        **_ARRAYS,
        "metric": [callable, None],
        "groups": ["array-like", None],
        "confidence_level": [PROBABILITY],
        "n_resamples": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }
)
def paired_bootstrap(
    y_true: ArrayLike,
    y_pred_a: ArrayLike,
    y_pred_b: ArrayLike,
    *,
    metric: Callable[[Any, Any], float] | None = None,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    random_state: int | np.random.RandomState | None = None,
) -> PairedBootstrapResult:
    """Estimate the difference between the scores of two classifiers on the same samples.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred_a, y_pred_b : array-like of shape (n_samples,) or (n_samples, n_labels)
        The predictions of the two classifiers, labels or scores as `metric` takes them.
    metric : callable, default=None
        Called as ``metric(y_true, y_pred)``, returns a float. None is the accuracy.
    groups : array-like of shape (n_samples,), default=None
        The group of each sample, such as from :func:`group_by_time`. Groups are resampled as a
        whole. By default, each sample is its own group.
    confidence_level : float, default=0.95
        The confidence level of the interval, between 0 and 1.
    n_resamples : int, default=2000
        The number of bootstrap resamples.
    random_state : int, RandomState instance or None, default=None
        The seed of the resamples.

    Returns
    -------
    result : named tuple
        `score_a`, `score_b`, their `difference`, its confidence interval `low` and `high`, and
        its `standard_error`. The percentile interval [1]_ of the differences is too narrow for few
        groups or few errors.

    Raises
    ------
    ValueError
        If a parameter is invalid, lengths differ, or there is only one group.

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, "An introduction to the bootstrap", chapter 13,
       Chapman & Hall (1993).

    Examples
    --------
    >>> from skglitch.metrics import paired_bootstrap
    >>> y_true = ["Blip", "Tomte"] * 50
    >>> y_pred_a = ["Blip", "Tomte"] * 45 + ["Tomte", "Blip"] * 5
    >>> y_pred_b = ["Blip", "Tomte"] * 40 + ["Tomte", "Blip"] * 10
    >>> result = paired_bootstrap(y_true, y_pred_a, y_pred_b, random_state=0)
    >>> round(result.difference, 3), result.low > 0
    (0.1, True)
    """
    if metric is None:
        # Labels are compared once, not in every resample.
        correct_a, correct_b = _find_correct(y_true, y_pred_a, y_pred_b)
        arrays: list[NDArray[Any]] = [correct_a, correct_a, correct_b]

        def metric(_: Any, correct: NDArray[np.bool_]) -> float:
            return float(correct.mean())

    else:
        refuse_unlabeled(y_true, "y_true")
        arrays = [np.asarray(values) for values in (y_true, y_pred_a, y_pred_b)]
    for name, array in zip(("y_pred_a", "y_pred_b"), arrays[1:], strict=True):
        check_length(name, len(array), len(arrays[0]))
    members: list[NDArray[np.intp]] | None = None
    if groups is not None:
        labels = np.array(check_labels(groups, "groups", {UNLABELED}))
        check_length("groups", len(labels), len(arrays[0]))
        _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
        if len(counts) < 2:
            raise ValueError("groups holds a single group: there is nothing to resample.")
        members = np.split(np.argsort(codes, kind="stable"), counts.cumsum()[:-1])

    def difference(rows: NDArray[np.intp]) -> float:
        if members is not None:
            rows = np.concatenate([members[group] for group in rows])
        true, a, b = (array[rows] for array in arrays)
        return float(metric(true, a)) - float(metric(true, b))

    score_a, score_b = (float(metric(arrays[0], array)) for array in arrays[1:])
    n_units = len(arrays[0]) if members is None else len(members)
    if n_units < 2:
        raise ValueError("y_true has 1 sample: there is nothing to resample.")
    result = bootstrap(
        (np.arange(n_units),),
        difference,
        n_resamples=n_resamples,
        batch=max(1, 10**7 // n_units),  # at most 80 MB of row numbers at a time
        vectorized=False,
        confidence_level=confidence_level,
        method="percentile",
        random_state=check_random_state(random_state),
    )
    return PairedBootstrapResult(
        score_a=score_a,
        score_b=score_b,
        difference=score_a - score_b,
        low=float(result.confidence_interval.low),
        high=float(result.confidence_interval.high),
        standard_error=float(result.standard_error),
    )


def _find_correct(
    y_true: ArrayLike, y_pred_a: ArrayLike, y_pred_b: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    labels = {"y_true": check_labels(y_true, "y_true")}
    for name, values in (("y_pred_a", y_pred_a), ("y_pred_b", y_pred_b)):
        labels[name] = check_labels(values, name, {UNLABELED})
    for name, values in labels.items():
        check_length(name, len(values), len(labels["y_true"]))
    check_same_kind(**labels)
    true, a, b = (np.array(values, dtype=object) for values in labels.values())
    return true == a, true == b
