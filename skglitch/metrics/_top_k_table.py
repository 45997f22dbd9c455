"""Top-1 to top-k accuracy with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from .._text import TextTable, align, percent
from .._validation import validated
from ._intervals import wilson_interval
from ._top_k import rank_true_classes


@dataclass(frozen=True, eq=False)
class TopKTable(TextTable):
    """Top-k accuracies with confidence intervals, made by :func:`top_k_table`.

    ``print`` shows it as a table in percent, ``to_dict`` gives it to other tools.

    Parameters
    ----------
    k : ndarray of shape (n_ks,), dtype=int64
        How many guesses count, rising.
    accuracy : ndarray of shape (n_ks,), dtype=float64
        The fraction of samples whose true class is among the first k.
    low, high : ndarray of shape (n_ks,), dtype=float64
        The confidence interval of each accuracy.
    n_correct : ndarray of shape (n_ks,), dtype=int64
        The number of samples whose true class is among the first k.
    n_samples : int
        The number of samples.
    n_unknown : int
        The number of samples whose class is not among the labels: wrong at every k.
    confidence : float
        The confidence level of the intervals.
    method : {"wilson", "bootstrap"}
        How the intervals were found.

    See Also
    --------
    top_k_table : Compute it.

    Examples
    --------
    >>> from skglitch.metrics import top_k_table
    >>> y_score = [[0.7, 0.2, 0.1], [0.5, 0.4, 0.1]]
    >>> table = top_k_table(["Blip", "Chirp"], y_score, labels=["Blip", "Chirp", "Whistle"])
    >>> table.k, table.accuracy
    (array([1, 2, 3]), array([0.5, 1. , 1. ]))
    """

    k: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_correct: NDArray[np.int64]
    n_samples: int
    n_unknown: int
    confidence: float
    method: str

    def __str__(self) -> str:
        rows = [["k", "top-k accuracy [%]", f"{100 * self.confidence:g} % interval", "correct"]]
        for k, accuracy, low, high, n_correct in zip(
            self.k, self.accuracy, self.low, self.high, self.n_correct, strict=True
        ):
            interval = f"{percent(low):>6} to {percent(high):>6}"
            count = f"{n_correct} of {self.n_samples}"
            rows.append([str(k), percent(accuracy), interval, count])
        text = align(rows)
        if self.n_unknown:
            text += f"\n{self.n_unknown} samples of classes not in labels count as wrong."
        return text


@validated(
    {
        "y_true": ["array-like"],
        "y_score": ["array-like"],
        "labels": ["array-like"],
        "ks": ["array-like"],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "method": [StrOptions({"wilson", "bootstrap"})],
        "n_resamples": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }
)
def top_k_table(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    labels: ArrayLike,
    ks: Sequence[int] = (1, 2, 3, 4, 5),
    confidence: float = 0.95,
    method: Literal["wilson", "bootstrap"] = "wilson",
    n_resamples: int = 5000,
    random_state: int | np.random.RandomState | None = None,
) -> TopKTable:
    r"""Tabulate the top-1 to top-k accuracy with confidence intervals.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers. They need not cover all `labels`.
    y_score : array-like of shape (n_samples, n_labels)
        Scores, higher for likelier classes.
    labels : array-like of shape (n_labels,)
        The class of each column of `y_score`, usually ``classifier.classes_``.
    ks : sequence of int, default=(1, 2, 3, 4, 5)
        The numbers of guesses, each at least 1. Those above `n_labels` are taken as
        `n_labels`, so that the default suits few classes too; none is listed twice.
    confidence : float, default=0.95
        Confidence level of the intervals, between 0 and 1.
    method : {"wilson", "bootstrap"}, default="wilson"
        The intervals: by the score method of Wilson [1]_, or the percentiles of
        accuracies of samples drawn anew with replacement.
    n_resamples : int, default=5000
        How many times to draw for ``method="bootstrap"``.
    random_state : int, RandomState instance or None, default=None
        Makes the draws of ``method="bootstrap"`` repeatable.

    Returns
    -------
    table : TopKTable
        Fields `k`, `accuracy`, `low`, `high`, `n_correct`, `n_samples` and others.

    Raises
    ------
    ValueError
        If a parameter or one of `ks` is not allowed, or for labels and scores
        which :func:`top_k_accuracy` refuses.

    See Also
    --------
    top_k_accuracy : One accuracy; how it treats ties and unknown classes.
    top_k_scorer : A scorer for cross-validation and grid search.
    classification_table : Precision, recall and F1 of each class.

    Notes
    -----
    With c of n samples correct, p = c / n and z the quantile of the normal distribution,
    Wilson's interval is

    .. math:: \frac{p + z^2 / 2n \pm z \sqrt{p (1 - p) / n + z^2 / 4n^2}}{1 + z^2 / n}

    It keeps close to its level even near 100 % [2]_, where good classifiers are. The
    bootstrap does not: with all samples correct its interval is the single point 100 %.

    Both take the samples as independent. They tell how far the accuracy may be off for
    this one fitted classifier, not how much it changes with another training set.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical
       inference", J. Am. Stat. Assoc. 22, 209-212 (1927).
    .. [2] L. D. Brown, T. T. Cai and A. DasGupta, "Interval estimation for a binomial
       proportion", Stat. Sci. 16, 101-133 (2001).

    Examples
    --------
    >>> from skglitch.metrics import top_k_table
    >>> y_true = ["Blip", "Chirp", "Chirp", "Blip"]
    >>> y_score = [[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.5, 0.1, 0.4], [0.8, 0.2, 0.0]]
    >>> table = top_k_table(y_true, y_score, labels=["Blip", "Chirp", "Whistle"])
    >>> print(table)
    k  top-k accuracy [%]     95 % interval  correct
    1               50.00   15.00 to  85.00   2 of 4
    2               75.00   30.06 to  95.44   3 of 4
    3              100.00   51.01 to 100.00   4 of 4
    """
    wanted = _check_ks(ks)
    ranks, n_labels = rank_true_classes(y_true, y_score, labels)
    k = np.unique(np.minimum(wanted, n_labels))
    # How many samples have each rank is all that the intervals depend on.
    counts = np.bincount(ranks, minlength=n_labels + 1)
    n_correct = counts.cumsum()[k - 1]
    if method == "wilson":
        low, high = wilson_interval(n_correct, len(ranks), confidence)
    else:
        low, high = _bootstrap_interval(counts, k, confidence, n_resamples, random_state)
    return TopKTable(
        k=k,
        accuracy=n_correct / len(ranks),
        low=low,
        high=high,
        n_correct=n_correct,
        n_samples=len(ranks),
        n_unknown=int(counts[n_labels]),
        confidence=float(confidence),
        method=method,
    )


def _check_ks(ks: Sequence[int]) -> NDArray[np.int64]:
    wanted = np.asarray(ks)
    if wanted.ndim != 1 or len(wanted) == 0 or wanted.dtype.kind not in "iu" or wanted.min() < 1:
        raise ValueError(f"ks must be a sequence of integers of at least 1, got {ks!r}.")
    return wanted.astype(np.int64)


def _bootstrap_interval(
    counts: NDArray[np.int64],
    k: NDArray[np.int64],
    confidence: float,
    n_resamples: int,
    random_state: int | np.random.RandomState | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # Drawing n samples with replacement and counting their ranks is one multinomial
    # draw of the counts: the same distribution at a fraction of the work.
    n_samples = counts.sum()
    generator = check_random_state(random_state)
    drawn = generator.multinomial(n_samples, counts / n_samples, size=n_resamples)
    accuracy = drawn.cumsum(axis=1)[:, k - 1] / n_samples
    low, high = np.quantile(accuracy, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high
