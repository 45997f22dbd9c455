"""Which of two classifiers is better, judged on the same samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from .._text import TextTable, align, percent
from .._validation import check_labels, check_length, check_same_kind, validated


@dataclass(frozen=True)
class McNemarResult(TextTable):
    """What McNemar's test found, made by :func:`mcnemar_test`.

    Parameters
    ----------
    n_both : int
        Samples that both classifiers name correctly.
    n_only_a, n_only_b : int
        Samples that only the first, or only the second, names correctly.
    n_neither : int
        Samples that neither names correctly.
    p_exact : float
        Two-sided p-value of the exact test, which keeps its level always.
    p_mid : float
        Two-sided mid-p value, closer to the level, and so more powerful.

    See Also
    --------
    mcnemar_test : Compute it.

    Examples
    --------
    >>> from skglitch.metrics import mcnemar_test
    >>> result = mcnemar_test(["Blip"] * 10, ["Blip"] * 10, ["Tomte"] * 6 + ["Blip"] * 4)
    >>> result.n_only_a, result.n_only_b, result.p_exact
    (6, 0, 0.03125)
    """

    n_both: int
    n_only_a: int
    n_only_b: int
    n_neither: int
    p_exact: float
    p_mid: float

    def __str__(self) -> str:
        rows = [
            ["", "B right", "B wrong"],
            ["A right", str(self.n_both), str(self.n_only_a)],
            ["A wrong", str(self.n_only_b), str(self.n_neither)],
        ]
        return (
            f"{align(rows, left=[0])}\n\n"
            f"McNemar's test: p = {self.p_exact:.3g} (exact), {self.p_mid:.3g} (mid-p)"
        )


@validated({"y_true": ["array-like"], "y_pred_a": ["array-like"], "y_pred_b": ["array-like"]})
def mcnemar_test(y_true: ArrayLike, y_pred_a: ArrayLike, y_pred_b: ArrayLike) -> McNemarResult:
    r"""Test whether two classifiers have the same accuracy, on the same samples.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers.
    y_pred_a, y_pred_b : array-like of shape (n_samples,)
        What the two classifiers predicted, of the same kind.

    Returns
    -------
    result : McNemarResult
        Fields `n_both`, `n_only_a`, `n_only_b`, `n_neither`, `p_exact` and `p_mid`.

    Raises
    ------
    ValueError
        If lengths differ, labels are missing, or are numbers here and strings there.

    See Also
    --------
    paired_bootstrap : How large the difference is, of any metric and with groups.

    Notes
    -----
    Only samples count that one classifier gets right and the other wrong. If both are as
    good, b of these n are right in the first with the binomial distribution of n throws of a
    coin, F and f. With m the smaller of b and n - b,

    .. math:: p_\mathrm{exact} = \min(1, 2 F(m)), \quad
        p_\mathrm{mid} = p_\mathrm{exact} - f(m)

    and :math:`p_\mathrm{mid} = 1 - f(m) / 2` for b = n - b. The exact test is conservative;
    the mid-p value [1]_ nearly keeps its level and finds more. Where n is 0, both are 1.

    The samples are taken as independent. For glitches that come in groups use
    :func:`paired_bootstrap`. A test says nothing about other training sets or seeds.

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
    >>> print(mcnemar_test(y_true, y_pred_a, y_pred_b))
             B right  B wrong
    A right        3        6
    A wrong        1        0
    <BLANKLINE>
    McNemar's test: p = 0.125 (exact), 0.0703 (mid-p)
    """
    right_a, right_b = _right(y_true, y_pred_a, y_pred_b)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p_exact, p_mid = _p_values(only_a, only_b)
    return McNemarResult(
        n_both=int((right_a & right_b).sum()),
        n_only_a=only_a,
        n_only_b=only_b,
        n_neither=int((~right_a & ~right_b).sum()),
        p_exact=p_exact,
        p_mid=p_mid,
    )


def _right(
    y_true: ArrayLike, y_pred_a: ArrayLike, y_pred_b: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which samples each of two classifiers names correctly."""
    labels = {
        name: check_labels(values, name)
        for name, values in [("y_true", y_true), ("y_pred_a", y_pred_a), ("y_pred_b", y_pred_b)]
    }
    for name, values in labels.items():
        check_length(name, len(values), len(labels["y_true"]))
    check_same_kind(**labels)
    true, a, b = (np.array(values, dtype=object) for values in labels.values())
    return true == a, true == b


def _p_values(only_a: int, only_b: int) -> tuple[float, float]:
    n = only_a + only_b
    if n == 0:
        return 1.0, 1.0
    smaller = min(only_a, only_b)
    at = float(binom.pmf(smaller, n, 0.5))
    if only_a == only_b:
        return 1.0, 1 - at / 2
    exact = min(1.0, 2 * float(binom.cdf(smaller, n, 0.5)))
    return exact, exact - at


@dataclass(frozen=True)
class PairedDifference(TextTable):
    """A difference of two scores with its interval, made by :func:`paired_bootstrap`.

    Parameters
    ----------
    score_a, score_b : float
        The scores of the two classifiers.
    difference : float
        ``score_a - score_b``.
    low, high : float
        The confidence interval of the difference.
    standard_error : float
        Standard deviation of the difference over the draws.
    n_samples : int
        The number of samples.
    n_groups : int
        The number of groups that were drawn: `n_samples` without groups.
    confidence : float
        The confidence level of the interval.

    See Also
    --------
    paired_bootstrap : Compute it.

    Examples
    --------
    >>> from skglitch.metrics import paired_bootstrap
    >>> y_true, y_pred_b = ["Blip"] * 40, ["Blip"] * 30 + ["Tomte"] * 10
    >>> result = paired_bootstrap(y_true, y_true, y_pred_b, random_state=0)
    >>> result.score_a, result.score_b, result.difference
    (1.0, 0.75, 0.25)
    """

    score_a: float
    score_b: float
    difference: float
    low: float
    high: float
    standard_error: float
    n_samples: int
    n_groups: int
    confidence: float

    def __str__(self) -> str:
        rows = [
            ["", "score [%]"],
            ["A", percent(self.score_a)],
            ["B", percent(self.score_b)],
            ["A - B", percent(self.difference)],
        ]
        groups = f" in {self.n_groups} groups" if self.n_groups < self.n_samples else ""
        return (
            f"{align(rows, left=[0])}\n\n{100 * self.confidence:g} % interval of A - B: "
            f"{percent(self.low)} to {percent(self.high)} ({self.n_samples} samples{groups})"
        )


@validated(
    {
        "y_true": ["array-like"],
        "y_pred_a": ["array-like"],
        "y_pred_b": ["array-like"],
        "metric": [callable, None],
        "groups": ["array-like", None],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
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
    confidence: float = 0.95,
    n_resamples: int = 2000,
    random_state: int | np.random.RandomState | None = None,
) -> PairedDifference:
    """Estimate how much better one classifier is than another, on the same samples.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred_a, y_pred_b : array-like of shape (n_samples,) or (n_samples, n_labels)
        What the two classifiers predicted: whatever `metric` takes, labels or scores.
    metric : callable, default=None
        Called as ``metric(y_true, y_pred)``, it returns a float. None is the accuracy, quicker
        than by ``sklearn.metrics.accuracy_score``.
    groups : array-like of shape (n_samples,), default=None
        Samples of one group, such as those of :func:`group_by_time`, are drawn together.
        With None each sample is drawn by itself.
    confidence : float, default=0.95
        Confidence level of the interval, between 0 and 1.
    n_resamples : int, default=2000
        How many times to draw.
    random_state : int, RandomState instance or None, default=None
        Makes the draws repeatable.

    Returns
    -------
    result : PairedDifference
        Fields `score_a`, `score_b`, `difference`, `low`, `high`, `standard_error` and others.

    Raises
    ------
    ValueError
        If a parameter is not allowed, lengths differ, or there is a single group.

    See Also
    --------
    mcnemar_test : A test of equal accuracy, better than an interval for few errors.
    top_k_table : The interval of one classifier's accuracy.

    Notes
    -----
    Samples, or whole groups of them [1]_, are drawn with replacement, both classifiers are
    scored on the same draw, and the interval is between the percentiles of the differences
    [2]_. As both face the same hard samples, it is narrower than two intervals by themselves
    suggest. It is too narrow where few groups or few errors are: with no sample that only one
    of them names correctly, it is the single point 0.

    Each draw may lack a class, which a macro average then leaves out.

    References
    ----------
    .. [1] A. C. Davison and D. V. Hinkley, "Bootstrap methods and their application",
       section 3.8, Cambridge University Press (1997).
    .. [2] B. Efron and R. J. Tibshirani, "An introduction to the bootstrap", chapter 13,
       Chapman & Hall (1993).

    Examples
    --------
    >>> from functools import partial
    >>> from sklearn.metrics import f1_score
    >>> from skglitch.metrics import paired_bootstrap
    >>> y_true = ["Blip", "Tomte"] * 50
    >>> y_pred_a = ["Blip", "Tomte"] * 45 + ["Tomte", "Blip"] * 5
    >>> y_pred_b = ["Blip", "Tomte"] * 40 + ["Tomte", "Blip"] * 10
    >>> result = paired_bootstrap(y_true, y_pred_a, y_pred_b, random_state=0)
    >>> round(result.difference, 3), result.low > 0
    (0.1, True)
    >>> result = paired_bootstrap(
    ...     y_true,
    ...     y_pred_a,
    ...     y_pred_b,
    ...     metric=partial(f1_score, average="macro"),
    ...     n_resamples=50,
    ...     random_state=0,
    ... )
    >>> print(round(result.score_a, 3), round(result.score_b, 3))
    0.9 0.8
    """
    if metric is None:
        # Who was right is all that counts: no need to compare labels in every draw.
        right_a, right_b = _right(y_true, y_pred_a, y_pred_b)
        arrays: list[NDArray[Any]] = [right_a, right_a, right_b]
        metric = _mean_of_right
    else:
        arrays = [np.asarray(values) for values in (y_true, y_pred_a, y_pred_b)]
    for name, array in zip(("y_pred_a", "y_pred_b"), arrays[1:], strict=True):
        check_length(name, len(array), len(arrays[0]))
    members = _members(groups, len(arrays[0]))

    def scores(rows: Any) -> tuple[float, float]:
        true, a, b = (array[rows] for array in arrays)
        return float(metric(true, a)), float(metric(true, b))

    score_a, score_b = scores(slice(None))
    generator = check_random_state(random_state)
    differences = np.empty(n_resamples)
    for draw in range(n_resamples):
        drawn = generator.randint(len(members), size=len(members))
        a, b = scores(np.concatenate([members[index] for index in drawn]))
        differences[draw] = a - b
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return PairedDifference(
        score_a=score_a,
        score_b=score_b,
        difference=score_a - score_b,
        low=float(low),
        high=float(high),
        standard_error=float(differences.std(ddof=1)),
        n_samples=len(arrays[0]),
        n_groups=len(members),
        confidence=float(confidence),
    )


def _mean_of_right(_y_true: Any, right: NDArray[np.bool_]) -> float:
    return float(right.mean())


def _members(groups: ArrayLike | None, n_samples: int) -> list[NDArray[np.intp]]:
    """Rows of each group."""
    if groups is None:
        return list(np.arange(n_samples)[:, np.newaxis])
    labels = np.asarray(groups)
    check_length("groups", len(labels), n_samples)
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        raise ValueError("groups holds a single group: with nothing to draw from, leave it out.")
    return np.split(np.argsort(codes, kind="stable"), counts.cumsum()[:-1])
